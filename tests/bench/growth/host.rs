//! A server of our own, and what it uses.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use qmsg::durable::Quotas;

use crate::client;
use crate::filling::Filling;
use crate::kit::{Home, Server};

/// A run is to end by its own measure, not by a limit for users.
const LIMITS: &[&str] = &[
    "--max-mailbox=1000000000",
    "--max-mailbox-bytes=1TiB",
    "--max-links=1000000",
    "--max-users=10000000",
];

/// A directory for one server after the other.
pub(crate) struct Place(Home);

/// A server that runs. Dropped, it is killed.
pub(crate) struct Host {
    server: Server,
    key: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(Home::new())
    }

    /// Its store, while there is no server.
    pub(crate) fn store(&self) -> Filling {
        let (log_messages_max, log_bytes_max) = (u64::MAX, u64::MAX);
        let users_max = 10_000_000;
        let quotas = Quotas { log_messages_max, log_bytes_max, users_max, ..Quotas::default() };
        Filling::open(&self.0.data(), quotas)
    }

    /// Bytes of the file that holds what is stored, while there is no server.
    pub(crate) fn store_bytes(&self) -> u64 {
        fs::metadata(self.0.data().join("store.db")).map_or(0, |file| file.len())
    }

    /// The key that all ids of clients belong to.
    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Starts a server, and waits until it can be reached.
    pub(crate) fn serve(&self) -> Host {
        Host { server: self.0.serve(LIMITS), key: self.key() }
    }
}

impl Host {
    /// The way there, with a socket that all its clients share.
    pub(crate) fn clients(&self) -> client::Server {
        client::Server::new(&self.server.address, &self.key).unwrap()
    }

    /// Time of the processors that its threads have used.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = fs::read_dir(self.file("task")).unwrap();
        let nanoseconds = threads.map(|thread| {
            // A thread that has just ended has no file any more.
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.flatten().sum())
    }

    /// Memory that it has in RAM.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// The most that it ever had.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// Ends it in order.
    pub(crate) fn stop(self) {
        self.server.stop("TERM");
    }

    fn status_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(self.file("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.server.child.id())
    }
}
