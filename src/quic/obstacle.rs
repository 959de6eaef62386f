//! What can stand between this machine and a server, as the operating system tells it.

use std::fmt;
use std::io::{self, ErrorKind};

/// Errors without a kind of std's: a datagram that is too long, a host that does not answer its
/// link. Linux has numbers of its own, other systems those of BSD.
const MESSAGE_SIZE: i32 = if cfg!(target_os = "linux") { 90 } else { 40 };
const HOST_DOWN: i32 = if cfg!(target_os = "linux") { 112 } else { 64 };

/// What keeps packets from leaving, or from arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// A packet of the size that QUIC needs does not fit.
    SmallPackets,
    /// A rule of this machine, or of a router, forbids it.
    Forbidden,
    /// There is a way to the server's network, and nobody there has its address.
    NoHost,
    /// This machine has no address of the server's family.
    NoAddress,
    /// There is no way to the server's network, or there is no network at all.
    NoNetwork,
}

impl Obstacle {
    /// What an error of a UDP socket says of the way, if it says something of that.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        match error.kind() {
            ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Some(Self::NoNetwork),
            ErrorKind::HostUnreachable => Some(Self::NoHost),
            ErrorKind::AddrNotAvailable => Some(Self::NoAddress),
            ErrorKind::PermissionDenied => Some(Self::Forbidden),
            _ => match error.raw_os_error()? {
                MESSAGE_SIZE => Some(Self::SmallPackets),
                HOST_DOWN => Some(Self::NoHost),
                _ => None,
            },
        }
    }

    /// The same in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::SmallPackets => "the network does not carry packets of 1,200 bytes",
            Self::Forbidden => "a firewall forbids it",
            Self::NoHost => "the host is unreachable",
            Self::NoAddress => "this machine has no address to reach it from",
            Self::NoNetwork => "the network is unreachable",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
