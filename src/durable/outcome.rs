//! Outcomes of writes. Each kind of write has its own type of outcome.

use crate::wire::Seq;

use super::{Record, StoredCursor};

/// Outcome of a [`Write`](super::Write): the variants are named like the writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Outcome of `Write::Claim`.
    Claim(Result<Claimed, NotClaimed>),
    /// Outcome of `Write::Invite`.
    Invite(Result<(), DiskFull>),
    /// Outcome of `Write::Append`.
    Append(AppendOutcome),
    /// Outcome of `Write::BeginUpload`. `Ok`: the message could be appended at this moment. After
    /// an error there is no upload.
    BeginUpload(Result<(), NotStored>),
    /// Outcome of `Write::AppendChunk`. An error ends the upload.
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

/// The disk is full, or the store has reached its largest size; the write has not happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFull;

/// The id belongs to the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// True if the id was claimed by this write.
    pub new: bool,
}

/// Reason why an id does not belong to the key that claimed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotClaimed {
    /// The id belongs to another key.
    Taken,
    /// A new claim needs a code, and none was shown.
    CodeNeeded,
    /// The code is unknown, spent or expired.
    CodeBad,
    /// The server has its largest number of users.
    Full,
    /// No room for the claim, as [`DiskFull`].
    DiskFull,
}

/// Outcome of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendOutcome {
    /// The same outcome for all messages. If appended, they are consecutive in the log.
    All(MessageOutcome),
    /// Groups of consecutive messages with the same outcome: their number, and the outcome.
    Mixed(Vec<(u64, MessageOutcome)>),
}

/// Outcome of one message, or of several consecutive ones; then the position is that of the first.
pub type MessageOutcome = Result<Appended, NotStored>;

/// Position of a message that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Position among all messages.
    pub seq: Seq,
    /// Position in its log.
    pub ordinal: u64,
}

/// Reason why a message was not stored by this write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// The sender has sent a message with this id before.
    Duplicate,
    /// No such user, or a room that never had a member.
    UnknownTarget,
    /// No such user, but a room of that name; or the other way round.
    OtherKind,
    /// The quota of the target's log, or of the sender's scheduled messages, is reached.
    Full,
    /// No room for the message, as [`DiskFull`].
    DiskFull,
}

/// Result of releasing due messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueReleased {
    /// The messages that were appended, with their positions, ascending by seq.
    pub records: Vec<Record>,
    /// Due time of the next message, in milliseconds since 1970; in the past if more are due now.
    /// `None`: no message is scheduled.
    pub next_ms: Option<u64>,
}

/// Parked messages that were taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedTaken {
    /// Number of messages. 0: there were none, or the oldest could not be put back.
    pub count: u64,
    /// The messages that were put back, with their new positions, ascending by seq.
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

/// Reason why a user did not become a member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomNotJoined {
    /// No such user.
    UnknownUser,
    /// The server has its largest number of rooms, or the user the largest number of memberships.
    Full,
    /// No room for the membership, as [`DiskFull`].
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
    /// No room for the write, as [`DiskFull`].
    DiskFull,
}

/// Result of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// True if another sweep could remove more at once.
    pub more: bool,
}

impl AppendOutcome {
    /// Joins the outcomes of the messages of one bundle, at least one.
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

/// Returns whether `next` continues a sequence of `count` messages whose first outcome is `first`.
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
    /// No such user, but a room of that name; or the other way round.
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
