//! What all verbs that talk to a server need: a runtime and a way to dial.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

use crate::quic::{DialSettings, Identity, Trust};

use super::address::Server;

/// How long one attempt to reach the server takes; the client makes several.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Longest body taken, in bytes: what the largest server may be set to.
pub(super) const BODY_LEN_MAX: u64 = 1 << 30;

/// One thread: a client has one link, and starts in the fewest milliseconds so.
pub(super) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("no runtime")
}

/// A thread a core.
pub(super) fn server_runtime() -> Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().context("no runtime")
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
        keep_alive: lasting,
        body_len_max: BODY_LEN_MAX,
    }
}
