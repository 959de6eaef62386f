//! The addresses of a server's clients, kept in a file for the server's next process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::AddrParseError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::AsyncUdpSocket;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::limits::{PATH_LINE_LEN_MAX, PATHS_MAX};
use super::restart_notice::{PeerPath, send_notices};

/// Longest time by which the file may lag behind. Most connections that only send are over before
/// they would get into it.
const WRITE_DELAY: Duration = Duration::from_secs(1);

/// The paths of a server's connections. The file is a hint: it is not synced, and may be missing,
/// out of date or damaged.
#[derive(Debug, Default)]
pub(super) struct PeerList {
    table: Mutex<PeerTable>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct PeerTable {
    next_number: u64,
    paths: BTreeMap<u64, PeerPath>,
}

/// One connection's entry in a peer list. Dropping it removes the entry.
#[derive(Debug)]
pub(super) struct PeerEntry {
    list: Arc<PeerList>,
    number: u64,
}

impl PeerList {
    /// Adds the path of a connection.
    pub(super) fn add(self: &Arc<Self>, connection: &quinn::Connection) -> PeerEntry {
        let client = connection.remote_address();
        let path = PeerPath { client, server: connection.local_ip() };
        let mut table = self.lock();
        let number = table.next_number;
        table.next_number += 1;
        table.paths.insert(number, path);
        drop(table);
        self.changed.notify_one();
        PeerEntry { list: Arc::clone(self), number }
    }

    /// Sends restart notices to the clients listed in the file, and from then on writes this list
    /// there. Never ends.
    pub(super) async fn notify_and_maintain(
        self: Arc<Self>,
        path: PathBuf,
        socket: Arc<dyn AsyncUdpSocket>,
    ) {
        let before = read_paths(&path);
        tokio::join!(send_notices(before, socket), self.maintain(&path));
    }

    async fn maintain(&self, path: &Path) {
        loop {
            self.changed.notified().await;
            sleep(WRITE_DELAY).await;
            let paths: Vec<_> = self.lock().paths.values().take(PATHS_MAX).copied().collect();
            let path = path.to_owned();
            let written = tokio::task::spawn_blocking(move || write_paths(&path, &paths)).await;
            if let Ok(Err(error)) = written {
                tracing::debug!(%error, "the list of clients was not written");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, PeerTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PeerEntry {
    fn drop(&mut self) {
        self.list.lock().paths.remove(&self.number);
        self.list.changed.notify_one();
    }
}

fn write_paths(file: &Path, paths: &[PeerPath]) -> io::Result<()> {
    let text: String = paths.iter().map(line).collect();
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(&new, file)
}

/// The paths listed in a file. A missing file lists none; lines that cannot be parsed are left
/// out.
fn read_paths(file: &Path) -> Vec<PeerPath> {
    let mut text = Vec::new();
    let len_max = (PATHS_MAX * PATH_LINE_LEN_MAX) as u64;
    let read = File::open(file).and_then(|file| file.take(len_max).read_to_end(&mut text));
    if let Err(error) = read {
        tracing::debug!(%error, "no list of the last process's clients");
    }
    let text = String::from_utf8_lossy(&text);
    text.lines().filter_map(|line| parse(line).ok()).take(PATHS_MAX).collect()
}

/// A line of the file: the client's address, and the server's if it is known.
fn line(path: &PeerPath) -> String {
    match path.server {
        Some(server) => format!("{} {server}\n", path.client),
        None => format!("{}\n", path.client),
    }
}

fn parse(line: &str) -> Result<PeerPath, AddrParseError> {
    let (client, server) = match line.split_once(' ') {
        Some((client, server)) => (client, Some(server.parse()?)),
        None => (line, None),
    };
    Ok(PeerPath { client: client.parse()?, server })
}
