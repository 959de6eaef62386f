//! Status of a message with a recipient, parked messages, and the start position of a reader.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::id::{MsgId, UserId};
use super::limits::NOTE_LEN_MAX;
use super::message::{Body, Message};

/// A reader's note to the sender of a message: a reply, or the reason of a rejection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Note(Body);

/// An error of bytes that are too long for a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are more than the {NOTE_LEN_MAX} that an answer can have")]
pub struct NoteTooLong(pub usize);

impl Note {
    /// A note of at most [`NOTE_LEN_MAX`] bytes.
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

/// The state of a message with one recipient, in the order in which it advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DeliveryState {
    /// Stored on the server's disk.
    Accepted,
    /// Confirmed by a reader as received.
    Delivered,
    /// No longer to be delivered: the message has expired, the recipient has left the room, or the
    /// message was removed unread to make room.
    Gone,
    /// Rejected by a reader, and among the recipient's dead letters.
    Rejected,
    /// Acked by a reader.
    Processed,
}

impl DeliveryState {
    /// True for a final state.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Accepted | Self::Delivered)
    }
}

/// A recipient of a message, and the state of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientStatus {
    /// The recipient.
    pub user: UserId,
    /// State of the message with the recipient.
    pub state: DeliveryState,
    /// Start of that state, in milliseconds since 1970; 0: unknown, or not kept.
    pub time_ms: u64,
    /// The reply, or the reason of the rejection.
    pub note: Option<Note>,
}

/// Kind of parked messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ParkedKind {
    /// Dead letters: messages that a reader of the user has rejected.
    DeadLetters,
    /// Messages that the user has sent and that are due later.
    Scheduled,
}

/// A parked message, which is kept aside for its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    /// Kind of parked message.
    pub kind: ParkedKind,
    /// Number among those of its user and kind: ascending, 1 or more.
    pub number: u64,
    /// Time at which it was rejected, or is due, in milliseconds since 1970.
    pub at_ms: u64,
    /// Attempts before it was rejected.
    pub attempts: u32,
    /// Reason of the rejection.
    pub reason: Note,
    /// The message, with at most [`PARKED_LEN_MAX`](super::PARKED_LEN_MAX) bytes of its body.
    pub message: Message,
}

/// The first message of a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// The first unacked message.
    #[default]
    Unacked,
    /// The first message accepted since this time, in milliseconds since 1970, acked or not. An
    /// acked message is delivered once more and stays acked.
    Since(u64),
    /// The message after this one, acked or not. If no message has this id, as `Unacked`.
    After(MsgId),
}
