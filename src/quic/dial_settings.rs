//! Settings of a client that connects to a server.

use std::time::Duration;

use super::identity::Identity;
use super::lookup::Lookup;
use crate::wire::Pin;

/// The key that a server must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The key with this pin.
    Pin(Pin),
    /// Any key, at first contact; [`Connection::pin`](super::Connection::pin) reports it.
    AnyAndReport,
}

/// The server to connect to, and the terms of the connection.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// Name or address of the server, an IPv6 address without brackets.
    pub host: String,
    /// The server's UDP port.
    pub port: u16,
    /// The lookup of the server's name.
    pub lookup: Lookup,
    /// The key that the server must prove.
    pub trust: Trust,
    /// The key to prove to the server.
    pub identity: Identity,
    /// Longest time from the lookup's end until the server's stream is there. The lookup may take
    /// as long before that, and goes on after it. A later dial begins with a new handshake, which
    /// costs the server another one.
    pub deadline: Duration,
    /// Interval between keep-alives of a connection that is to last, mostly
    /// [`KEEP_ALIVE`](super::KEEP_ALIVE). Such a connection also probes its path's MTU and has
    /// larger UDP buffers. Without a restart notice, a restart of the server is noticed this late.
    pub keep_alive: Option<Duration>,
    /// Longest body that the server may send, in bytes.
    pub body_len_max: u64,
}
