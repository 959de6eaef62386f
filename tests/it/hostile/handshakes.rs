//! Handshakes that are begun and not ended, and first packets from addresses that are not the
//! sender's: after their deadline nothing is left of them, and no address is sent more than
//! three times what came from it (RFC 9000, section 8.1).

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use qmsg::quic::{HANDSHAKE_DEADLINE, RETRY_ABOVE};

use super::scale;
use super::scene::Scene;
use crate::quic::flights::flights;
use crate::real::wait::pause;

/// More than what makes the server ask for a proof of the address.
const FLIGHTS: usize = RETRY_ABOVE + 44;
/// Addresses that they seem to come from.
const ADDRESSES: usize = 64;
/// Flights that leave together, and the pause behind them: two thousand a second.
const BURST: usize = 10;
const PAUSE: Duration = Duration::from_millis(5);
/// The deadline of handshakes, and what a busy machine may add.
const DROPPED: Duration = HANDSHAKE_DEADLINE.saturating_add(Duration::from_secs(2));
/// How long it is looked at whether anything still comes, in a run that does not wait for that.
const LOOKED_AT: Duration = Duration::from_secs(2);
/// What a handshake costs the server while it lasts, and what all that wait to be accepted do.
const KIB_EACH: u64 = 96;
const WAITING_KIB: u64 = 16 << 10;

/// Addresses that packets come from, and what went from them and to them.
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

    /// Waits until the server has nothing more to say; how long after the last packet that was.
    fn until_silent(&mut self) -> Duration {
        // The deadline itself is shown with a shorter one, below the program.
        let wait = if scale() > 1 { DROPPED } else { LOOKED_AT };
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

/// The server gets so many packets of each first flight, and nothing else.
fn flood(name: &str, packets: usize) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let count = FLIGHTS * scale();
    let flights = runtime.block_on(flights(count));
    let scene = Scene::new(&[]);
    let server = scene.server.address.parse().unwrap();
    let ((begun, silent), effect) = scene.attack(|wanted| {
        let mut sources = Sources::new();
        let mut begun = 0;
        // At least one of each, and while others talk again and again.
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
fn handshakes_that_are_not_ended_are_dropped() {
    flood("handshakes begun", 2);
}

#[test]
fn first_packets_from_addresses_of_others_cost_next_to_nothing() {
    flood("first packets from 64 addresses", 1);
}
