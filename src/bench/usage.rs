//! Resources that a process uses, as Linux tells them; elsewhere they are not known.

use std::fs;
use std::time::{Duration, Instant};

use crate::bench::host::Host;
use crate::clock;

/// Time of the processors that the threads of a process have used.
fn cpu(process: &str) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let nanoseconds = threads.map(|thread| {
        // A thread that has just ended has no file any more.
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanoseconds.sum::<Option<u64>>()?))
}

/// Memory that a process has in RAM.
fn resident_kib(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A reading of the time and memory used so far. Nothing is known of a server that was not started
/// here.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    at: Instant,
    server_cpu: Option<Duration>,
    client_cpu: Option<Duration>,
    server_kib: Option<u64>,
    client_kib: Option<u64>,
}

/// Resources used between two readings.
pub(crate) struct Spent {
    pub(crate) time: Duration,
    pub(crate) server_cpu: Option<Duration>,
    pub(crate) client_cpu: Option<Duration>,
    /// At the end.
    pub(crate) server_kib: Option<u64>,
    /// At the end.
    pub(crate) client_kib: Option<u64>,
}

impl Usage {
    pub(crate) fn read(host: &Host) -> Self {
        let server = host.process().map(|id| id.to_string());
        let server = server.as_deref();
        Self {
            server_cpu: server.and_then(cpu),
            server_kib: server.and_then(resident_kib),
            client_cpu: cpu("self"),
            client_kib: resident_kib("self"),
            at: clock::moment(),
        }
    }

    /// Resources used since this reading.
    pub(crate) fn spent(&self, host: &Host) -> Spent {
        let time = clock::since(self.at);
        let end = Self::read(host);
        let used = |from: Option<Duration>, to: Option<Duration>| Some(to?.saturating_sub(from?));
        Spent {
            time,
            server_cpu: used(self.server_cpu, end.server_cpu),
            client_cpu: used(self.client_cpu, end.client_cpu),
            server_kib: end.server_kib,
            client_kib: end.client_kib,
        }
    }

    /// Memory of a server of our own, in KiB.
    pub(crate) fn server_kib(&self) -> Option<u64> {
        self.server_kib
    }

    /// Memory of this process, in KiB.
    pub(crate) fn client_kib(&self) -> Option<u64> {
        self.client_kib
    }

    /// The moment of the reading.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }
}
