//! The server's end: one UDP port that links come in by.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use quinn::{
    AsyncUdpSocket, Connection, ConnectionError, Endpoint, EndpointConfig, Runtime, ServerConfig,
    TokioRuntime, ValidationTokenConfig, VarInt,
};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::identity::Identity;
use super::ids::Ids;
use super::link::{self, Link, Side};
use super::roll::{Place, Roll};
use super::secrets::Secrets;
use super::tls;
use super::transport::{self, Role, UdpBuffers};
use crate::wire::{CloseCode, FromClient};

/// How long a handshake may take: a round trip of 10 s, and one loss. quinn has no such limit of
/// its own. A client is not dropped for being slow, which would make it begin again and add to the
/// load: what bounds handshakes is their number.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// Parts of the deadline, each counted from the end of the one before: while this process does not
/// get to run, what clients have said lies unread, and none of them is late.
const SLICES: u32 = 40;
/// Of these, what a client has while there are so many handshakes that others may be refused.
const SLICES_CROWDED: u32 = 4;
/// Round trips that a client has for its first word after the handshake before it counts as silent.
const TRIPS: u32 = 3;
/// Handshakes under way above which a client must first show that it receives at its address
/// (RFC 9000, section 8.1.2): one round trip more, but no work for forged addresses.
pub const RETRY_ABOVE: usize = 256;
/// Handshakes under way above which further clients are refused.
pub const HALF_OPEN_MAX: usize = 4096;

/// Handshakes under way above which each has less time, so that those of ill will do not take all
/// places for long.
const CROWDED_ABOVE: usize = HALF_OPEN_MAX / 4 * 3;

/// Clients that wait to be accepted; the rest of a burst is dropped by quinn, and comes again.
const WAITING_MAX: usize = 4096;
/// Datagrams kept for a client that waits. Without early data it can send its first flight only.
const WAITING_BYTES_MAX: u64 = 64 << 10;
const WAITING_BYTES_TOTAL_MAX: u64 = 16 << 20;
/// Clients told to prove their address that are remembered.
const RETRIED_MAX: usize = 4096;
/// How long a client may take to come back with the proof of its address, over the slowest path.
const RETRY_LIFETIME: Duration = Duration::from_secs(60);
/// Clients of a restarted server all show themselves at once, when they are hailed, and each waits
/// for its reset. quinn measures intervals from one turn of its receiver to the next: any but none
/// would leave all but one of those without theirs that come in together. A reset is shorter than
/// what it answers, and is given only for connection ids that carry our key.
const RESET_INTERVAL_MIN: Duration = Duration::ZERO;
/// How long a closing listener lets its connections send that they close.
const CLOSE_FLUSH: Duration = Duration::from_millis(50);

const _: () = assert!(RETRY_ABOVE < CROWDED_ABOVE && CROWDED_ABOVE < HALF_OPEN_MAX);

