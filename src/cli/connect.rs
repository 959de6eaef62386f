//! What all verbs that talk to a server need: a runtime and a way to dial.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::quic::{DialSettings, Identity, KEEP_ALIVE, Trust};

use super::address::Server;

/// How long one attempt to reach the server takes; the client makes several.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Longest body taken from a stream, in bytes, since what is read of it has to be kept until it is
/// sent. A file stays where it is, so it has only the server's limit, which is not known before.
pub(super) const STREAM_LEN_MAX: u64 = 1 << 30;

/// One thread: a client has one link, and starts in the fewest milliseconds so.
pub(super) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("no runtime")
}

/// One thread does everything, without a word between threads; more share the links, for machines
/// with cores to spare.
pub(super) fn server_runtime(threads: usize) -> Result<Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build().context("no runtime")
}

/// Threads for a server, unless it is told how many.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

/// How to reach a server; `lasting` for a link that is to stay.
pub(super) fn dial(
    server: &Server,
    trust: Trust,
    identity: Identity,
    lasting: bool,
) -> DialSettings {
    DialSettings {
        host: server.host.clone(),
        port: server.port,
        trust,
        identity,
        deadline: ATTEMPT,
        keep_alive: lasting.then_some(KEEP_ALIVE),
        // What the server takes, it may deliver: a long body is not kept in memory.
        body_len_max: u64::MAX,
    }
}
