//! Reasons for which a connection ends.

use std::time::Duration;

use quinn::ConnectionError;
use tokio::time::timeout;

use super::network_error::NetworkError;
use crate::wire::{CloseCode, Malformed};

/// Longest time that frames queued before a close have to be acknowledged.
pub(super) const LINGER: Duration = Duration::from_millis(500);
/// Longest wait for the close that says why the peer has ended its stream. The peer may linger
/// before it closes.
const CLOSE_WAIT: Duration = LINGER.saturating_mul(2);

/// The reason for which a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEnd {
    /// Closed by the peer. `None`: with a code that this version does not know.
    ClosedByPeer(Option<CloseCode>),
    /// The peer is gone: silent for too long, restarted, or no longer speaking QUIC.
    Lost,
    /// The operating system says that the peer cannot be reached any more.
    Unreachable(NetworkError),
    /// The peer sent bytes that are not frames. The close told it so.
    Malformed(Malformed),
    /// Closed by this side.
    ClosedHere(CloseCode),
}

impl ConnectionEnd {
    /// The reason why the peer has ended its stream: waits for the close that follows.
    pub(super) async fn after_stream_end(connection: &quinn::Connection) -> Self {
        match timeout(CLOSE_WAIT, connection.closed()).await {
            Ok(error) => error.into(),
            Err(_) => Self::ClosedByPeer(None),
        }
    }
}

impl From<ConnectionError> for ConnectionEnd {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                Self::ClosedByPeer(CloseCode::from_number(close.error_code.into_inner()))
            }
            // A `Connection` returns its own closes directly; only the listener closes it from
            // outside, when the server stops.
            ConnectionError::LocallyClosed => Self::ClosedHere(CloseCode::Stopping),
            _ => Self::Lost,
        }
    }
}
