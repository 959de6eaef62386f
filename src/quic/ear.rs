//! A client's UDP socket for one server, which sees more than quinn does: that the server hails,
//! that nothing has come from it yet, and what the operating system says when a packet cannot
//! leave. quinn takes such errors for losses, and writes them to the log.

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

use super::hail::HAIL;
use super::link::canonical;
use super::obstacle::Obstacle;
use super::transport::PACKET_LEN_MIN;

/// How long after the first flight it is sent again while nothing comes, and how long at most, by
/// chance a quarter less. Each pause is half as long again as the one before. quinn doubles its
/// own: a server that is back would be noticed as late as it was away.
const REPEAT: Duration = Duration::from_secs(1);
const REPEAT_MAX: Duration = Duration::from_millis(2_500);
/// Datagrams of a first flight: a post-quantum hello takes two.
const FLIGHT_MAX: usize = 2;
/// Datagrams of the flight that ends the handshake, with the client's first word behind it.
const LAST_FLIGHT_MAX: usize = 4;
/// Datagrams without a long header by which a server shows that it has got that: one comes before,
/// with its greeting.
const SHOWS: u32 = 2;
/// How long a server that has begun to answer may be silent before it is taken to be gone.
const STALL: Duration = Duration::from_secs(5);

/// The socket.
#[derive(Debug)]
pub(super) struct Ear {
    io: Arc<UdpSocket>,
    state: UdpSocketState,
    server: SocketAddr,
    hailed: Notify,
    arrived: Notify,
    flight: Mutex<Flight>,
    obstacle: watch::Sender<Option<Obstacle>>,
}

/// What the client said first, for as long as there is no answer, and then what ends the handshake,
/// for as long as the server does not show that it has that. What is lost of it quinn sends again
/// only when it has waited several times as long as the server took to answer.
#[derive(Debug, Default)]
struct Flight {
    datagrams: Vec<Vec<u8>>,
    is_answered: bool,
    /// Datagrams of the server without a long header.
    shows: u32,
}

impl Ear {
    /// Must be called inside a tokio runtime.
    pub(super) fn new(socket: std::net::UdpSocket, server: SocketAddr) -> io::Result<Arc<Self>> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Self {
            io: Arc::new(UdpSocket::from_std(socket)?),
            state,
            server,
            hailed: Notify::new(),
            arrived: Notify::new(),
            flight: Mutex::default(),
            obstacle: watch::Sender::new(None),
        }))
    }

    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    /// The server hails, or [`Ear::hail`] was called.
    pub(super) async fn hailed(&self) {
        self.hailed.notified().await;
    }

    /// As if the server had hailed.
    pub(super) fn hail(&self) {
        self.hailed.notify_one();
    }

    /// Whether something comes within this time.
    pub(super) async fn hears_within(&self, time: Duration) -> bool {
        // What came before does not count.
        let _ = timeout(Duration::ZERO, self.arrived.notified()).await;
        timeout(time, self.arrived.notified()).await.is_ok()
    }

    /// There is another handshake.
    pub(super) fn begin(&self) {
        *self.flight() = Flight::default();
    }

    /// A packet of a handshake cannot leave.
    pub(super) async fn blocked(&self) -> Obstacle {
        let mut obstacle = self.obstacle.subscribe();
        loop {
            if let Some(obstacle) = *obstacle.borrow_and_update() {
                return obstacle;
            }
            // The sender is here.
            let _ = obstacle.changed().await;
        }
    }

    /// The server has begun to answer a handshake and says no more, so it is not there any more.
    /// What it knew of the handshake is gone with it.
    pub(super) async fn stalled(&self) {
        self.arrived.notified().await;
        while timeout(STALL, self.arrived.notified()).await.is_ok() {}
    }

    /// Sends a flight again and again until there is an answer to it: the same bytes, which are of
    /// no matter to a server that has them, and not another handshake, which would be work for one
    /// that is slow. Never ends.
    pub(super) async fn repeat(&self) {
        let mut pause = REPEAT;
        loop {
            let chance = self.flight().datagrams.first().map_or(0, |first| chance(first));
            sleep(pause * 3 / 4 + pause / 4 * chance / 256).await;
            pause = REPEAT_MAX.min(pause * 3 / 2);
            if self.flight().shows >= SHOWS {
                return pending().await;
            }
            let datagrams = self.flight().datagrams.clone();
            for contents in &datagrams {
                let (destination, ecn, segment_size, src_ip) = (self.server, None, None, None);
                // A lost one is made up for by the next.
                let _ =
                    self.transmit(&Transmit { destination, ecn, contents, segment_size, src_ip });
            }
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transmit(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || self.state.try_send((&*self.io).into(), transmit))
    }

    fn keep(&self, transmit: &Transmit<'_>) {
        let mut flight = self.flight();
        let length = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        let (wanted, most) = match flight.is_answered {
            false => (is_initial(transmit.contents), FLIGHT_MAX),
            // Larger ones try how large they can be.
            true => (flight.shows < SHOWS && length <= PACKET_LEN_MIN, LAST_FLIGHT_MAX),
        };
        if wanted {
            for datagram in transmit.contents.chunks(length) {
                if flight.datagrams.len() < most {
                    flight.datagrams.push(datagram.to_owned());
                }
            }
        }
    }

    fn heard(&self, meta: &RecvMeta, bytes: &[u8]) {
        if canonical(meta.addr) != canonical(self.server) {
            return;
        }
        // What arrives together is of one length, but for the last.
        for datagram in bytes.chunks(meta.stride.max(1)) {
            if datagram == HAIL {
                self.hail();
                continue;
            }
            self.arrived.notify_one();
            let mut flight = self.flight();
            flight.shows = flight.shows.saturating_add(u32::from(!is_long(datagram)));
            if !flight.is_answered || flight.shows >= SHOWS {
                flight.datagrams.clear();
            }
            // After a Retry the client begins anew.
            flight.is_answered |= !is_retry(datagram);
        }
    }
}

/// A long header of type Initial (RFC 9000, section 17.2).
fn is_initial(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xf0 == 0xc0)
}

fn is_long(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x80 != 0)
}

fn is_retry(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xf0 == 0xf0)
}

/// A byte that chance has made: of the connection id that begins behind flags, version and length.
fn chance(initial: &[u8]) -> u32 {
    initial.get(6).map_or(0, |byte| u32::from(*byte))
}

impl AsyncUdpSocket for Ear {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller(Arc::clone(&self.io)))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.keep(transmit);
        match self.transmit(transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                let length = transmit.segment_size.unwrap_or(transmit.contents.len());
                // Larger ones try how large they can be.
                let tells = length <= PACKET_LEN_MIN;
                if let Some(obstacle) = Obstacle::of(&error).filter(|_| tells) {
                    self.obstacle.send_replace(Some(obstacle));
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
            // An error is one of the way, and is told otherwise.
            if let Ok(count) = self.io.try_io(Interest::READABLE, receive) {
                for (meta, buffer) in meta.iter().zip(buffers.iter()).take(count) {
                    self.heard(meta, &buffer[..meta.len]);
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

/// For the one connection of the socket: it wakes whoever asked last.
#[derive(Debug)]
struct Poller(Arc<UdpSocket>);

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send_ready(context)
    }
}
