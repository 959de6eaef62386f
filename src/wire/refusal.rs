//! Reasons for which a message is not stored or a connection is closed.

use serde::{Deserialize, Serialize};

/// Reason for which a message is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The user does not exist, or nobody ever joined the room.
    UnknownTarget,
    /// The target holds as many unread messages or bytes as it may.
    MailboxFull,
    /// The server's disk is full.
    DiskFull,
    /// The id was made too long ago to tell whether it was stored before.
    IdTooOld,
    /// The id was made in the server's future.
    IdInFuture,
    /// The body is over the server's limit; also used by a client that knows the limit.
    BodyTooLong {
        /// The limit in bytes.
        max: u64,
    },
    /// The user does not exist, but a room of that name does, or the other way round.
    OtherKind,
}

/// Reason for which a connection was closed: the application error code of QUIC's CONNECTION_CLOSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum CloseCode {
    /// All requests are done.
    Done = 0,
    /// The server is stopping; another may start.
    Stopping = 1,
    /// Bytes that are not a frame, or a frame over the limit.
    Malformed = 2,
    /// A well-formed frame that may not come now.
    OutOfTurn = 3,
    /// A body over the server's limit.
    BodyTooLong = 4,
    /// More unanswered sends, requests or chunks, or more unknown frames, than allowed.
    OverLimit = 5,
    /// The handshake or the first frame took too long.
    TooSlow = 6,
    /// The server has its maximum of links or users.
    Busy = 7,
    /// The id belongs to another key.
    IdTaken = 8,
    /// Nobody has claimed the id.
    NotJoined = 9,
    /// A claim of an id needs a ticket here.
    TicketNeeded = 10,
    /// The ticket was used, has expired, or was never issued.
    TicketBad = 11,
    /// The server's disk is full, so nothing can be claimed.
    DiskFull = 12,
    /// A later connection of the same client has taken over.
    TakenOver = 13,
    /// The id reads like everyone, so nobody can claim it.
    IdReserved = 14,
}

impl CloseCode {
    /// Every code, by number.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Stopping,
        Self::Malformed,
        Self::OutOfTurn,
        Self::BodyTooLong,
        Self::OverLimit,
        Self::TooSlow,
        Self::Busy,
        Self::IdTaken,
        Self::NotJoined,
        Self::TicketNeeded,
        Self::TicketBad,
        Self::DiskFull,
        Self::TakenOver,
        Self::IdReserved,
    ];

    /// True when trying again may help.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Done | Self::Stopping | Self::TooSlow | Self::Busy => true,
            Self::Malformed
            | Self::OutOfTurn
            | Self::BodyTooLong
            | Self::OverLimit
            | Self::IdTaken
            | Self::NotJoined
            | Self::TicketNeeded
            | Self::TicketBad
            | Self::DiskFull
            | Self::TakenOver
            | Self::IdReserved => false,
        }
    }

    /// The code with this number.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }
}
