//! Writes, reads and their answers: the language between `logic` and `store`.
//!
//! Holds only types, and the interface of an engine. `logic` and `store` do not know each other;
//! both know these types, and the server passes them on. The server gathers writes into batches.
//! Each write is answered, by its request number, once its batch is on disk.

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

/// Identifies a request in its answer. Never used twice by one server process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Identifies a long body that is being stored chunk by chunk. Never used twice by one server
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upload(pub u64);

/// Consecutive messages of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Seq of the first message: its position among all messages.
    pub seq: Seq,
    /// Ordinal of the first message: its position in its own log (1, 2, 3, … without gaps).
    pub ordinal: u64,
    /// Number of the first chunk of a long body, for [`Read::Chunk`]; the others follow it. 0 for a
    /// body that is not long.
    pub parts: u64,
    /// The messages.
    pub bundle: Arc<Bundle>,
}

impl Record {
    /// Returns the seqs of the messages.
    pub fn span(&self) -> Span {
        Span::starting_at(self.seq, self.bundle.count())
    }

    /// Returns `count` of the messages (at least one), starting with number `at`, counted from 0.
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
    /// Seq up to which every message of the log is acked or is not meant for this user.
    pub through: Seq,
    /// Ordinal of the log's last message at or before `through`; 0 if there is none.
    pub ordinal: u64,
    /// Later messages that are acked or not meant for this user, ascending.
    pub above: Vec<AckedRange>,
}

/// Messages that are neighbours in their log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckedRange {
    /// Seqs from the first to the last message. Seqs within it, and those at its ends, may belong
    /// to other logs.
    pub span: Span,
    /// Ordinal of the first message.
    pub ordinal: u64,
    /// Number of messages.
    pub count: u64,
}

/// Request to make something durable.
#[derive(Clone, Debug)]
pub enum Write {
    /// Gives `id` to `key`, if nobody has it and `code` allows it. Answer: [`Outcome::Claim`].
    Claim {
        /// The user id wanted.
        id: UserId,
        /// The key that wants it.
        key: Pin,
        /// True if a new claim needs a code.
        code_needed: bool,
        /// The code shown. A new claim spends it.
        code: Option<JoinCode>,
        /// Now, in milliseconds since 1970.
        now_ms: u64,
    },
    /// Adds a join code, which a claim may spend. Answer: [`Outcome::Invite`]. The only write that
    /// a process other than the server may make.
    Invite {
        /// The code.
        code: JoinCode,
        /// End of its validity, in milliseconds since 1970.
        expires_ms: u64,
    },
    /// Appends messages to the log of their target. Answer: [`Outcome::Append`].
    Append {
        /// The messages. Their `from` must be an existing user.
        bundle: Arc<Bundle>,
        /// Body of a long message, all of whose chunks have been written. Whatever the answer, the
        /// upload ends. If there is no such upload any more, nothing is stored.
        upload: Option<Upload>,
    },
    /// Starts to store a long body, with its first chunk. Answer: [`Outcome::BeginUpload`].
    BeginUpload {
        /// Number of the new upload. A restart ends the upload and removes its chunks.
        upload: Upload,
        /// The message with the first chunk of its body. The bundle holds no other.
        bundle: Arc<Bundle>,
    },
    /// Stores the next chunk; ignored if there is no such upload. Answer: [`Outcome::AppendChunk`].
    AppendChunk {
        /// The upload that the chunk belongs to.
        upload: Upload,
        /// The bytes of the chunk.
        body: Body,
    },
    /// Discards an upload that will not be completed, if it exists. Answer:
    /// [`Outcome::DiscardUpload`].
    DiscardUpload {
        /// The upload.
        upload: Upload,
    },
    /// Moves a cursor. Answer: [`Outcome::Ack`]. Ignored for a room that the user has left: only
    /// `JoinRoom` makes a membership.
    Ack {
        /// The user whose cursor moves.
        user: UserId,
        /// The log.
        log: Target,
        /// The new cursor. Later moves replace earlier ones; cursors never go back.
        cursor: StoredCursor,
        /// Number of messages that became acked by this move.
        messages: u64,
        /// Bytes of these messages, as [`Bundle::len_bytes`] counts.
        bytes: u64,
        /// Dispositions of some of these messages: seq, disposition, and the time of the decision
        /// in milliseconds since 1970. The first disposition of a message stays. A rejected message
        /// is copied to the user's dead letters; when they exceed the quota of a log, the oldest
        /// are dropped.
        verdicts: Vec<(Seq, Disposition, u64)>,
    },
    /// Keeps a message until it is due. Its id then counts as sent. Answer: [`Outcome::Schedule`].
    Schedule {
        /// The message, with its whole body.
        message: Arc<Message>,
        /// Time to append it, in milliseconds since 1970.
        due_ms: u64,
    },
    /// Appends a bounded number of due messages. If the target of one is full, it is due again a
    /// minute later. Answer: [`Outcome::ReleaseDue`].
    ReleaseDue {
        /// Now, in milliseconds since 1970. The messages get this time.
        now_ms: u64,
    },
    /// Takes out a bounded number of parked messages, the oldest first. Those that should be put
    /// back into a full log stay parked. Answer: [`Outcome::TakeParked`].
    TakeParked {
        /// The user whose messages they are.
        user: UserId,
        /// The kind of messages.
        drawer: ParkedKind,
        /// The message; `None`: all of the kind.
        id: Option<MsgId>,
        /// True: dead letters are appended to the user's own log, scheduled messages to the log of
        /// their target. False: they are removed.
        back: bool,
        /// Now, in milliseconds since 1970. Messages that are put back get this time.
        now_ms: u64,
    },
    /// Makes a user a member of a room. The first member brings the room into existence. The cursor
    /// starts at the end of the log. Answer: [`Outcome::JoinRoom`].
    JoinRoom {
        /// The user.
        user: UserId,
        /// The room.
        room: RoomName,
    },
    /// Ends a membership and removes its cursor. Answer: [`Outcome::LeaveRoom`].
    LeaveRoom {
        /// The user.
        user: UserId,
        /// The room.
        room: RoomName,
    },
    /// Removes a bounded number of messages that were kept long enough, ids that need no more
    /// checking, and expired codes. Answer: [`Outcome::Sweep`].
    Sweep {
        /// Now, in milliseconds since 1970, by the trusted clock.
        now_ms: u64,
    },
}

impl Write {
    /// Returns the bytes of messages and notes that the write carries.
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

/// Outcome of a message at one reader, kept in addition to the ack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Processed, with this answer.
    Replied(Note),
    /// Refused for good.
    Rejected {
        /// Number of attempts.
        attempts: u32,
        /// Reason given by the reader.
        reason: Note,
    },
    /// Never handed out: its time to live was over, or its stored bytes were damaged.
    Expired,
}

impl Disposition {
    /// Returns the bytes of the note.
    fn len_bytes(&self) -> u64 {
        match self {
            Self::Replied(note) | Self::Rejected { reason: note, .. } => note.body().len() as u64,
            Self::Expired => 0,
        }
    }
}
