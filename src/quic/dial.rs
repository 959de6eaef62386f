//! A client's way to a server: looking up its name and connecting to one of its addresses.

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::AsyncUdpSocket;
use tokio::time::timeout;

use super::address_race::connect_to_any;
use super::client_endpoint::SharedEndpoints;
use super::connection::Connection;
use super::dial_error::DialError;
use super::dial_settings::DialSettings;
use crate::wire::FromServer;

/// Connects to a server. Tries the addresses of its name, each a moment after the one before, and
/// takes the first where the right server answers. Each address has one handshake at a time. While
/// some addresses are silent, those that failed are tried again and the name is looked up again.
/// Must be called inside a tokio runtime.
///
/// Addresses and `localhost` are not looked up, so no resolver thread is started for them.
pub async fn dial(settings: &DialSettings) -> Result<Connection<FromServer>, DialError> {
    dial_with(settings, None).await
}

/// A client whose connections share a UDP socket of each family. A socket of its own costs a
/// connection two descriptors and, once it has received a burst, 3 MB.
///
/// Such connections do not learn from the network that nothing listens: they wait out their
/// deadlines. Clones share the sockets, which stay open until the last connection is gone.
#[derive(Clone, Debug)]
pub struct Dialer(SharedEndpoints);

impl Dialer {
    /// Opens the sockets; a machine may have one family only. Must be called inside a tokio
    /// runtime, as `dial` must.
    pub fn new() -> Result<Self, DialError> {
        SharedEndpoints::open().map(Self)
    }

    /// Uses an open socket, for addresses of its family. Must be called inside a tokio runtime.
    pub fn with_socket(socket: Arc<dyn AsyncUdpSocket>) -> Result<Self, DialError> {
        SharedEndpoints::with_socket(socket).map(Self)
    }

    /// Connects to a server as [`dial()`] does.
    pub async fn dial(&self, settings: &DialSettings) -> Result<Connection<FromServer>, DialError> {
        dial_with(settings, Some(self.0.clone())).await
    }
}

async fn dial_with(
    settings: &DialSettings,
    endpoints: Option<SharedEndpoints>,
) -> Result<Connection<FromServer>, DialError> {
    let addresses = resolve(settings).await?;
    let connecting = connect_to_any(settings, addresses, endpoints);
    match timeout(settings.deadline, connecting).await {
        Ok(result) => result,
        Err(_) => Err(DialError::timed_out(settings)),
    }
}

async fn resolve(settings: &DialSettings) -> Result<Vec<SocketAddr>, DialError> {
    let DialSettings { host, port, lookup, deadline, .. } = settings;
    match timeout(*deadline, lookup.addresses(host, *port)).await {
        Ok(found) => found.map_err(|source| DialError::Resolve { host: host.clone(), source }),
        Err(_) => Err(DialError::timed_out(settings)),
    }
}
