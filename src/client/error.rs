//! Errors of a client and of its requests.

use std::io;

use crate::quic::{DialError, IdentityError};
use crate::wire::{CloseCode, Feature, Note, Pin, Refusal, RoomName};

/// Why a client ended before its user wanted it to.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server was not reached: nothing answered for too long, or trying again would not help.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// There was a connection, and then no answer for too long.
    #[error("the server stopped answering")]
    NoAnswer,
    /// The server closed the connection for good, with this reason if this version knows it.
    #[error("the server closed the connection")]
    Rejected(Option<CloseCode>),
    /// The server on another machine showed a key that nothing vouches for.
    #[error("the server's key {0} is not known here")]
    Untrusted(Pin),
    /// The client's own key could not be kept, so nothing was asked of the server.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// The server does not understand something that was asked of it.
    #[error("the server does not understand {}", .0.name())]
    Unsupported(Feature),
    /// The client has ended before, and has said why.
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

    /// True if there was a server that gave no answer for as long as the client waited.
    pub fn has_given_up(&self) -> bool {
        matches!(self, Self::NoAnswer)
    }

    /// True if the server, or this machine's trust in it, does not let the client in.
    pub fn is_denied(&self) -> bool {
        matches!(
            self,
            Self::Rejected(_) | Self::Untrusted(_) | Self::Dial(DialError::WrongPin { .. })
        )
    }
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The client has ended, so there is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server does not store the message.
    #[error("the message was refused: {0:?}")]
    Refused(Refusal),
    /// The connection was lost before the server said what became of a volatile message.
    #[error("it is not known whether the volatile message was delivered")]
    Uncertain,
    /// The body could not be read to its end, so the message was not sent.
    #[error("the body cannot be read")]
    Unreadable(#[source] io::Error),
    /// The body could not be written where it was to go.
    #[error("the body cannot be written")]
    Unwritable(#[source] io::Error),
    /// The rest of a body does not come. A stored message is delivered again.
    #[error("the rest of the body does not come")]
    BodyAborted,
    /// The room takes no further member, or the server no further room.
    #[error("{0} takes no further member")]
    RoomRefused(RoomName),
    /// There is no such room.
    #[error("there is no room {0}")]
    NoSuchRoom(RoomName),
    /// The recipient has rejected the message for good, for this reason.
    #[error("the recipient rejected the message")]
    MessageRejected(Note),
    /// The message will not be delivered any more.
    #[error("the message will not be delivered")]
    Gone,
}

/// True if trying again may help. A name that cannot be resolved now may be later.
pub(super) fn is_transient(error: &DialError) -> bool {
    match error {
        DialError::NoAnswer { .. }
        | DialError::Unreachable(_)
        | DialError::Resolve { .. }
        | DialError::Other(_) => true,
        DialError::WrongPin { .. } | DialError::Version | DialError::Closed(_) => false,
    }
}
