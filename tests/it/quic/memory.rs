//! A network in memory: two UDP sockets that reach each other, on tokio's clock. Where that is
//! paused a datagram takes exactly as long as it is told to, and everything else takes no time.

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

/// One direction.
#[derive(Debug)]
struct Direction {
    delay: Duration,
    /// Which datagrams do not arrive, counted from now.
    lost: Range<usize>,
    /// In the order in which they left, which is that in which they arrive.
    under_way: VecDeque<Datagram>,
    timer: Pin<Box<dyn AsyncTimer>>,
    reader: Option<Waker>,
    /// When the last one arrived.
    heard_at: Instant,
}

#[derive(Debug)]
struct Datagram {
    due: Instant,
    ecn: Option<EcnCodepoint>,
    bytes: Vec<u8>,
}

/// A client's end and a server's, so far away from each other in each direction. Must be called
/// inside a tokio runtime.
pub(super) fn wire(delay: Duration) -> (Arc<MemorySocket>, Arc<MemorySocket>) {
    // Of RFC 5737: nobody's.
    let (client, server) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
    let (up, down) = (Direction::new(delay), Direction::new(delay));
    let end =
        |address, peer, incoming: &Arc<Mutex<Direction>>, outgoing: &Arc<Mutex<Direction>>| {
            Arc::new(MemorySocket {
                address,
                peer,
                incoming: incoming.clone(),
                outgoing: outgoing.clone(),
            })
        };
    (end(client, server, &down, &up), end(server, client, &up, &down))
}

impl MemorySocket {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the last datagram came in.
    pub(super) fn heard_at(&self) -> Instant {
        self.incoming.lock().unwrap().heard_at
    }

    /// Loses those of the datagrams that leave here from now on.
    pub(super) fn lose(&self, numbers: Range<usize>) {
        self.outgoing.lock().unwrap().lost = numbers;
    }
}

impl Direction {
    fn new(delay: Duration) -> Arc<Mutex<Self>> {
        let heard_at = Instant::now();
        let timer = TokioRuntime.new_timer(heard_at.into_std());
        let (lost, under_way, reader) = (0..0, VecDeque::new(), None);
        Arc::new(Mutex::new(Self { delay, lost, under_way, timer, reader, heard_at }))
    }

    /// Whether the next datagram is lost.
    fn loses(&mut self) -> bool {
        let loses = self.lost.contains(&0);
        self.lost = self.lost.start.saturating_sub(1)..self.lost.end.saturating_sub(1);
        loses
    }

    fn push(&mut self, ecn: Option<EcnCodepoint>, bytes: &[u8]) {
        let due = Instant::now() + self.delay;
        self.under_way.push_back(Datagram { due, ecn, bytes: bytes.to_owned() });
        // Who waits for the first one has a timer for it.
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
        let mut way = self.outgoing.lock().unwrap();
        if transmit.destination == self.peer && !way.loses() {
            way.push(transmit.ecn, transmit.contents);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut way = self.incoming.lock().unwrap();
        let Some(due) = way.under_way.front().map(|first| first.due) else {
            way.reader = Some(context.waker().clone());
            return Poll::Pending;
        };
        way.timer.as_mut().reset(due.into_std());
        ready!(way.timer.as_mut().poll(context));
        let Some(Datagram { ecn, bytes, .. }) = way.under_way.pop_front() else {
            return Poll::Pending;
        };
        way.heard_at = Instant::now();
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

/// There is always room.
#[derive(Debug)]
struct Writable;

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
