//! A relay for datagrams in front of a server: as bad a network as a test wants, with a count of
//! datagrams.

mod weather;

use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use weather::Weather;

/// Interval at which an idle thread checks whether it must end.
const LOOK: Duration = Duration::from_millis(200);
/// Silence after which a client is forgotten; a listener sends something every 20 s.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(50);
/// Delayed datagrams that are kept; more wait in the socket's buffer, or are lost there.
const ON_THE_WAY_MAX: usize = 65_536;

/// Relays datagrams until it is dropped.
pub(crate) struct Relay {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

/// State that the threads of a relay share.
struct Shared {
    server: SocketAddr,
    datagrams: AtomicU64,
    over: AtomicBool,
    /// Weather towards the server, and towards clients.
    up: Mutex<Weather>,
    down: Mutex<Weather>,
    /// Number of times that clients have moved; their earlier sockets are closed.
    moves: AtomicUsize,
    late: SyncSender<Delayed>,
}

/// A datagram that leaves later.
struct Delayed {
    due: Instant,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    datagram: Vec<u8>,
}

impl Relay {
    /// Relay to a server, in fair weather.
    pub(crate) fn new(server: &str) -> Self {
        Self::in_weather(server, &Weather::default(), &Weather::default())
    }

    /// Relay with weather of its own in each direction: to the server, to clients.
    pub(crate) fn in_weather(server: &str, up: &Weather, down: &Weather) -> Self {
        let front = Arc::new(socket(Ipv4Addr::LOCALHOST));
        let address = front.local_addr().unwrap().to_string();
        let (late, due) = sync_channel(ON_THE_WAY_MAX);
        let shared = Arc::new(Shared {
            server: server.parse().unwrap(),
            datagrams: AtomicU64::new(0),
            over: AtomicBool::new(false),
            up: Mutex::new(up.clone()),
            down: Mutex::new(down.clone()),
            moves: AtomicUsize::new(0),
            late,
        });
        thread::spawn(move || deliver(&due));
        let threads = Arc::clone(&shared);
        thread::spawn(move || relay_from_clients(&front, &threads));
        Self { address, shared }
    }

    /// Sets the weather of both directions.
    pub(crate) fn set(&self, weather: &Weather) {
        *self.shared.up.lock().unwrap() = weather.clone();
        *self.shared.down.lock().unwrap() = weather.clone();
    }

    /// Datagrams relayed so far, in both directions.
    pub(crate) fn datagrams(&self) -> u64 {
        self.shared.datagrams.load(Ordering::SeqCst)
    }

    /// Moves all clients to other ports, and every second time to another address, as a router does
    /// that has forgotten them.
    pub(crate) fn rebind(&self) {
        self.shared.moves.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    /// Receives datagrams from a socket and gives each to a function, until the relay ends.
    fn receive(
        &self,
        socket: &UdpSocket,
        wanted: impl Fn() -> bool,
        mut forward: impl FnMut(&[u8], SocketAddr),
    ) {
        let mut buffer = vec![0; 64 << 10];
        while !self.over.load(Ordering::SeqCst) && wanted() {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                self.datagrams.fetch_add(1, Ordering::SeqCst);
                forward(&buffer[..length], from);
            }
        }
    }

    /// Sends what the weather leaves of a datagram, now or delayed. A datagram that cannot be sent
    /// is lost.
    fn send(
        &self,
        weather: &Mutex<Weather>,
        socket: &Arc<UdpSocket>,
        to: SocketAddr,
        datagram: &[u8],
    ) {
        let fates = weather.lock().unwrap().fates(datagram);
        for (delay, datagram) in fates {
            if delay.is_zero() {
                drop(socket.send_to(&datagram, to));
            } else {
                let (due, socket) = (Instant::now() + delay, Arc::clone(socket));
                drop(self.late.try_send(Delayed { due, socket, to, datagram }));
            }
        }
    }
}

/// Socket on the server's side for one client.
struct ClientSocket {
    socket: Arc<UdpSocket>,
    /// Number of moves when it was made.
    moves: usize,
    used: Instant,
}

/// Relays datagrams of clients: each has a socket on the server's side, with a thread for the other
/// direction.
fn relay_from_clients(front: &Arc<UdpSocket>, shared: &Arc<Shared>) {
    let mut sockets: BTreeMap<SocketAddr, ClientSocket> = BTreeMap::new();
    let forward = |datagram: &[u8], client| {
        let (moves, now) = (shared.moves.load(Ordering::SeqCst), Instant::now());
        if !sockets.contains_key(&client) {
            sockets.retain(|_, back| now < back.used + FORGOTTEN_AFTER);
        }
        sockets.retain(|_, back| back.moves == moves);
        let back = sockets.entry(client).or_insert_with(|| {
            // Every second move is to another address.
            let back = Arc::new(socket(Ipv4Addr::new(127, 0, 0, 1 + (moves / 2 % 200) as u8)));
            let (down, front, shared) = (Arc::clone(&back), Arc::clone(front), Arc::clone(shared));
            thread::spawn(move || {
                let is_known = || Arc::strong_count(&down) > 1;
                let wanted = || is_known() && shared.moves.load(Ordering::SeqCst) == moves;
                shared.receive(&down, wanted, |datagram, _| {
                    if wanted() {
                        shared.send(&shared.down, &front, client, datagram);
                    }
                });
            });
            ClientSocket { socket: back, moves, used: now }
        });
        back.used = now;
        shared.send(&shared.up, &back.socket, shared.server, datagram);
    };
    shared.receive(front, || true, forward);
}

/// Sends delayed datagrams when they are due, until all senders of the queue are gone.
fn deliver(late: &Receiver<Delayed>) {
    let mut waiting: BinaryHeap<Delayed> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while let Some(first) = waiting.peek().filter(|first| first.due <= now) {
            drop(first.socket.send_to(&first.datagram, first.to));
            waiting.pop();
        }
        let pause = waiting.peek().map_or(LOOK, |first| first.due.saturating_duration_since(now));
        match late.recv_timeout(pause) {
            Ok(datagram) => waiting.push(datagram),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn socket(ip: Ipv4Addr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    socket
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Reverse order: the heap's greatest item is the one that is due first.
impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.due.cmp(&self.due)
    }
}
