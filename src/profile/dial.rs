//! How to reach a server.

use std::time::Duration;

use crate::profile::address::ServerAddress;
use crate::quic::{DialSettings, Identity, KEEP_ALIVE, Lookup, Trust};

/// How long one attempt to reach the server may take. The client makes several, and each costs the
/// server a handshake: who is patient is served by a slow one, or over a long way.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How to reach a server; `lasting` for a link that is to stay.
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
        // What the server takes, it may deliver: a long body is not kept in memory.
        body_len_max: u64::MAX,
    }
}
