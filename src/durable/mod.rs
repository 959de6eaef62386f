//! What is written down and read back: the words in which `logic` asks and `store` answers.
//!
//! Types only. `logic` and `store` do not know each other; both know these, and the server carries
//! them across. Writes are asked for one by one, gathered into batches by the server, and answered,
//! each by its ticket, when their batch is on disk.

mod page;
mod quotas;
mod read;

use std::sync::Arc;

use crate::wire::{
    Body, Bundle, JoinCode, Message, MsgId, Note, ParkedKind, Pin, RoomName, Seq, Span, Target,
    UserId,
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
    /// Of a long body: where its parts are, the first one included, one number after the other. To
    /// be named in [`Read::Chunk`]. 0 for a body that is whole.
    pub parts: u64,
    /// The messages.
    pub bundle: Arc<Bundle>,
}

impl Record {
    /// Their seqs.
    pub fn span(&self) -> Span {
        Span::of(self.seq, self.bundle.count())
    }

    /// So many of them, at least one, from the one at `at` on.
    pub fn slice(&self, at: u64, count: u64) -> Self {
        if at == 0 && count == self.bundle.count() {
            return self.clone();
        }
        let bundle = Arc::new(self.bundle.slice(at, count));
        Self { seq: self.seq + at, ordinal: self.ordinal + at, parts: self.parts, bundle }
    }
}

/// How far one user has processed one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredCursor {
    /// Everything of the log up to here is processed, or is not for this user.
    pub through: Seq,
    /// Ordinal of the log's last message at or before `through`. 0: before its first.
    pub ordinal: u64,
    /// Processed, or not for this user, beyond `through`, ascending.
    pub above: Vec<AckedRange>,
}

/// Messages of a log that follow one another in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckedRange {
    /// From the first to the last of them. Seqs in between may belong to other logs, as may those
    /// at its ends.
    pub span: Span,
    /// Ordinal of the first.
    pub ordinal: u64,
    /// How many there are.
    pub count: u64,
}

/// Something to be made durable.
#[derive(Clone, Debug)]
pub enum Write {
    /// Give `id` to `key`, if nobody has it and `code` allows it. Answer: [`Outcome::Claimed`],
    /// `Taken`, `CodeNeeded`, `CodeBad` or `Full`.
    Claim {
        /// The name wanted.
        id: UserId,
        /// Who wants it.
        key: Pin,
        /// Whether a new claim needs a code.
        code_needed: bool,
        /// The code shown, spent by a new claim.
        code: Option<JoinCode>,
        /// Now, in milliseconds since 1970.
        now_ms: u64,
    },
    /// Append messages to the log of their target. Answer: `Stored`, `Duplicate`, `UnknownTarget`,
    /// `OtherKind` or `Full` for all of them, or `Mixed`.
    Append {
        /// The messages; their `from` is a user that exists.
        bundle: Arc<Bundle>,
        /// Of a long one: its body, all parts of which were written. Whatever the answer, the
        /// upload is over. If there is none of that name any more nothing is stored.
        upload: Option<Upload>,
    },
    /// Begin to store a long body: the first part of it. Answer: `Kept` if the message could be
    /// appended now; otherwise `Duplicate`, `UnknownTarget`, `OtherKind`, `Full` or `DiskFull`, and
    /// there is no upload.
    BeginUpload {
        /// What it is called from now on. A restart forgets it and removes its parts.
        upload: Upload,
        /// The message with the first part, alone.
        bundle: Arc<Bundle>,
    },
    /// The next part. Answer: `Kept`, also for an upload that there is not, of which nothing is
    /// kept; or `DiskFull`, and the upload is over.
    AppendChunk {
        /// Of which body.
        upload: Upload,
        /// The bytes.
        body: Body,
    },
    /// Forget a body whose rest will not come. Answer: `Kept`, also if there is none.
    DiscardUpload {
        /// Which.
        upload: Upload,
    },
    /// Move a cursor. Answer: `Settled`. In a room that the user has left nothing is written: only
    /// `Enter` makes a membership.
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
        /// What is to be kept of some of them; of what was said of one message before, nothing.
        /// A rejected one is copied to the user's dead letters, of which, over the quota of a
        /// log, the oldest are dropped. The time is when it was decided, in milliseconds since
        /// 1970.
        verdicts: Vec<(Seq, Disposition, u64)>,
    },
    /// Keep a message until it is due. Counts as sent by its id. Answer: `Scheduled`, `Duplicate`,
    /// `UnknownTarget`, `DiskFull`, or `Full` if its sender has as many as a log may have.
    Schedule {
        /// The message, whose body is whole.
        message: Arc<Message>,
        /// When, in milliseconds since 1970.
        due_ms: u64,
    },
    /// Append a bounded number of the messages that are due. One whose target is full is due again
    /// a minute later. Answer: `Released`, or `DiskFull`.
    ReleaseDue {
        /// Now, in milliseconds since 1970. They get this time.
        now_ms: u64,
    },
    /// Take messages out of a drawer, a bounded number of the oldest. What cannot be put back, as
    /// its log is full, stays. Answer: `Withdrawn`, or `DiskFull`.
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
    /// starts at the end of the log. Answer: `Member` or `Full`; `UnknownTarget` for no such user.
    JoinRoom {
        /// Who.
        user: UserId,
        /// Where.
        room: RoomName,
    },
    /// End a membership; the cursor goes. Answer: `Member`, or `UnknownTarget` for no such room.
    LeaveRoom {
        /// Who.
        user: UserId,
        /// Where.
        room: RoomName,
    },
    /// Remove a bounded number of messages that have been kept long enough, of ids that no longer
    /// need checking, of codes that have expired. Answer: `Swept`.
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

