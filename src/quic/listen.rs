//! A server's UDP port, on which clients connect.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quinn::{
    AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, ServerConfig, TokioRuntime,
    ValidationTokenConfig, VarInt,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection_ids::ConnectionIds;
use super::identity::Identity;
use super::incoming::{IncomingConnection, ServerHandshakes};
use super::limits::{
    HALF_OPEN_MAX, RESET_INTERVAL_MIN, RETRIED_MAX, RETRY_ABOVE, WAITING_BYTES_MAX,
    WAITING_BYTES_TOTAL_MAX, WAITING_MAX,
};
use super::peer_list::PeerList;
use super::secrets::Secrets;
use super::tls;
use super::transport::{self, Role, UdpBuffers};
use crate::wire::CloseCode;

/// Longest time for a client to come back with the proof of its address, over the slowest path.
const RETRY_LIFETIME: Duration = Duration::from_secs(60);
/// Longest wait of a closing listener until its connections have sent their closes.
const CLOSE_FLUSH: Duration = Duration::from_millis(50);

/// Settings of a server's port.
pub struct ServerSettings {
    /// The address of the socket, if it is to be opened; port 0 takes a free one.
    pub address: SocketAddr,
    /// The key to prove to clients.
    pub identity: Identity,
    /// The keys by which connections of the last process are recognised.
    pub secrets: Secrets,
    /// Longest body that a client may send, in bytes.
    pub body_len_max: u64,
    /// Longest time for a handshake, usually [`HANDSHAKE_DEADLINE`](super::HANDSHAKE_DEADLINE).
    pub handshake_deadline: Duration,
    /// A file that lists the addresses of clients, so that the next process can send them restart
    /// notices.
    pub peer_list: Option<PathBuf>,
}

/// The reason why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be used.
    #[error("cannot listen on {address}")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: io::Error,
    },
    /// The key or the TLS library cannot be used.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A UDP port on which clients can connect.
pub struct Listener {
    endpoint: Endpoint,
    local: SocketAddr,
    buffers: Option<UdpBuffers>,
    handshakes: ServerHandshakes,
    retried: Mutex<RetriedAddresses>,
    /// Maintains the file of the peer list; ends with the listener.
    _maintaining: JoinSet<()>,
}

impl Listener {
    /// Opens the port. Must be called inside a tokio runtime.
    pub fn bind(settings: &ServerSettings) -> Result<Self, BindError> {
        let in_use = |source| BindError::Socket { address: settings.address, source };
        let (socket, buffers) =
            transport::open_udp(Role::Server.udp_buffer(), settings.address).map_err(in_use)?;
        let socket = TokioRuntime.wrap_udp_socket(socket).map_err(in_use)?;
        Ok(Self { buffers: Some(buffers), ..Self::with_socket(socket, settings)? })
    }

    /// Listens on an open socket. Must be called inside a tokio runtime.
    pub fn with_socket(
        socket: Arc<dyn AsyncUdpSocket>,
        settings: &ServerSettings,
    ) -> Result<Self, BindError> {
        let config = server_config(&settings.identity)?;
        let in_use = |source| BindError::Socket { address: settings.address, source };
        let local = socket.local_addr().map_err(in_use)?;
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(&settings.secrets),
            Some(config),
            socket.clone(),
            Arc::new(TokioRuntime),
        )
        .map_err(in_use)?;
        let mut maintaining = JoinSet::new();
        let peer_list = settings.peer_list.clone().map(|path| {
            let list = Arc::<PeerList>::default();
            maintaining.spawn(Arc::clone(&list).notify_and_maintain(path, socket));
            list
        });
        let deadline = settings.handshake_deadline;
        Ok(Self {
            endpoint,
            local,
            buffers: None,
            handshakes: ServerHandshakes::new(settings.body_len_max, deadline, peer_list),
            retried: Mutex::default(),
            _maintaining: maintaining,
        })
    }

    /// The address it listens on, with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The UDP buffers that the kernel granted; `None` on a socket that was open before.
    pub fn buffers(&self) -> Option<UdpBuffers> {
        self.buffers
    }

    /// Waits for the next client, but not for its handshake. Returns `None` once closed.
    pub async fn accept(&self) -> Option<IncomingConnection> {
        loop {
            let inner = self.endpoint.accept().await?;
            let under_way = self.handshakes.count();
            if under_way >= HALF_OPEN_MAX {
                inner.refuse();
            } else if !inner.remote_address_validated() && self.must_retry(under_way, &inner) {
                // Cannot fail for an address that is not validated.
                let _ = inner.retry();
            } else {
                return Some(self.handshakes.begin(inner));
            }
        }
    }

    /// Tells whether a client must prove its address first. A client that was asked to before
    /// always must: this packet left before the request arrived, and the client would not
    /// recognise a handshake that answers it.
    fn must_retry(&self, under_way: usize, incoming: &quinn::Incoming) -> bool {
        let mut retried = self.retried.lock().unwrap_or_else(PoisonError::into_inner);
        let address = incoming.remote_address();
        let retries = under_way >= RETRY_ABOVE || retried.contains(&address);
        if retries {
            retried.insert(address);
        }
        retries
    }

    /// Closes the remaining connections with [`CloseCode::Stopping`] and accepts no more. Those
    /// still running end with `ConnectionEnd::ClosedHere`. Returns within a moment, even if frames
    /// are still queued: close the connections first to have them sent.
    pub async fn close(&self) {
        self.endpoint.close(VarInt::from_u32(CloseCode::Stopping.number()), b"");
        // Connections become idle only three probe timeouts later. This wait is for each of them
        // to get its turn to send.
        let _ = timeout(CLOSE_FLUSH, self.endpoint.wait_idle()).await;
    }
}

/// The last `RETRIED_MAX` addresses of clients that were asked to prove theirs.
#[derive(Default)]
struct RetriedAddresses {
    known: BTreeSet<SocketAddr>,
    order: VecDeque<SocketAddr>,
}

impl RetriedAddresses {
    fn contains(&self, address: &SocketAddr) -> bool {
        self.known.contains(address)
    }

    fn insert(&mut self, address: SocketAddr) {
        if self.known.insert(address) {
            self.order.push_back(address);
            if self.order.len() > RETRIED_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}

fn endpoint_config(secrets: &Secrets) -> EndpointConfig {
    let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secrets.reset_key());
    let mut config = EndpointConfig::new(Arc::new(reset));
    let key = secrets.connection_id_key();
    // quinn drops packets whose connection id fails this key's check before it considers a reset,
    // so the reset key works only together with this one.
    config.cid_generator(move || Box::new(ConnectionIds::new(key)));
    config.min_reset_interval(RESET_INTERVAL_MIN);
    transport::only_version_1(config)
}

fn server_config(identity: &Identity) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::with_crypto(Arc::new(tls::server(identity)?));
    let mut tokens = ValidationTokenConfig::default();
    tokens.sent(0);
    config
        .transport_config(Arc::new(transport::transport(Role::Server)))
        .validation_token_config(tokens)
        .retry_token_lifetime(RETRY_LIFETIME)
        // A client's address may change: it joins another network, or a router forgets a mapping.
        .migration(true)
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(WAITING_BYTES_MAX)
        .incoming_buffer_size_total(WAITING_BYTES_TOTAL_MAX);
    Ok(config)
}
