//! A probe that learns from the network whether anybody listens on a server's port.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::address::wildcard;
use super::dial_error::DialError;
use super::network_error::NetworkError;

/// Interval between probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The content of a probe. A QUIC packet has the second bit of its first byte set (RFC 9000,
/// section 17), so a server drops this.
const PROBE: [u8; 1] = [0];

/// A UDP socket connected to a server's address. The system reports ICMP errors, which routers and
/// hosts send for packets that did not arrive, to connected sockets only.
pub(super) struct PortProbe(std::net::UdpSocket);

impl PortProbe {
    /// Sends the first probe. Fails at once for a closed port of this machine.
    pub(super) fn new(address: SocketAddr) -> Result<Self, DialError> {
        let probe = || {
            let socket = std::net::UdpSocket::bind(wildcard(address))?;
            socket.set_nonblocking(true)?;
            socket.connect(address)?;
            socket.send(&PROBE)?;
            match socket.recv(&mut [0]) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                _ => Ok(Self(socket)),
            }
        };
        probe().map_err(|error| meaning(&error).unwrap_or_else(|| DialError::other(error)))
    }

    /// Probes until the network says that nobody listens, or that the server cannot be reached.
    pub(super) async fn port_failed(self) -> DialError {
        let Ok(socket) = UdpSocket::from_std(self.0) else { return pending().await };
        loop {
            let error = match timeout(PROBE_INTERVAL, socket.recv(&mut [0])).await {
                Ok(Err(error)) => error,
                Ok(Ok(_)) => continue,
                Err(_) => match socket.send(&PROBE).await {
                    Ok(_) => continue,
                    Err(error) => error,
                },
            };
            if let Some(meaning) = meaning(&error) {
                return meaning;
            }
        }
    }
}

fn meaning(error: &io::Error) -> Option<DialError> {
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(DialError::NoAnswer { refused: true }),
        _ => NetworkError::from_io(error).map(DialError::Unreachable),
    }
}
