//! Settings for connecting to a server.

use std::time::Duration;

use crate::profile::address::ServerAddress;
use crate::quic::{DialSettings, Identity, KEEP_ALIVE, Lookup, Trust};

/// Time limit of one attempt to connect. The client makes several, and each costs the server a
/// handshake: a slow server or a long distance should not need a second one.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Builds the settings for connecting to a server. With `lasting` the connection is kept alive.
pub(crate) fn dial(
    server: &ServerAddress,
    trust: Trust,
    identity: Identity,
    lasting: bool,
) -> DialSettings {
    DialSettings {
        host: server.host.clone(),
        port: server.port,
        lookup: Lookup::default(),
        trust,
        identity,
        deadline: ATTEMPT,
        keep_alive: lasting.then_some(KEEP_ALIVE),
        // The server enforces its own limit; long bodies are not kept in memory here.
        body_len_max: u64::MAX,
    }
}
