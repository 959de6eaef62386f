//! Errors of a client and of its requests.

use std::io;

use crate::quic::{DialError, IdentityError};
use crate::wire::{CloseCode, Feature, Note, Pin, Refusal, RoomName};

/// Reason why a client ended before its user wanted it to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server was not reached: no answer came in time, or another attempt would not help.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection was lost or silent for too long.
    #[error("the server stopped answering")]
    NoAnswer,
    /// The server closed the connection for good; the code is `None` if this version does not know
    /// it.
    #[error("the server closed the connection")]
    Rejected(Option<CloseCode>),
    /// The server is on another machine, and no pin or ticket confirms its key.
    #[error("the server's key {0} is not known here")]
    Untrusted(Pin),
    /// The client's own key could not be saved, so no claim was sent.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// The server does not support a feature that a request needs.
    #[error("the server does not understand {}", .0.name())]
    Unsupported(Feature),
    /// The client ended earlier and has already returned its error.
    #[error("the client has ended")]
    Ended,
}

impl ClientError {
    /// True if no server was reached, and a later attempt may succeed.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Dial(error) => is_transient(error),
            _ => false,
        }
    }

    /// True if a server was reached and did not answer in time.
    pub fn has_given_up(&self) -> bool {
        matches!(self, Self::NoAnswer)
    }

    /// True if the server refuses the client, or this machine does not trust the server.
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            Self::Rejected(_) | Self::Untrusted(_) | Self::Dial(DialError::WrongPin { .. })
        )
    }
}

/// Reason why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The client has ended, so no answer will come.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server does not store the message.
    #[error("the message was refused: {0:?}")]
    Refused(Refusal),
    /// The connection was lost before a volatile message was answered.
    #[error("it is not known whether the volatile message was delivered")]
    Uncertain,
    /// The body could not be read to its end, so the message was not sent.
    #[error("the body cannot be read")]
    Unreadable(#[source] io::Error),
    /// The body could not be written to its destination.
    #[error("the body cannot be written")]
    Unwritable(#[source] io::Error),
    /// The rest of a body will not come. A stored message is delivered again.
    #[error("the rest of the body does not come")]
    BodyAborted,
    /// The room takes no more members, or the server no more rooms.
    #[error("{0} takes no further member")]
    RoomRefused(RoomName),
    /// There is no such room.
    #[error("there is no room {0}")]
    NoSuchRoom(RoomName),
    /// The recipient has rejected the message for good, for this reason.
    #[error("the recipient rejected the message")]
    MessageRejected(Note),
    /// The message will not be delivered.
    #[error("the message will not be delivered")]
    Gone,
}

/// True if another attempt may help; a name that cannot be resolved now may be later.
pub(super) fn is_transient(error: &DialError) -> bool {
    match error {
        DialError::NoAnswer { .. }
        | DialError::Unreachable(_)
        | DialError::Resolve { .. }
        | DialError::Other(_) => true,
        DialError::WrongPin { .. } | DialError::Version | DialError::Closed(_) => false,
    }
}
