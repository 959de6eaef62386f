//! Writes, reads and their answers: the words in which `logic` asks and `store` answers.
//!
//! Types, and the seam of an engine. `logic` and `store` do not know each other; both know these,
//! and the server carries them across. Writes are asked for one by one, gathered into batches by
//! the server, and answered, each by its request number, when their batch is on disk.

mod engine;
mod limits;
mod outcome;
mod page;
mod quotas;
mod read;

use std::sync::Arc;

use crate::wire::{
    Body, Bundle, JoinCode, Message, MsgId, Note, ParkedKind, Pin, RoomName, Seq, Span, Target,
    UserId,
};

pub use engine::{Chores, CommitError, ReadEngine, StoreError, WriteEngine};
pub use limits::READS_IN_WORK_MAX;
pub use outcome::{
    AppendOutcome, Appended, Claimed, DiskFull, DueReleased, MessageOutcome, NoTarget, NotClaimed,
    NotStored, Outcome, ParkedTaken, RoomJoined, RoomLeft, RoomNotJoined, RoomNotLeft, Swept,
};
pub use page::{Missing, Page, PageItem};
pub use quotas::Quotas;
pub use read::{Found, Read};

/// Names a question, so that its answer can be told apart. Never used twice by one server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a long body that is being stored part by part. Never used twice by one server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upload(pub u64);

/// Messages as they stand in their log, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The place of the first in the order of all messages.
    pub seq: Seq,
    /// Its place in its own log: 1, 2, 3, … without gaps.
    pub ordinal: u64,
    /// Number of the first chunk of a long body, for [`Read::Chunk`]; the others follow it. 0 for a
    /// body that is whole.
    pub parts: u64,
    /// The messages.
    pub bundle: Arc<Bundle>,
}

impl Record {
    /// Returns their seqs.
    pub fn span(&self) -> Span {
        Span::starting_at(self.seq, self.bundle.count())
    }

    /// Returns `count` of them, at least one, from the one at `at` on.
    pub fn slice(&self, at: u64, count: u64) -> Self {
        if at == 0 && count == self.bundle.count() {
            return self.clone();
        }
        let bundle = Arc::new(self.bundle.slice(at, count));
        Self { seq: self.seq + at, ordinal: self.ordinal + at, parts: self.parts, bundle }
    }
}

/// Position up to which one user has acked one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCursor {
    /// Everything of the log up to here is acked, or is not for this user.
    pub through: Seq,
    /// Ordinal of the log's last message at or before `through`. 0: before its first.
    pub ordinal: u64,
    /// Messages beyond `through` that are acked, or not for this user, ascending.
    pub above: Vec<AckedRange>,
}

/// Messages of a log that follow one another in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckedRange {
    /// Seqs from the first to the last of them. Seqs in between may belong to other logs, as may
    /// those at its ends.
    pub span: Span,
    /// Ordinal of the first.
    pub ordinal: u64,
    /// Number of messages.
    pub count: u64,
}

