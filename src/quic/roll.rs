//! Where a server's links are, kept in a file for the next process.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::udp::Transmit;
use quinn::{AsyncUdpSocket, Connection};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::hail::HAIL;

/// How long the file may be behind. Most links of senders are over before they get in.
const DELAY: Duration = Duration::from_secs(1);
/// Links that are kept; the others notice a new process later.
const PLACES_MAX: usize = 65_536;
/// "[", an IPv6 address, a zone, "]:", a port, a space, an IPv6 address, a newline.
const PLACE_LEN_MAX: usize = 128;
/// When each address is hailed, after the last time: a datagram can be lost.
const HAILS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_secs(1),
];
/// Hails sent at a time, and how long the next ones wait: handshakes follow.
const HAILS_AT_ONCE: usize = 16;
const HAIL_PAUSE: Duration = Duration::from_millis(8);

/// Where the links of a server are. What is in its file is a hint: it is not synced, and may be
/// missing, old or damaged.
#[derive(Debug, Default)]
pub(super) struct Roll {
    entries: Mutex<Entries>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    places: BTreeMap<u64, Place>,
}

/// Where a link is, and by which of the server's addresses it came in: a hail from another one is
/// from nobody it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    client: SocketAddr,
    server: Option<IpAddr>,
}

impl Place {
    pub(super) fn of(connection: &Connection) -> Self {
        Self { client: connection.remote_address(), server: connection.local_ip() }
    }
}

/// A line of the file: the client's address, and the server's if it is known.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.client)?;
        self.server.map_or(Ok(()), |server| write!(f, " {server}"))
    }
}

impl FromStr for Place {
    type Err = AddrParseError;

    fn from_str(line: &str) -> Result<Self, Self::Err> {
        let (client, server) = match line.split_once(' ') {
            Some((client, server)) => (client, Some(server.parse()?)),
            None => (line, None),
        };
        Ok(Self { client: client.parse()?, server })
    }
}

/// A link's place on a roll, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    roll: Arc<Roll>,
    number: u64,
}

impl Roll {
    pub(super) fn enter(self: &Arc<Self>, place: Place) -> Entry {
        let mut entries = self.lock();
        let number = entries.next;
        entries.next += 1;
        entries.places.insert(number, place);
        drop(entries);
        self.changed.notify_one();
        Entry { roll: Arc::clone(self), number }
    }

    /// Hails those in the file, then keeps it. Never ends.
    pub(super) async fn keep(self: Arc<Self>, path: PathBuf, socket: Arc<dyn AsyncUdpSocket>) {
        let before = read(&path);
        tokio::join!(hail(before, socket), self.write(&path));
    }

    async fn write(&self, path: &Path) {
        loop {
            self.changed.notified().await;
            sleep(DELAY).await;
            let places: Vec<_> = self.lock().places.values().take(PLACES_MAX).copied().collect();
            let path = path.to_owned();
            let written = tokio::task::spawn_blocking(move || write(&path, &places)).await;
            if let Ok(Err(error)) = written {
                tracing::debug!(%error, "where links are is not kept");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.roll.lock().places.remove(&self.number);
        self.roll.changed.notify_one();
    }
}

fn write(path: &Path, places: &[Place]) -> io::Result<()> {
    let text: String = places.iter().map(|place| format!("{place}\n")).collect();
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// The places in a file; none if there is no file, no line that is none.
fn read(path: &Path) -> Vec<Place> {
    let mut text = Vec::new();
    let limit = (PLACES_MAX * PLACE_LEN_MAX) as u64;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text));
    if let Err(error) = read {
        tracing::debug!(%error, "it is not known where links were");
    }
    let text = String::from_utf8_lossy(&text);
    text.lines().filter_map(|line| line.parse().ok()).take(PLACES_MAX).collect()
}

async fn hail(places: Vec<Place>, socket: Arc<dyn AsyncUdpSocket>) {
    let mut poller = socket.clone().create_io_poller();
    for pause in HAILS {
        sleep(pause).await;
        for some in places.chunks(HAILS_AT_ONCE) {
            // A socket just opened is not known to be writable.
            let _ = poll_fn(|context| poller.as_mut().poll_writable(context)).await;
            for &Place { client: destination, server: src_ip } in some {
                let (ecn, segment_size) = (None, None);
                let hail = Transmit { destination, ecn, contents: &HAIL, segment_size, src_ip };
                // A lost one, or a full buffer, is made up for by the next.
                let _ = socket.try_send(&hail);
            }
            sleep(HAIL_PAUSE).await;
        }
    }
}
