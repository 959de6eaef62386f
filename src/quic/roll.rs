//! Where a server's links are, kept in a file for the next process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::hail::HAIL;

/// How long the file may be behind. Most links of senders are over before they get in.
const DELAY: Duration = Duration::from_secs(1);
/// Links that are kept; the others notice a new process later.
const ADDRESSES_MAX: usize = 65_536;
/// "[", an IPv6 address, "]:", a port, a newline.
const ADDRESS_LEN_MAX: usize = 64;
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
    addresses: BTreeMap<u64, SocketAddr>,
}

/// A link's place on a roll, until it is dropped.
#[derive(Debug)]
pub(super) struct Entry {
    roll: Arc<Roll>,
    number: u64,
}

impl Roll {
    pub(super) fn enter(self: &Arc<Self>, address: SocketAddr) -> Entry {
        let mut entries = self.lock();
        let number = entries.next;
        entries.next += 1;
        entries.addresses.insert(number, address);
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
            let addresses: Vec<_> =
                self.lock().addresses.values().take(ADDRESSES_MAX).copied().collect();
            let path = path.to_owned();
            let written = tokio::task::spawn_blocking(move || write(&path, &addresses)).await;
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
        self.roll.lock().addresses.remove(&self.number);
        self.roll.changed.notify_one();
    }
}

fn write(path: &Path, addresses: &[SocketAddr]) -> io::Result<()> {
    let text: String = addresses.iter().map(|address| format!("{address}\n")).collect();
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

/// The addresses in a file; none if there is no file, no line that is none.
fn read(path: &Path) -> Vec<SocketAddr> {
    let mut text = Vec::new();
    let limit = (ADDRESSES_MAX * ADDRESS_LEN_MAX) as u64;
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text));
    if let Err(error) = read {
        tracing::debug!(%error, "it is not known where links were");
    }
    let text = String::from_utf8_lossy(&text);
    text.lines().filter_map(|line| line.parse().ok()).take(ADDRESSES_MAX).collect()
}

async fn hail(addresses: Vec<SocketAddr>, socket: Arc<dyn AsyncUdpSocket>) {
    let mut poller = socket.clone().create_io_poller();
    for pause in HAILS {
        sleep(pause).await;
        for some in addresses.chunks(HAILS_AT_ONCE) {
            // A socket just opened is not known to be writable.
            let _ = poll_fn(|context| poller.as_mut().poll_writable(context)).await;
            for &destination in some {
                let (ecn, segment_size, src_ip) = (None, None, None);
                let hail = Transmit { destination, ecn, contents: &HAIL, segment_size, src_ip };
                // A lost one, or a full buffer, is made up for by the next.
                let _ = socket.try_send(&hail);
            }
            sleep(HAIL_PAUSE).await;
        }
    }
}
