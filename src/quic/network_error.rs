//! Errors of the operating system that say why a server cannot be reached.

use std::fmt;
use std::io::{self, ErrorKind};

/// Error numbers without a kind in std: `EMSGSIZE`, a datagram that is too long, and `EHOSTDOWN`, a
/// host that does not answer on the local network. Linux has numbers of its own, other systems
/// those of BSD.
const MESSAGE_SIZE: i32 = if cfg!(target_os = "linux") { 90 } else { 40 };
const HOST_DOWN: i32 = if cfg!(target_os = "linux") { 112 } else { 64 };

/// The reason why packets cannot leave or do not arrive. Of two errors the lesser says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NetworkError {
    /// A packet of the size that QUIC needs does not fit.
    PacketTooLarge,
    /// A rule of this machine, or of a router, forbids it.
    Forbidden,
    /// The server's network is reachable, but no host there has its address.
    HostUnreachable,
    /// No address of this machine is of the server's family.
    NoLocalAddress,
    /// There is no route to the server's network, or no network at all.
    NetworkUnreachable,
}

impl NetworkError {
    /// The meaning of a UDP socket's error; `None` if it says nothing of the network.
    pub(super) fn from_io(error: &io::Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
                Some(Self::NetworkUnreachable)
            }
            ErrorKind::HostUnreachable => Some(Self::HostUnreachable),
            ErrorKind::AddrNotAvailable => Some(Self::NoLocalAddress),
            ErrorKind::PermissionDenied => Some(Self::Forbidden),
            _ => match error.raw_os_error()? {
                MESSAGE_SIZE => Some(Self::PacketTooLarge),
                HOST_DOWN => Some(Self::HostUnreachable),
                _ => None,
            },
        }
    }

    /// The reason in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::PacketTooLarge => "the network does not carry packets of 1,200 bytes",
            Self::Forbidden => "a firewall forbids it",
            Self::HostUnreachable => "the host is unreachable",
            Self::NoLocalAddress => "this machine has no address to reach it from",
            Self::NetworkUnreachable => "the network is unreachable",
        }
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