/// Something to be made durable.
#[derive(Clone, Debug)]
pub enum Write {
    /// Give `id` to `key`, if nobody has it and `code` allows it. Answer: [`Outcome::Claim`].
    Claim {
        /// The name wanted.
        id: UserId,
        /// Who wants it.
        key: Pin,
        /// True if a new claim needs a code.
        code_needed: bool,
        /// The code shown, spent by a new claim.
        code: Option<JoinCode>,
        /// Now, in milliseconds since 1970.
        now_ms: u64,
    },
    /// Add a join code, which a claim may spend. Answer: [`Outcome::Invite`]. The only write that
    /// another process than the server may make.
    Invite {
        /// The code.
        code: JoinCode,
        /// End of its validity, in milliseconds since 1970.
        expires_ms: u64,
    },
    /// Append messages to the log of their target. Answer: [`Outcome::Append`].
    Append {
        /// The messages; their `from` is a user that exists.
        bundle: Arc<Bundle>,
        /// Body of a long message, all chunks of which were written. Whatever the answer, the
        /// upload is over. If there is none of that name any more nothing is stored.
        upload: Option<Upload>,
    },
    /// Begin to store a long body: the first part of it. Answer: [`Outcome::BeginUpload`].
    BeginUpload {
        /// Name of the upload from now on. A restart forgets it and removes its chunks.
        upload: Upload,
        /// The message with the first part, alone.
        bundle: Arc<Bundle>,
    },
    /// The next part; nothing is kept of it if there is no such upload. Answer:
    /// [`Outcome::AppendChunk`].
    AppendChunk {
        /// The upload that it belongs to.
        upload: Upload,
        /// The bytes.
        body: Body,
    },
    /// Forget a body whose rest will not come, if there is one. Answer:
    /// [`Outcome::DiscardUpload`].
    DiscardUpload {
        /// Which.
        upload: Upload,
    },
    /// Move a cursor. Answer: [`Outcome::Ack`]. In a room that the user has left nothing is
    /// written: only `JoinRoom` makes a membership.
    Ack {
        /// Whose.
        user: UserId,
        /// In which log.
        log: Target,
        /// Where to. Later moves replace earlier ones; they never go back.
        cursor: StoredCursor,
        /// Messages that became processed by this move.
        messages: u64,
        /// Their bytes, as [`Bundle::len_bytes`] counts.
        bytes: u64,
        /// Dispositions to be kept of some of them; of each message the first one stays.
        /// A rejected one is copied to the user's dead letters, of which, over the quota of a
        /// log, the oldest are dropped. The time is when it was decided, in milliseconds since
        /// 1970.
        verdicts: Vec<(Seq, Disposition, u64)>,
    },
    /// Keep a message until it is due. Counts as sent by its id. Answer: [`Outcome::Schedule`].
    Schedule {
        /// The message, whose body is whole.
        message: Arc<Message>,
        /// When, in milliseconds since 1970.
        due_ms: u64,
    },
    /// Append a bounded number of the messages that are due. One whose target is full is due again
    /// a minute later. Answer: [`Outcome::ReleaseDue`].
    ReleaseDue {
        /// Now, in milliseconds since 1970. They get this time.
        now_ms: u64,
    },
    /// Take parked messages out, a bounded number of the oldest. What cannot be put back, as
    /// its log is full, stays. Answer: [`Outcome::TakeParked`].
    TakeParked {
        /// Whose.
        user: UserId,
        /// Which.
        drawer: ParkedKind,
        /// The message; `None`: all.
        id: Option<MsgId>,
        /// Append dead letters to the user's own log, scheduled messages to the log of their
        /// target; otherwise they are gone.
        back: bool,
        /// Now, in milliseconds since 1970. What is put back gets this time.
        now_ms: u64,
    },
    /// Make a user a member of a room, which comes to exist with its first member. The cursor
    /// starts at the end of the log. Answer: [`Outcome::JoinRoom`].
    JoinRoom {
        /// Who.
        user: UserId,
        /// Where.
        room: RoomName,
    },
    /// End a membership; the cursor goes. Answer: [`Outcome::LeaveRoom`].
    LeaveRoom {
        /// Who.
        user: UserId,
        /// Where.
        room: RoomName,
    },
    /// Remove a bounded number of messages that have been kept long enough, of ids that no longer
    /// need checking, of codes that have expired. Answer: [`Outcome::Sweep`].
    Sweep {
        /// Now, in milliseconds since 1970, as far as the clock is believed.
        now_ms: u64,
    },
}

impl Write {
    /// Bytes of messages in it.
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Append { bundle, .. } | Self::BeginUpload { bundle, .. } => bundle.len_here(),
            Self::AppendChunk { body, .. } => body.len() as u64,
            Self::Schedule { message, .. } => message.len_here(),
            Self::Ack { verdicts, .. } => verdicts.iter().map(|said| said.1.len_bytes()).sum(),
            _ => 0,
        }
    }
}

/// Disposition of a message by a reader, besides that it is acked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Dealt with, and here is the answer.
    Replied(Note),
    /// Refused for good.
    Rejected {
        /// Number of attempts.
        attempts: u32,
        /// Why.
        reason: Note,
    },
    /// Not handed out: its time to live was over, or its bytes were not those that were stored.
    Expired,
}

impl Disposition {
    /// Bytes of what was said.
    fn len_bytes(&self) -> u64 {
        match self {
            Self::Replied(note) | Self::Rejected { reason: note, .. } => note.body().len() as u64,
            Self::Expired => 0,
        }
    }
}
