//! A server's handshakes with the clients that connect to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quinn::{ConnectionError, VarInt};
use tokio::time::{sleep, timeout};

use super::address::canonical;
use super::certificate::peer_pin;
use super::connection::Connection;
use super::limits::CROWDED_ABOVE;
use super::peer_list::PeerList;
use crate::wire::{CloseCode, FromClient};

/// Longest time for a handshake: a round trip of 10 s, and one loss. quinn has no such limit of
/// its own. A client is not dropped for being slow, since it would begin again and add to the
/// load; the load is bounded by the number of handshakes.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// Parts of the deadline, each counted from the end of the one before. While this process does not
/// run, packets of clients lie unread, and that time must not make a client late.
const SLICES: u32 = 40;
/// Parts of the deadline that a client has while handshakes are crowded.
const SLICES_CROWDED: u32 = 4;
/// Round trips after the handshake within which a client's first frame is expected.
const FIRST_FRAME_TRIPS: u32 = 3;

/// The reason why a client's handshake led to no connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The handshake did not end in time.
    #[error("no handshake in time")]
    TooSlow,
    /// The connection ended before the client had proven a key.
    #[error("the handshake failed")]
    Failed(#[from] ConnectionError),
    /// The handshake ended without a key, which the TLS settings do not allow.
    #[error("no key")]
    NoKey,
}

/// The terms that all handshakes of a listener share, and the count of those under way.
#[derive(Clone)]
pub(super) struct ServerHandshakes {
    body_len_max: u64,
    deadline: Duration,
    peer_list: Option<Arc<PeerList>>,
    /// Cloned by each handshake under way: their number is the count of clones.
    under_way: Arc<()>,
}

impl ServerHandshakes {
    /// Terms: the longest body that a client may send in bytes, the deadline of a handshake, and
    /// the list to which its client's address is added.
    pub(super) fn new(
        body_len_max: u64,
        deadline: Duration,
        peer_list: Option<Arc<PeerList>>,
    ) -> Self {
        Self { body_len_max, deadline, peer_list, under_way: Arc::new(()) }
    }

    /// The number of handshakes under way.
    pub(super) fn count(&self) -> usize {
        Arc::strong_count(&self.under_way) - 1
    }

    /// Counts one more handshake, which is under way until it ends or is dropped.
    pub(super) fn begin(&self, inner: quinn::Incoming) -> IncomingConnection {
        IncomingConnection { inner, handshakes: self.clone() }
    }

    /// Resolves when a handshake that begins now has had its time.
    async fn deadline_over(&self) {
        for slice in 1..=SLICES {
            sleep(self.deadline / SLICES).await;
            if slice >= SLICES_CROWDED && self.count() > CROWDED_ABOVE {
                return;
            }
        }
    }
}

/// A client that wants to connect. Dropping it refuses the client.
pub struct IncomingConnection {
    inner: quinn::Incoming,
    handshakes: ServerHandshakes,
}

impl IncomingConnection {
    /// The client's address. Nothing proves yet that the client is there.
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.inner.remote_address())
    }

    /// Turns the client away without a handshake; it sees [`CloseCode::Busy`].
    pub fn refuse(self) {
        self.inner.refuse();
    }

    /// Carries out the handshake. `greeting`, encoded frames, leaves with the server's half of it,
    /// so it reaches a client that is not authenticated yet.
    pub async fn establish(
        self,
        greeting: Bytes,
    ) -> Result<Connection<FromClient>, HandshakeError> {
        let Self { inner, handshakes } = self;
        let late = handshakes.deadline_over();
        let mut connecting = inner.accept()?;
        let mut begun = None;
        let handshake = async {
            // A post-quantum hello is two packets. The client's transport parameters are known
            // only after the second, and quinn does not wake a task that has waited for a stream
            // since before that.
            connecting.handshake_data().await?;
            let Ok((connection, done)) = connecting.into_0rtt() else {
                return Err(HandshakeError::NoKey);
            };
            let connection = begun.insert(connection);
            let (mut send, recv) = connection.open_bi().await?;
            // Fails only with the connection, and `close_reason` says more then.
            let _ = send.write_chunk(greeting).await;
            // Also resolves when the handshake fails.
            done.await;
            connection.close_reason().map_or(Ok((send, recv)), |reason| Err(reason.into()))
        };
        let streams = tokio::select! {
            biased;
            streams = handshake => Some(streams),
            () = late => None,
        };
        let Some(connection) = begun else {
            return Err(streams.and_then(Result::err).unwrap_or(HandshakeError::TooSlow));
        };
        let Some(streams) = streams else {
            connection.close(VarInt::from_u32(CloseCode::TooSlow.number()), b"");
            return Err(HandshakeError::TooSlow);
        };
        let (send, mut recv) = streams?;
        // The client's first frame follows at once, and may be lost. The wait is bounded by round
        // trips because the core, which limits the time for that frame, does not know the path.
        let trips = connection.rtt() * FIRST_FRAME_TRIPS;
        let wait = trips.min(handshakes.deadline);
        let first = timeout(wait, recv.read_chunk(usize::MAX, true)).await;
        let pin = peer_pin(&connection).ok_or(HandshakeError::NoKey)?;
        let peer_entry = handshakes.peer_list.as_ref().map(|list| list.add(&connection));
        let established = Connection::new(connection, (send, recv), pin, handshakes.body_len_max)
            .with_peer_entry(peer_entry);
        Ok(match first {
            Ok(Ok(Some(chunk))) => established.with_received_bytes(&chunk.bytes),
            // `Connection::run` meets the error or the end of the stream again.
            _ => established,
        })
    }
}
