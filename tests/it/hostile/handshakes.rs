//! Unfinished handshakes, and first packets from forged addresses: nothing is left of them after
//! their deadline, and no address is sent more than three times what it sent (RFC 9000, section
//! 8.1).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use qmsg::quic::{HANDSHAKE_DEADLINE, RETRY_ABOVE};

use super::scale;
use super::scene::Scene;
use crate::quic::flights::flights;
use crate::real::wait::pause;

/// First flights: more than the number above which the server asks for a proof of address.
const FLIGHTS: usize = RETRY_ABOVE + 44;
/// Addresses that the packets seem to come from.
const ADDRESSES: usize = 64;
/// Flights that are sent together, and the pause after them: 2,000 a second.
const BURST: usize = 10;
const PAUSE: Duration = Duration::from_millis(5);
/// The handshake deadline, with a margin for a busy machine.
const DROPPED: Duration = HANDSHAKE_DEADLINE.saturating_add(Duration::from_secs(2));
/// Time to watch for further packets, in a run that does not wait for the deadline.
const WATCHED: Duration = Duration::from_secs(2);
/// Memory for one unfinished handshake, and for all that wait to be accepted.
const KIB_EACH: u64 = 96;
const WAITING_KIB: u64 = 16 << 10;

/// Forged addresses, and the bytes that were sent from and to them.
struct Sources {
    sockets: Vec<UdpSocket>,
    sent: Vec<usize>,
    received: Vec<usize>,
    last_sent: Instant,
    last_received: Instant,
}

impl Sources {
    fn new() -> Self {
        let socket = |n: usize| {
            let ip = Ipv4Addr::new(127, 1, (n >> 8) as u8, n as u8 + 1);
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let (sockets, none) = ((0..ADDRESSES).map(socket).collect(), vec![0; ADDRESSES]);
        let now = Instant::now();
        Self { sockets, sent: none.clone(), received: none, last_sent: now, last_received: now }
    }

    fn send(&mut self, at: usize, packets: &[Vec<u8>], server: SocketAddr) {
        let at = at % ADDRESSES;
        for packet in packets {
            self.sockets[at].send_to(packet, server).unwrap();
            self.sent[at] += packet.len();
        }
        self.last_sent = Instant::now();
    }

    fn receive(&mut self) {
        let mut buffer = [0; 2_048];
        for (socket, received) in self.sockets.iter().zip(&mut self.received) {
            while let Ok(length) = socket.recv(&mut buffer) {
                *received += length;
                self.last_received = Instant::now();
            }
        }
    }

    /// Waits until the server sends nothing more; returns the time since our last packet.
    fn until_silent(&mut self) -> Duration {
        // The deadline itself is tested with a shorter one in the QUIC tests.
        let wait = if scale() > 1 { DROPPED } else { WATCHED };
        while Instant::now() < self.last_sent + wait {
            self.receive();
            pause(PAUSE);
        }
        for (sent, received) in self.sent.iter().zip(&self.received) {
            assert!(*received <= 3 * sent, "{received} bytes for {sent}");
        }
        self.last_received.saturating_duration_since(self.last_sent)
    }
}

/// Sends the server the first `packets` packets of each first flight, and nothing else.
fn flood(name: &str, packets: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let count = FLIGHTS * scale();
    let flights = runtime.block_on(flights(count));
    let scene = Scene::new(&[]);
    let server = scene.server.address.parse().unwrap();
    let ((begun, silent), effect) = scene.attack(|wanted| {
        let mut sources = Sources::new();
        let mut begun = 0;
        // At least one of each, then again while the others talk.
        while begun < flights.len() || wanted() {
            for flight in flights.iter().cycle().skip(begun).take(BURST) {
                sources.send(begun, &flight[..packets], server);
                begun += 1;
            }
            sources.receive();
            pause(PAUSE);
        }
        (begun, sources.until_silent())
    });
    let attack = format!("{begun} {name}, the last of them dropped after {silent:.1?}");
    effect.check(&attack, WAITING_KIB + RETRY_ABOVE as u64 * KIB_EACH);
    assert!(silent < DROPPED, "{silent:?}");
    scene.still_serves();
}

#[test]
fn unfinished_handshakes_are_dropped() {
    flood("handshakes begun", 2);
}

#[test]
fn first_packets_from_forged_addresses_cost_little() {
    flood("first packets from 64 addresses", 1);
}
