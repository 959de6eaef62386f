//! A server in a process of its own, and the resources that it uses.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use qmsg::durable::Quotas;

use crate::client;
use crate::filling::Filling;
use crate::kit::{Home, Server};

/// Limits that never stop a run: a run ends by its own measure.
const LIMITS: &[&str] = &[
    "--max-mailbox=1000000000",
    "--max-mailbox-bytes=1TiB",
    "--max-links=1000000",
    "--max-users=10000000",
];

/// Data directory that several servers use in turn.
pub(crate) struct Place(Home);

/// A running server, killed on drop.
pub(crate) struct Host {
    server: Server,
    key: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(Home::new())
    }

    /// Opens the store. No server may be running on it.
    pub(crate) fn store(&self) -> Filling {
        let (log_messages_max, log_bytes_max) = (u64::MAX, u64::MAX);
        let users_max = 10_000_000;
        let quotas = Quotas { log_messages_max, log_bytes_max, users_max, ..Quotas::default() };
        Filling::open(&self.0.data(), quotas)
    }

    /// Size of the store's file in bytes. No server may be running on it.
    pub(crate) fn store_bytes(&self) -> u64 {
        fs::metadata(self.0.data().join("store.db")).map_or(0, |file| file.len())
    }

    /// Private key that all client ids belong to.
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
    /// Address of the server, with one socket that all clients share.
    pub(crate) fn clients(&self) -> client::Server {
        client::Server::new(&self.server.address, &self.key).unwrap()
    }

    /// CPU time that the server's threads have used.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = fs::read_dir(self.file("task")).unwrap();
        let nanoseconds = threads.map(|thread| {
            // The file of a thread that has just ended is gone.
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.flatten().sum())
    }

    /// Resident memory of the server.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Most resident memory that the server ever had.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// Stops the server with SIGTERM.
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
