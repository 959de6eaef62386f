//! Addresses of sockets: the form they are compared in, and the ones to bind to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Turns an IPv4-mapped IPv6 address into the IPv4 address it stands for. A socket that serves
/// both families reports IPv4 peers in the mapped form (RFC 4291, section 2.5.5.2).
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The unspecified address of the peer's family, with port 0. Binding to it takes a free port.
pub(super) fn wildcard(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}

/// The local address that the system would send from to reach `server`. Connecting a UDP socket
/// looks up the route and sends nothing.
pub(super) fn source_ip(server: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(wildcard(server))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}
