//! QUIC endpoints of clients.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime};

use super::dial_error::DialError;
use super::transport::{self, SHARED_UDP_BUFFER};

/// An endpoint that connects to servers, on this socket.
pub(super) fn client_endpoint(socket: Arc<dyn AsyncUdpSocket>) -> Result<Endpoint, DialError> {
    let config = transport::only_version_1(EndpointConfig::default());
    let runtime = Arc::new(TokioRuntime);
    Endpoint::new_with_abstract_socket(config, None, socket, runtime).map_err(DialError::other)
}

/// One endpoint for each address family, shared by many connections. The sockets stay open until
/// the last clone and the last connection are gone.
#[derive(Clone, Debug)]
pub(super) struct SharedEndpoints {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl SharedEndpoints {
    /// Opens a socket for each family that this machine has; fails if it has none.
    pub(super) fn open() -> Result<Self, DialError> {
        let open = |ip| {
            let socket = transport::open_udp(Some(SHARED_UDP_BUFFER), SocketAddr::new(ip, 0));
            let socket = socket.and_then(|(socket, _)| TokioRuntime.wrap_udp_socket(socket));
            client_endpoint(socket.map_err(DialError::other)?)
        };
        let v6 = open(Ipv6Addr::UNSPECIFIED.into()).ok();
        match open(Ipv4Addr::UNSPECIFIED.into()) {
            Ok(v4) => Ok(Self { v4: Some(v4), v6 }),
            Err(_) if v6.is_some() => Ok(Self { v4: None, v6 }),
            Err(error) => Err(error),
        }
    }

    /// Uses an open socket, for addresses of its family only.
    pub(super) fn with_socket(socket: Arc<dyn AsyncUdpSocket>) -> Result<Self, DialError> {
        let is_v4 = socket.local_addr().map_err(DialError::other)?.is_ipv4();
        let endpoint = Some(client_endpoint(socket)?);
        Ok(if is_v4 { Self { v4: endpoint, v6: None } } else { Self { v4: None, v6: endpoint } })
    }

    /// The endpoint of the peer's family. Fails if this machine has none.
    pub(super) fn for_peer(&self, peer: SocketAddr) -> Result<Endpoint, DialError> {
        let endpoint = if peer.is_ipv4() { &self.v4 } else { &self.v6 };
        endpoint.clone().ok_or_else(|| DialError::other(io::Error::from(ErrorKind::Unsupported)))
    }
}
