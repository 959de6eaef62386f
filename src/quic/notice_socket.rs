//! A client's UDP socket for one server. It sees what quinn does not report: restart notices, the
//! silence of the server during a handshake, and errors of the operating system when a packet
//! cannot leave. quinn takes such errors for losses and logs them.

use std::future::pending;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::address::canonical;
use super::handshake_flight::HandshakeFlight;
use super::limits::{PACKET_LEN_MIN, RETRANSMIT_PAUSE_MAX, RETRANSMIT_PAUSE_MIN};
use super::network_error::NetworkError;
use super::restart_notice::RESTART_NOTICE;

/// Silence after which a server that has begun to answer a handshake counts as gone.
const STALL: Duration = Duration::from_secs(5);

/// The socket of one connection.
#[derive(Debug)]
pub(super) struct NoticeSocket {
    io: Arc<UdpSocket>,
    state: UdpSocketState,
    server: SocketAddr,
    notice: Notify,
    arrived: Notify,
    flight: Mutex<HandshakeFlight>,
    network_error: watch::Sender<Option<NetworkError>>,
}

impl NoticeSocket {
    /// Takes over a UDP socket for packets from and to `server`. Must be called inside a tokio
    /// runtime.
    pub(super) fn new(socket: std::net::UdpSocket, server: SocketAddr) -> io::Result<Arc<Self>> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Self {
            io: Arc::new(UdpSocket::from_std(socket)?),
            state,
            server,
            notice: Notify::new(),
            arrived: Notify::new(),
            flight: Mutex::default(),
            network_error: watch::Sender::new(None),
        }))
    }

    pub(super) fn server_address(&self) -> SocketAddr {
        self.server
    }

    /// Waits for a restart notice of the server or a simulated one.
    pub(super) async fn notice_received(&self) {
        self.notice.notified().await;
    }

    /// Acts as if the server had sent a restart notice.
    pub(super) fn simulate_notice(&self) {
        self.notice.notify_one();
    }

    /// Waits for a datagram from the server. Returns false if none comes within `time`.
    pub(super) async fn receives_within(&self, time: Duration) -> bool {
        // Takes back the permit of a datagram that came before.
        let _ = timeout(Duration::ZERO, self.arrived.notified()).await;
        timeout(time, self.arrived.notified()).await.is_ok()
    }

    /// Forgets the flight of the last handshake: another one begins.
    pub(super) fn begin_handshake(&self) {
        *self.flight() = HandshakeFlight::default();
    }

    /// Waits until a packet of a handshake cannot leave.
    pub(super) async fn network_failed(&self) -> NetworkError {
        let mut error = self.network_error.subscribe();
        loop {
            if let Some(error) = *error.borrow_and_update() {
                return error;
            }
            // Fails only when the sender is gone, and `self` has it.
            let _ = error.changed().await;
        }
    }

    /// Waits until a server that has begun to answer a handshake has been silent for `STALL`. It
    /// counts as gone then, and its state of the handshake with it.
    pub(super) async fn server_stalled(&self) {
        self.arrived.notified().await;
        while timeout(STALL, self.arrived.notified()).await.is_ok() {}
    }

    /// Sends the current flight again and again until the handshake is confirmed. The bytes stay
    /// the same: a server that has them drops them, while another handshake would be work for a
    /// server that may be slow already. Never ends.
    pub(super) async fn retransmit_flight(&self) {
        let mut pause = RETRANSMIT_PAUSE_MIN;
        loop {
            let random = u32::from(self.flight().random_byte());
            sleep(pause * 3 / 4 + pause / 4 * random / 256).await;
            pause = RETRANSMIT_PAUSE_MAX.min(pause * 3 / 2);
            if self.flight().is_confirmed() {
                return pending().await;
            }
            let datagrams = self.flight().datagrams().to_vec();
            for contents in &datagrams {
                let (destination, ecn, segment_size, src_ip) = (self.server, None, None, None);
                // The next repetition makes up for a lost one.
                let _ =
                    self.send_now(&Transmit { destination, ecn, contents, segment_size, src_ip });
            }
        }
    }

    fn flight(&self) -> MutexGuard<'_, HandshakeFlight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_now(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || self.state.try_send((&*self.io).into(), transmit))
    }

    fn record_received(&self, meta: &RecvMeta, bytes: &[u8]) {
        if canonical(meta.addr) != canonical(self.server) {
            return;
        }
        // Datagrams received together have one length, except for the last.
        for datagram in bytes.chunks(meta.stride.max(1)) {
            if datagram == RESTART_NOTICE {
                self.simulate_notice();
                continue;
            }
            self.arrived.notify_one();
            self.flight().record_received(datagram);
        }
    }
}

impl AsyncUdpSocket for NoticeSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(WritePoller(Arc::clone(&self.io)))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.flight().record_sent(transmit);
        match self.send_now(transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                let length = transmit.segment_size.unwrap_or(transmit.contents.len());
                // Larger packets probe the path's MTU, and may fail.
                let is_needed = length <= PACKET_LEN_MIN;
                if let Some(error) = NetworkError::from_io(&error).filter(|_| is_needed) {
                    self.network_error.send_replace(Some(error));
                }
            }
            Ok(()) => {}
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            let receive = || self.state.recv((&*self.io).into(), buffers, meta);
            // Errors here concern the path; sending and the port probe report those.
            if let Ok(count) = self.io.try_io(Interest::READABLE, receive) {
                for (meta, buffer) in meta.iter().zip(buffers.iter()).take(count) {
                    self.record_received(meta, &buffer[..meta.len]);
                }
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// A poller for the one connection of the socket: it wakes only the task that polled last.
#[derive(Debug)]
struct WritePoller(Arc<UdpSocket>);

impl UdpPoller for WritePoller {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send_ready(context)
    }
}
