//! How far a message has come, what is kept aside, and where a reader begins.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::codec::CHUNK_LEN_MAX;
use super::id::{MsgId, UserId};
use super::message::{Body, Message};

/// Most standings of one [`FromServer::TrackPage`](super::FromServer::TrackPage).
pub const STATUSES_MAX: usize = 64;
/// Most bytes of a [`Note`].
pub const NOTE_LEN_MAX: usize = CHUNK_LEN_MAX - 4096;

/// Most bytes of the reason for which a message is refused.
pub const REASON_LEN_MAX: usize = 4 << 10;

/// What a reader lets the sender of a message know: an answer, or why it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Note(Body);

/// Why bytes are not taken as a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are more than the {NOTE_LEN_MAX} that an answer can have")]
pub struct NoteTooLong(pub usize);

impl Note {
    /// Takes bytes that stay within [`NOTE_LEN_MAX`].
    pub fn new(body: Body) -> Result<Self, NoteTooLong> {
        if body.len() > NOTE_LEN_MAX { Err(NoteTooLong(body.len())) } else { Ok(Self(body)) }
    }

    /// The bytes.
    pub fn body(&self) -> &Body {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Body::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// How far a message has come with one recipient. What comes later is further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DeliveryState {
    /// It is on the server's disk.
    Accepted,
    /// A reader has it.
    Delivered,
    /// It will not be delivered any more: its time to live was over, or the recipient has left the
    /// room, or it was removed unread to make room.
    Gone,
    /// A reader has refused it for good. It is among the recipient's dead letters.
    Rejected,
    /// A reader has dealt with it.
    Processed,
}

impl DeliveryState {
    /// Whether nothing more comes.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Delivered)
    }
}

/// A recipient of a message, and how far it has come there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientStatus {
    /// Who.
    pub user: UserId,
    /// How far.
    pub state: DeliveryState,
    /// Since when, in milliseconds since 1970; 0: not known, or not kept.
    pub time_ms: u64,
    /// The answer, or why it was refused.
    pub note: Option<Note>,
}

/// Where a user's messages are kept that do not wait for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ParkedKind {
    /// Dead letters: what a reader of the user has refused for good.
    DeadLetters,
    /// What the user sent and is due later.
    Scheduled,
}

/// A message that is kept aside for its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    /// Kind of place it is kept in.
    pub drawer: ParkedKind,
    /// Number there: ascending, 1 or more.
    pub number: u64,
    /// Time at which it was rejected, or is due, in milliseconds since 1970.
    pub at_ms: u64,
    /// Attempts before it was rejected.
    pub attempts: u32,
    /// Reason of the rejection.
    pub reason: Note,
    /// The message, with at most [`PARKED_LEN_MAX`] bytes of its body.
    pub message: Message,
}

/// Most bytes of a body that are shown of a message in a drawer.
pub const PARKED_LEN_MAX: usize = 48 << 10;

/// Where a reader begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// With the first message that is not processed.
    #[default]
    Unacked,
    /// With all that the server took since then and still has, processed or not, in milliseconds
    /// since 1970. What is processed already is delivered once more and stays processed.
    Since(u64),
    /// The same with what came behind this message. If there is none of this id, as
    /// `Unprocessed`.
    After(MsgId),
}
