//! Outcomes of writes: one type for each kind of write, so that an answer fits its question only.

use crate::wire::Seq;

use super::{Record, StoredCursor};

/// Outcome of a [`Write`](super::Write), by the kind of the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Outcome of `Write::Claim`.
    Claim(Result<Claimed, NotClaimed>),
    /// Outcome of `Write::Invite`.
    Invite(Result<(), DiskFull>),
    /// Outcome of `Write::Append`.
    Append(AppendOutcome),
    /// Outcome of `Write::BeginUpload`: the message could be appended now, or there is no upload.
    BeginUpload(Result<(), NotStored>),
    /// Outcome of `Write::AppendChunk`. After an error the upload is over.
    AppendChunk(Result<(), DiskFull>),
    /// Outcome of `Write::DiscardUpload`.
    DiscardUpload,
    /// Outcome of `Write::Ack`: the cursor is on disk.
    Ack,
    /// Outcome of `Write::Schedule`.
    Schedule(Result<(), NotStored>),
    /// Outcome of `Write::ReleaseDue`.
    ReleaseDue(Result<DueReleased, DiskFull>),
    /// Outcome of `Write::TakeParked`.
    TakeParked(Result<ParkedTaken, DiskFull>),
    /// Outcome of `Write::JoinRoom`.
    JoinRoom(Result<RoomJoined, RoomNotJoined>),
    /// Outcome of `Write::LeaveRoom`.
    LeaveRoom(Result<RoomLeft, RoomNotLeft>),
    /// Outcome of `Write::Sweep`.
    Sweep(Swept),
}

/// The disk is full, or the store as large as it may be; nothing of the write has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFull;

/// The id belongs to the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// True if it did not before this write.
    pub new: bool,
}

/// Reason why an id does not belong to the key that claimed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotClaimed {
    /// The id belongs to another key.
    Taken,
    /// A new claim needs a code and none was shown.
    CodeNeeded,
    /// The code is unknown, spent or expired.
    CodeBad,
    /// There are as many users as there may be.
    Full,
    /// As [`DiskFull`].
    DiskFull,
}

/// Outcome of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The same for all messages. Those that were appended follow one another in the log.
    All(MessageOutcome),
    /// Counts of consecutive messages of the bundle, each with the outcome that they share.
    Mixed(Vec<(u64, MessageOutcome)>),
}

/// Outcome of one message, or of several that follow one another; the place is that of the first.
pub type MessageOutcome = Result<Appended, NotStored>;

/// Place of a message that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The place among all messages.
    pub seq: Seq,
    /// The place in its log.
    pub ordinal: u64,
}

/// Reason why a message is not stored by the write that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// The sender has had this id stored before.
    Duplicate,
    /// No such user, or a room that never had a member.
    UnknownTarget,
    /// No such user, but a room of that name; or no such room, but a user of that name.
    OtherKind,
    /// The quota of the target's log, or of the sender's scheduled messages, is reached.
    Full,
    /// As [`DiskFull`].
    DiskFull,
}

/// Messages that were due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueReleased {
    /// Messages that could be appended, as they stand in their logs, ascending by seq.
    pub records: Vec<Record>,
    /// Time of the next due message, in milliseconds since 1970; in the past if more are due.
    /// `None`: none is scheduled.
    pub next_ms: Option<u64>,
}

/// Parked messages that were taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedTaken {
    /// Number of messages. 0: there are none, or the oldest cannot be put back.
    pub count: u64,
    /// Messages that were put back, as they stand in their logs, ascending by seq.
    pub records: Vec<Record>,
}

/// Membership in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomJoined {
    /// True if the user was no member before this write.
    pub changed: bool,
    /// The member's cursor.
    pub cursor: StoredCursor,
}

/// Reason why a user is no member of the room to be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomNotJoined {
    /// No such user.
    UnknownUser,
    /// There are as many rooms, or as many memberships of this user, as there may be.
    Full,
    /// As [`DiskFull`].
    DiskFull,
}

/// End of a membership in a room that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLeft {
    /// True if the user was a member before this write.
    pub changed: bool,
}

/// Reason why a membership was not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomNotLeft {
    /// No such room, or no such user.
    UnknownRoom,
    /// As [`DiskFull`].
    DiskFull,
}

/// End of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// True if more could go at once.
    pub more: bool,
}

impl AppendOutcome {
    /// Joins the outcomes of the messages of one bundle, of which there is at least one.
    pub fn try_join<E>(each: impl Iterator<Item = Result<MessageOutcome, E>>) -> Result<Self, E> {
        let (mut parts, mut last): (Vec<_>, Option<(u64, MessageOutcome)>) = (Vec::new(), None);
        for outcome in each {
            let outcome = outcome?;
            match &mut last {
                Some((count, first)) if continues(first, *count, &outcome) => *count += 1,
                last => parts.extend(last.replace((1, outcome))),
            }
        }
        Ok(match last {
            Some((_, outcome)) if parts.is_empty() => Self::All(outcome),
            last => {
                parts.extend(last);
                Self::Mixed(parts)
            }
        })
    }
}

/// Returns whether `next` extends `count` messages of which the first met with `first`.
fn continues(first: &MessageOutcome, count: u64, next: &MessageOutcome) -> bool {
    match (first, next) {
        (Ok(first), Ok(next)) => first.seq + count == next.seq,
        (Err(first), Err(next)) => first == next,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

/// Reason why nothing can be sent to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTarget {
    /// No such user, or a room that never had a member.
    Unknown,
    /// No such user, but a room of that name; or no such room, but a user of that name.
    OtherKind,
}

impl From<NoTarget> for NotStored {
    fn from(why: NoTarget) -> Self {
        match why {
            NoTarget::Unknown => Self::UnknownTarget,
            NoTarget::OtherKind => Self::OtherKind,
        }
    }
}

impl From<DiskFull> for NotStored {
    fn from(DiskFull: DiskFull) -> Self {
        Self::DiskFull
    }
}