/// What a server listens with.
pub struct ServerSettings {
    /// Where, if the socket is to be opened; port 0 takes a free one.
    pub address: SocketAddr,
    /// The key it shows.
    pub identity: Identity,
    /// What it recognises the connections of its last process by.
    pub secrets: Secrets,
    /// Longest body that a client may send, in bytes.
    pub body_len_max: u64,
    /// Usually [`HANDSHAKE_DEADLINE`].
    pub handshake_deadline: Duration,
    /// A file of its own, in which it leaves to its next process where its links are, so that that
    /// one can tell them that there was a restart.
    pub links: Option<PathBuf>,
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be used.
    #[error("cannot listen on {address}")]
    Socket {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The key or the TLS library cannot be used.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// Why a client that knocked did not become a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The handshake did not end in time.
    #[error("no handshake in time")]
    TooSlow,
    /// The connection ended before the client had proven a key.
    #[error("the handshake failed")]
    Failed(#[from] ConnectionError),
    /// The handshake ended without a key, which TLS was told not to allow.
    #[error("no key")]
    NoKey,
}

/// A UDP port that clients can link to.
pub struct Listener {
    endpoint: Endpoint,
    local: SocketAddr,
    buffers: Option<UdpBuffers>,
    body_len_max: u64,
    deadline: Duration,
    /// Each handshake under way holds a clone; their number is the count.
    half_open: Arc<()>,
    retried: Mutex<Retried>,
    roll: Option<Arc<Roll>>,
    /// Keeps the roll.
    _keeping: JoinSet<()>,
}

impl Listener {
    /// Opens the port. Must be called inside a tokio runtime.
    pub fn bind(settings: &ServerSettings) -> Result<Self, BindError> {
        let in_use = |source| BindError::Socket { address: settings.address, source };
        let (socket, buffers) =
            transport::udp(Role::Server.udp_buffer(), settings.address).map_err(in_use)?;
        let socket = TokioRuntime.wrap_udp_socket(socket).map_err(in_use)?;
        Ok(Self { buffers: Some(buffers), ..Self::on(socket, settings)? })
    }

    /// Listens on a socket that is there. Must be called inside a tokio runtime.
    pub fn on(
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
        let mut keeping = JoinSet::new();
        let roll = settings.links.clone().map(|path| {
            let roll = Arc::<Roll>::default();
            keeping.spawn(Arc::clone(&roll).keep(path, socket));
            roll
        });
        Ok(Self {
            endpoint,
            local,
            buffers: None,
            body_len_max: settings.body_len_max,
            deadline: settings.handshake_deadline,
            half_open: Arc::new(()),
            retried: Mutex::default(),
            roll,
            _keeping: keeping,
        })
    }

    /// Where it listens, with the port that was chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What the kernel gave of the UDP buffers that were asked for; `None` on a socket that was
    /// there.
    pub fn buffers(&self) -> Option<UdpBuffers> {
        self.buffers
    }

    /// The next client that knocks; never waits for a handshake. `None` once closed.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            let inner = self.endpoint.accept().await?;
            let half_open = Arc::strong_count(&self.half_open) - 1;
            if half_open >= HALF_OPEN_MAX {
                inner.refuse();
            } else if !inner.remote_address_validated() && self.retries(half_open, &inner) {
                // Cannot fail for an address that is not validated.
                let _ = inner.retry();
            } else {
                return Some(Incoming {
                    inner,
                    body_len_max: self.body_len_max,
                    deadline: self.deadline,
                    roll: self.roll.clone(),
                    half_open: Arc::clone(&self.half_open),
                });
            }
        }
    }

    /// Whether a client is to prove its address first. Of one that was told so before these are
    /// packets that it had sent already: it would not know a handshake that answers them.
    fn retries(&self, half_open: usize, incoming: &quinn::Incoming) -> bool {
        let mut retried = self.retried.lock().unwrap_or_else(PoisonError::into_inner);
        let address = incoming.remote_address();
        let retries = half_open >= RETRY_ABOVE || retried.known.contains(&address);
        if retries && retried.known.insert(address) {
            retried.order.push_back(address);
            if retried.order.len() > RETRIED_MAX
                && let Some(oldest) = retried.order.pop_front()
            {
                retried.known.remove(&oldest);
            }
        }
        retries
    }

    /// Ends what is left with [`CloseCode::Stopping`], lets that be sent, and takes no more. Links
    /// still running end with `End::Ours`. Never takes longer than a moment, so it does not prove
    /// that frames still queued have left: close the links first.
    pub async fn close(&self) {
        self.endpoint.close(VarInt::from_u32(CloseCode::Stopping.number()), b"");
        // All connections are idle only three probe timeouts later; what matters is that each had
        // its turn to send.
        let _ = timeout(CLOSE_FLUSH, self.endpoint.wait_idle()).await;
    }
}