/// What a reader said of a message, besides that it is dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Dealt with, and here is the answer.
    Replied(Note),
    /// Refused for good.
    Rejected {
        /// How often it was tried.
        attempts: u32,
        /// Why.
        reason: Note,
    },
    /// It was not handed out: its time to live was over, or its bytes were not those that were
    /// stored.
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

/// What came of a [`Write`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The id belongs to the key; `new` if it did not before.
    Claimed {
        /// By this write.
        new: bool,
    },
    /// The id belongs to another key.
    Taken,
    /// A new claim needs a code and none was shown.
    CodeNeeded,
    /// The code is unknown, spent or expired.
    CodeBad,
    /// The messages are in their log, one behind the other.
    Stored {
        /// The place of the first among all messages.
        seq: Seq,
        /// Its place in its log.
        ordinal: u64,
    },
    /// Of the messages in their order, so many met with this, and so on.
    Mixed(Vec<(u64, Outcome)>),
    /// The sender has had this id stored before.
    Duplicate,
    /// No such user, or a room that never had a member.
    UnknownTarget,
    /// No such user, but a room of that name; or no such room, but a user of that name.
    OtherKind,
    /// A limit is reached: users, rooms, memberships, or the target's quota.
    Full,
    /// The disk is full; nothing of this write has happened.
    DiskFull,
    /// The part is there, or gone with its upload.
    ChunkStored,
    /// The cursor stands there.
    AckRecorded,
    /// The membership is as wanted.
    Member {
        /// By this write.
        changed: bool,
        /// Where the member's cursor stands; default after `Leave`.
        cursor: StoredCursor,
    },
    /// Old things are gone.
    Swept {
        /// Whether more could go at once.
        more: bool,
    },
    /// The message is kept until it is due.
    Scheduled,
    /// What was due and could be appended is in its logs, as for `Append`.
    DueReleased {
        /// As they stand in their logs, ascending by seq.
        records: Vec<Record>,
        /// When to ask again, in milliseconds since 1970; in the past if there are more. `None`:
        /// nothing is kept.
        next_ms: Option<u64>,
    },
    /// So many messages are out of the drawer.
    ParkedTaken {
        /// How many. 0: there are none, or the oldest cannot be put back.
        count: u64,
        /// Those that were put back, as they stand in their logs, ascending by seq.
        records: Vec<Record>,
    },
}
