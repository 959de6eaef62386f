//! A server's address that counts what comes by.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often a thread with nothing to do looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// Passes datagrams on until it is dropped.
pub(crate) struct Relay {
    pub(crate) address: String,
    datagrams: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Relay {
    /// To this server.
    pub(crate) fn new(server: &str) -> Self {
        let front = Arc::new(socket());
        let address = front.local_addr().unwrap().to_string();
        let relay = Self { address, datagrams: Arc::default(), over: Arc::default() };
        let (server, way) = (server.parse().unwrap(), relay.way());
        thread::spawn(move || up(&front, server, &way));
        relay
    }

    /// Both ways, so far.
    pub(crate) fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::SeqCst)
    }

    fn way(&self) -> Way {
        Way { datagrams: Arc::clone(&self.datagrams), over: Arc::clone(&self.over) }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// What the threads of a relay share.
#[derive(Clone)]
struct Way {
    datagrams: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Way {
    /// Gives each datagram of a socket to `pass`, until the relay is dropped.
    fn carry(&self, socket: &UdpSocket, mut pass: impl FnMut(&[u8], SocketAddr)) {
        let mut buffer = vec![0; 64 << 10];
        while !self.over.load(Ordering::SeqCst) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                self.datagrams.fetch_add(1, Ordering::SeqCst);
                pass(&buffer[..length], from);
            }
        }
    }
}

/// From clients: each has a socket at the server's side, with a thread for the way back.
fn up(front: &Arc<UdpSocket>, server: SocketAddr, way: &Way) {
    let mut backs: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    way.carry(front, |datagram, client| {
        let back = backs.entry(client).or_insert_with(|| {
            let back = Arc::new(socket());
            let (down, front, way) = (Arc::clone(&back), Arc::clone(front), way.clone());
            // What cannot be passed on is lost, as datagrams are.
            let pass = move |datagram: &[u8], _| drop(front.send_to(datagram, client));
            thread::spawn(move || way.carry(&down, pass));
            back
        });
        drop(back.send_to(datagram, server));
    });
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LOOK)).unwrap();
    socket
}