/// The addresses that were told last to prove that they are theirs.
#[derive(Default)]
struct Retried {
    known: BTreeSet<SocketAddr>,
    order: VecDeque<SocketAddr>,
}

/// A client that has knocked. Dropped, it is refused.
pub struct Incoming {
    inner: quinn::Incoming,
    body_len_max: u64,
    deadline: Duration,
    roll: Option<Arc<Roll>>,
    half_open: Arc<()>,
}

impl Incoming {
    /// Where it says it is.
    pub fn remote(&self) -> SocketAddr {
        link::canonical(self.inner.remote_address())
    }

    /// Turns it away without a handshake; the client sees [`CloseCode::Busy`].
    pub fn refuse(self) {
        self.inner.refuse();
    }

    /// Carries out the handshake. `greeting`, encoded frames, leaves with the server's half of it,
    /// to a client that is not authenticated yet.
    pub async fn establish(self, greeting: Bytes) -> Result<Link<FromClient>, LinkError> {
        let late = late(self.deadline, &self.half_open);
        let mut connecting = self.inner.accept()?;
        let mut begun = None;
        let handshake = async {
            // A post-quantum hello is two packets. Only behind the second are the client's
            // parameters known, and quinn does not wake who waited for a stream before that.
            connecting.handshake_data().await?;
            let Ok((connection, done)) = connecting.into_0rtt() else {
                return Err(LinkError::NoKey);
            };
            let connection = begun.insert(connection);
            let (mut send, recv) = connection.open_bi().await?;
            // Fails only with the connection, and then `close_reason` knows better.
            let _ = send.write_chunk(greeting).await;
            // Also resolves when the handshake fails.
            done.await;
            connection.close_reason().map_or(Ok((send, recv)), |reason| Err(reason.into()))
        };
        let streams = tokio::select! {
            biased;
            streams = handshake => Some(streams),
            () = late => None,
        };
        let Some(connection) = begun else {
            return Err(streams.and_then(Result::err).unwrap_or(LinkError::TooSlow));
        };
        let Some(streams) = streams else {
            close(&connection, CloseCode::TooSlow);
            return Err(LinkError::TooSlow);
        };
        let (send, mut recv) = streams?;
        // Its first word follows at once, and may be lost. Who is to hear it does not know the way.
        let trips = connection.rtt() * TRIPS;
        let first = timeout(trips.min(self.deadline), recv.read_chunk(usize::MAX, true)).await;
        let pin = tls::peer_pin(&connection).ok_or(LinkError::NoKey)?;
        let entry = self.roll.map(|roll| roll.enter(Place::of(&connection)));
        let side = Side { _entry: entry, ..Side::default() };
        let link = Link::new(connection, (send, recv), pin, self.body_len_max, side);
        Ok(match first {
            Ok(Ok(Some(chunk))) => link.begun_with(&chunk.bytes),
            // The link finds out.
            _ => link,
        })
    }
}

/// Resolves when a handshake has had its time.
async fn late(deadline: Duration, half_open: &Arc<()>) {
    for slice in 1..=SLICES {
        sleep(deadline / SLICES).await;
        if slice >= SLICES_CROWDED && Arc::strong_count(half_open) - 1 > CROWDED_ABOVE {
            return;
        }
    }
}

fn close(connection: &Connection, code: CloseCode) {
    connection.close(VarInt::from_u32(code.number()), b"");
}

fn endpoint_config(secrets: &Secrets) -> EndpointConfig {
    let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secrets.reset_key());
    let mut config = EndpointConfig::new(Arc::new(reset));
    let key = secrets.connection_id_key();
    // Packets with ids of another key are dropped before a reset is thought of: both keys or none.
    config.cid_generator(move || Box::new(Ids::new(key)));
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
        // A client's address may change under it: another network, a router's new mapping.
        .migration(true)
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(WAITING_BYTES_MAX)
        .incoming_buffer_size_total(WAITING_BYTES_TOTAL_MAX);
    Ok(config)
}
