//! How a server that was started again is noticed by clients that have nothing to say.
//!
//! It sends each address that had a link to the last process a datagram that is no QUIC packet. A
//! client that hears one shows itself on its link at once, gets the stateless reset (RFC 9000,
//! section 10.3) that a server gives for links it does not know, and dials again. Anybody can forge
//! such a datagram; all it does is a packet, and not more often than [`ANSWER_INTERVAL`] allows.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Connection, UdpPoller, VarInt};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::link::canonical;
use super::transport::WINDOW;

/// A QUIC packet has the second bit of its first byte set (RFC 9000, section 17): whoever gets this
/// and speaks only QUIC drops it.
pub(super) const HAIL: [u8; 1] = [0];
/// How soon a link shows itself again.
const ANSWER_INTERVAL: Duration = Duration::from_millis(250);

/// A client's UDP socket, which also listens for hails of its server.
#[derive(Debug)]
pub(super) struct Ear {
    socket: Arc<dyn AsyncUdpSocket>,
    server: SocketAddr,
    heard: Notify,
}

impl Ear {
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>, server: SocketAddr) -> Arc<Self> {
        Arc::new(Self { socket, server: canonical(server), heard: Notify::new() })
    }

    /// Shows on a link with this socket that it is there, whenever its server hails. Never ends.
    ///
    /// What shows it is a window that is larger by a byte, which has to be told. To rebind the
    /// socket would also do, but quinn 0.11 panics if a connection has ended at that moment.
    pub(super) async fn answer(&self, connection: &Connection) {
        let mut window = WINDOW;
        loop {
            self.heard.notified().await;
            tracing::debug!("hailed");
            window = window.saturating_add(1);
            connection.set_receive_window(VarInt::from_u32(window));
            sleep(ANSWER_INTERVAL).await;
        }
    }

    fn is_hail(&self, meta: &RecvMeta, bytes: &[u8]) -> bool {
        // What arrives together is of one length, but for the last.
        canonical(meta.addr) == self.server
            && bytes.chunks(meta.stride.max(1)).any(|datagram| datagram == HAIL)
    }
}

impl AsyncUdpSocket for Ear {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let polled = self.socket.poll_recv(context, buffers, meta);
        if let Poll::Ready(Ok(count)) = polled {
            let mut received = meta.iter().zip(buffers.iter()).take(count);
            if received.any(|(meta, buffer)| self.is_hail(meta, &buffer[..meta.len])) {
                self.heard.notify_one();
            }
        }
        polled
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
