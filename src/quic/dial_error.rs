//! Reasons why a client cannot connect to a server.

use std::error::Error;
use std::io::{self, ErrorKind};

use super::dial_settings::DialSettings;
use super::network_error::NetworkError;
use crate::wire::{CloseCode, Pin};

/// The reason why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// Nothing answers there, or nothing that speaks QUIC.
    #[error("{}", if *.refused { "nothing listens there" } else { "no answer" })]
    NoAnswer {
        /// True if the network said so, false if the time was up.
        refused: bool,
    },
    /// A reason, given by this machine or by the network, why the server cannot be reached.
    #[error("{0}")]
    Unreachable(NetworkError),
    /// The server has proven another key.
    #[error("expected {expected}, got {found}")]
    WrongPin {
        /// The pin of the key it should have.
        expected: Pin,
        /// The pin of the key it has.
        found: Pin,
    },
    /// The server does not speak this version of the protocol.
    #[error("no common version of the protocol")]
    Version,
    /// The server closed the connection. `None`: with a code that this version does not know.
    #[error("the server ended the connection")]
    Closed(Option<CloseCode>),
    /// Any other error.
    #[error("cannot link")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl DialError {
    /// The error of a dial whose time is up. Names the resolver if that has not answered, or else
    /// the server.
    pub fn timed_out(settings: &DialSettings) -> Self {
        if settings.lookup.is_under_way() {
            let source = io::Error::new(ErrorKind::TimedOut, "the name service does not answer");
            return Self::Resolve { host: settings.host.clone(), source };
        }
        Self::NoAnswer { refused: false }
    }

    pub(super) fn other(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// Tells whether a server was there.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(self, Self::WrongPin { .. } | Self::Version | Self::Closed(_))
    }

    /// The order in which errors are reported: of the errors of several addresses the one with the
    /// smallest rank says most. An answer says more than silence.
    fn rank(&self) -> (u8, Option<NetworkError>) {
        match self {
            Self::WrongPin { .. } => (0, None),
            Self::Version => (1, None),
            Self::Closed(_) => (2, None),
            Self::NoAnswer { refused: false } => (3, None),
            Self::NoAnswer { refused: true } => (4, None),
            Self::Unreachable(error) => (5, Some(*error)),
            Self::Resolve { .. } => (6, None),
            Self::Other(_) => (7, None),
        }
    }

    /// Picks the error of smaller rank; this one if the ranks are equal.
    pub(super) fn more_telling(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}
