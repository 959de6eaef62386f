//! A network in memory: two UDP sockets that reach each other, on tokio's clock. While the clock is
//! paused a datagram takes exactly the given delay, and everything else takes no time.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use tokio::time::Instant;

/// One of the two sockets.
#[derive(Debug)]
pub(super) struct MemorySocket {
    address: SocketAddr,
    peer: SocketAddr,
    incoming: Arc<Mutex<Direction>>,
    outgoing: Arc<Mutex<Direction>>,
}

/// One direction of the network.
#[derive(Debug)]
struct Direction {
    delay: Duration,
    /// Numbers of the datagrams to lose, counted from the next one.
    lost: Range<usize>,
    /// Datagrams that have been sent and not received, in order.
    under_way: VecDeque<Datagram>,
    timer: Pin<Box<dyn AsyncTimer>>,
    reader: Option<Waker>,
    /// Time when the last datagram was received.
    received_at: Instant,
}

#[derive(Debug)]
struct Datagram {
    due: Instant,
    ecn: Option<EcnCodepoint>,
    bytes: Vec<u8>,
}

/// The sockets of a client and a server, with this delay in each direction. Must be called inside a
/// tokio runtime.
pub(super) fn socket_pair(delay: Duration) -> (Arc<MemorySocket>, Arc<MemorySocket>) {
    // Addresses for documentation (RFC 5737).
    let (client, server) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    let (up, down) = (Direction::new(delay), Direction::new(delay));
    let socket =
        |address, peer, incoming: &Arc<Mutex<Direction>>, outgoing: &Arc<Mutex<Direction>>| {
            Arc::new(MemorySocket {
                address,
                peer,
                incoming: incoming.clone(),
                outgoing: outgoing.clone(),
            })
        };
    (socket(client, server, &down, &up), socket(server, client, &up, &down))
}

impl MemorySocket {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time when the last datagram was received.
    pub(super) fn received_at(&self) -> Instant {
        self.incoming.lock().unwrap().received_at
    }

    /// Loses datagrams that leave here, by their numbers from now on.
    pub(super) fn lose(&self, numbers: Range<usize>) {
        self.outgoing.lock().unwrap().lost = numbers;
    }
}

impl Direction {
    fn new(delay: Duration) -> Arc<Mutex<Self>> {
        let received_at = Instant::now();
        let timer = TokioRuntime.new_timer(received_at.into_std());
        let (lost, under_way, reader) = (0..0, VecDeque::new(), None);
        Arc::new(Mutex::new(Self { delay, lost, under_way, timer, reader, received_at }))
    }

    /// Counts the next datagram. Returns true if it is lost.
    fn loses_next(&mut self) -> bool {
        let is_lost = self.lost.contains(&0);
        self.lost = self.lost.start.saturating_sub(1)..self.lost.end.saturating_sub(1);
        is_lost
    }

    fn push(&mut self, ecn: Option<EcnCodepoint>, bytes: &[u8]) {
        let due = Instant::now() + self.delay;
        self.under_way.push_back(Datagram { due, ecn, bytes: bytes.to_owned() });
        // A reader waiting for an earlier datagram has a timer for that one.
        if let Some(reader) = self.reader.take_if(|_| self.under_way.len() == 1) {
            reader.wake();
        }
    }
}

impl AsyncUdpSocket for MemorySocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut direction = self.outgoing.lock().unwrap();
        if transmit.destination == self.peer && !direction.loses_next() {
            direction.push(transmit.ecn, transmit.contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut direction = self.incoming.lock().unwrap();
        let Some(due) = direction.under_way.front().map(|first| first.due) else {
            direction.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        direction.timer.as_mut().reset(due.into_std());
        ready!(direction.timer.as_mut().poll(context));
        let Some(Datagram { ecn, bytes, .. }) = direction.under_way.pop_front() else {
            return Poll::Pending;
        };
        direction.received_at = Instant::now();
        let len = bytes.len();
        buffers[0][..len].copy_from_slice(&bytes);
        meta[0] = RecvMeta { addr: self.peer, len, stride: len, ecn, ..RecvMeta::default() };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// A poller that is always ready.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
