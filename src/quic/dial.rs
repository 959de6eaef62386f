//! The client's end: finding a server and linking to it.

use std::error::Error;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use quinn::{
    AsyncUdpSocket, ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig,
    TokioRuntime, TransportErrorCode,
};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::hail::Ear;
use super::identity::Identity;
use super::link::{Link, Side};
use super::lookup::Lookup;
use super::tls::{self, PinnedServer};
use super::transport::{self, Role, SHARED_UDP_BUFFER};
use crate::wire::{CloseCode, FromServer, Pin};

/// How long an address may keep the next one waiting (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// How long an address that does not answer has until it is tried again beside: of the packets of
/// one attempt each waits twice as long as the last, and a server that was away is back meanwhile.
const AGAIN: Duration = Duration::from_millis(700);
/// quinn wants a name. It is not sent, and the server proves a key instead.
const SERVER_NAME: &str = "qmsg";
/// TLS alerts (RFC 8446, section 6.2) as QUIC carries them.
const ACCESS_DENIED: u8 = 49;
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Which key a server must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// This one.
    Pin(Pin),
    /// Any, at first contact; [`Link::pin`] tells which it was.
    AnyAndReport,
}

/// What a client dials with.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// Name or address of the server, an IPv6 address without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// The lookup of its name.
    pub lookup: Lookup,
    /// The key it must prove.
    pub trust: Trust,
    /// The key to prove to it.
    pub identity: Identity,
    /// How long it may take until the server's stream is there, from when its address is known. The
    /// lookup of its name may take as long before that; one that takes longer goes on.
    pub deadline: Duration,
    /// Of a link that is to last, how often to show that it is there, mostly
    /// [`KEEP_ALIVE`](super::KEEP_ALIVE). Such a link also probes its path and has larger UDP
    /// buffers. What has become of the server is seen as late as this, if it was started again.
    pub keep_alive: Option<Duration>,
    /// Longest body that the server may send, in bytes.
    pub body_len_max: u64,
}

impl DialSettings {
    /// Why there is no link when the time is up: the resolver does not answer, or else the server.
    pub fn no_answer(&self) -> DialError {
        if self.lookup.is_under_way() {
            let source = io::Error::new(ErrorKind::TimedOut, "the name service does not answer");
            return DialError::Resolve { host: self.host.clone(), source };
        }
        DialError::NoAnswer { refused: false }
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody there, or nobody who speaks QUIC.
    #[error("{}", if *.refused { "nothing listens there" } else { "no answer" })]
    NoAnswer {
        /// The network said so; otherwise the time was up.
        refused: bool,
    },
    /// The server has proven another key.
    #[error("expected {expected}, got {found}")]
    WrongPin {
        /// The key it should have.
        expected: Pin,
        /// The key it has.
        found: Pin,
    },
    /// The server does not speak this version of the protocol.
    #[error("no common version of the protocol")]
    Version,
    /// The server ended it; `None` is a reason without a name here.
    #[error("the server ended the connection")]
    Closed(Option<CloseCode>),
    /// Anything else.
    #[error("cannot link")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl DialError {
    fn other(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// Whether a server was there: its other addresses would say the same.
    fn is_an_answer(&self) -> bool {
        matches!(self, Self::WrongPin { .. } | Self::Version | Self::Closed(_))
    }

    /// What to tell of two addresses that both gave no answer.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::NoAnswer { refused: a }, Self::NoAnswer { refused: b }) => {
                Self::NoAnswer { refused: a && b }
            }
            (Self::Other(_), other) => other,
            (it, _) => it,
        }
    }
}

/// Links to a server: tries the addresses of its name one after the other, each a moment after the
/// last, and takes the first that answers. While none does it tries them again. Must be called
/// inside a tokio runtime.
pub async fn dial(settings: &DialSettings) -> Result<Link<FromServer>, DialError> {
    let addresses = resolve(settings).await?;
    within(settings.deadline, race(settings, &addresses, None)).await
}

/// Links that share a UDP socket of each family. A socket of its own costs a link two descriptors
/// and, once it has received a burst, 3 MB.
///
/// Such links do not notice when the network says that nothing listens: they wait out their
/// deadlines. Cloning shares the sockets, which stay until the last link is gone.
#[derive(Clone, Debug)]
pub struct Dialer {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl Dialer {
    /// Opens the sockets; a machine may have one family only. Must be called inside a tokio
    /// runtime, as `dial` must.
    pub fn new() -> Result<Self, DialError> {
        let open = |ip| endpoint(udp(Some(SHARED_UDP_BUFFER), SocketAddr::new(ip, 0))?);
        let v6 = open(Ipv6Addr::UNSPECIFIED.into()).ok();
        match open(Ipv4Addr::UNSPECIFIED.into()) {
            Ok(v4) => Ok(Self { v4: Some(v4), v6 }),
            Err(_) if v6.is_some() => Ok(Self { v4: None, v6 }),
            Err(error) => Err(error),
        }
    }

    /// On a socket that is there, for addresses of its family. Must be called inside a tokio
    /// runtime.
    pub fn on(socket: Arc<dyn AsyncUdpSocket>) -> Result<Self, DialError> {
        let is_v4 = socket.local_addr().map_err(DialError::other)?.is_ipv4();
        let endpoint = Some(endpoint(socket)?);
        Ok(if is_v4 { Self { v4: endpoint, v6: None } } else { Self { v4: None, v6: endpoint } })
    }

    /// As [`dial()`] does it.
    pub async fn dial(&self, settings: &DialSettings) -> Result<Link<FromServer>, DialError> {
        let addresses = resolve(settings).await?;
        within(settings.deadline, race(settings, &addresses, Some(self.clone()))).await
    }

    fn endpoint(&self, peer: SocketAddr) -> Result<Endpoint, DialError> {
        let endpoint = if peer.is_ipv4() { &self.v4 } else { &self.v6 };
        endpoint.clone().ok_or_else(|| DialError::other(io::Error::from(ErrorKind::Unsupported)))
    }
}

async fn within(
    deadline: Duration,
    linking: impl Future<Output = Result<Link<FromServer>, DialError>>,
) -> Result<Link<FromServer>, DialError> {
    match timeout(deadline, linking).await {
        Ok(result) => result,
        Err(_) => Err(DialError::NoAnswer { refused: false }),
    }
}

async fn resolve(settings: &DialSettings) -> Result<Vec<SocketAddr>, DialError> {
    let DialSettings { host, port, lookup, deadline, .. } = settings;
    match timeout(*deadline, lookup.addresses(host, *port)).await {
        Ok(found) => found.map_err(|source| DialError::Resolve { host: host.clone(), source }),
        Err(_) => Err(settings.no_answer()),
    }
}

async fn race(
    settings: &DialSettings,
    addresses: &[SocketAddr],
    dialer: Option<Dialer>,
) -> Result<Link<FromServer>, DialError> {
    let caller = Caller::new(settings, dialer)?;
    let mut attempts = JoinSet::new();
    let mut failure: Option<DialError> = None;
    for tried in 1.. {
        attempts.spawn(caller.clone().call(addresses[(tried - 1) % addresses.len()]));
        let is_last = tried >= addresses.len();
        let mut pause = pin!(sleep(if is_last { AGAIN } else { STAGGER }));
        loop {
            let error = tokio::select! {
                Some(ended) = attempts.join_next() => match ended {
                    Ok(Ok(link)) => return Ok(link),
                    Ok(Err(error)) if error.is_an_answer() => return Err(error),
                    Ok(Err(error)) => error,
                    Err(panicked) => DialError::other(panicked),
                },
                () = &mut pause => break,
            };
            let error = match failure.take() {
                Some(earlier) => earlier.or(error),
                None => error,
            };
            if is_last && attempts.is_empty() {
                return Err(error);
            }
            failure = Some(error);
            if !is_last {
                break;
            }
        }
    }
    // Numbers do not end before the caller's deadline does.
    pending().await
}

/// What all attempts of one dial share.
#[derive(Clone)]
struct Caller {
    config: ClientConfig,
    verifier: Arc<PinnedServer>,
    role: Role,
    body_len_max: u64,
    /// Whose sockets to use; otherwise each attempt has its own.
    dialer: Option<Dialer>,
}

impl Caller {
    fn new(settings: &DialSettings, dialer: Option<Dialer>) -> Result<Self, DialError> {
        let listening = |keep_alive| Role::Listening { keep_alive };
        let role = settings.keep_alive.map_or(Role::OneShot, listening);
        let verifier = PinnedServer::new(match settings.trust {
            Trust::Pin(pin) => Some(pin),
            Trust::AnyAndReport => None,
        });
        let tls =
            tls::client(&settings.identity, Arc::clone(&verifier)).map_err(DialError::other)?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(transport::transport(role)));
        Ok(Self { config, verifier, role, body_len_max: settings.body_len_max, dialer })
    }

    async fn call(self, address: SocketAddr) -> Result<Link<FromServer>, DialError> {
        tokio::select! {
            result = self.connect(address) => result,
            () = refused(address), if self.dialer.is_none() => {
                Err(DialError::NoAnswer { refused: true })
            }
        }
    }

    async fn connect(&self, address: SocketAddr) -> Result<Link<FromServer>, DialError> {
        let (endpoint, ear) = match &self.dialer {
            Some(dialer) => (dialer.endpoint(address)?, None),
            None => {
                let (endpoint, ear) = hearing(self.role.udp_buffer(), address)?;
                (endpoint, Some(ear))
            }
        };
        let connecting = endpoint
            .connect_with(self.config.clone(), address, SERVER_NAME)
            .map_err(DialError::other)?;
        let connection = connecting.await.map_err(|error| self.explain(error))?;
        self.take_stream(connection, Side { ear, ..Side::default() }).await
    }

    /// Waits for the server's stream, which comes with its greeting.
    async fn take_stream(
        &self,
        connection: Connection,
        side: Side,
    ) -> Result<Link<FromServer>, DialError> {
        let streams = connection.accept_bi().await.map_err(|error| self.explain(error))?;
        let pin = tls::peer_pin(&connection)
            .ok_or_else(|| DialError::other(io::Error::other("a server without a key")))?;
        Ok(Link::new(connection, streams, pin, self.body_len_max, side))
    }

    fn explain(&self, error: ConnectionError) -> DialError {
        let (code, is_ours) = match &error {
            ConnectionError::TimedOut => return DialError::NoAnswer { refused: false },
            ConnectionError::VersionMismatch => return DialError::Version,
            ConnectionError::ApplicationClosed(close) => {
                let number = close.error_code.into_inner();
                return DialError::Closed(CloseCode::from_number(number));
            }
            ConnectionError::TransportError(error) => (error.code, true),
            ConnectionError::ConnectionClosed(close) => (close.error_code, false),
            _ => return DialError::other(error),
        };
        if code == TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL) {
            return DialError::Version;
        }
        if code == TransportErrorCode::CONNECTION_REFUSED && !is_ours {
            return DialError::Closed(Some(CloseCode::Busy));
        }
        match self.verifier.wrong() {
            Some((expected, found))
                if code == TransportErrorCode::crypto(ACCESS_DENIED) && is_ours =>
            {
                DialError::WrongPin { expected, found }
            }
            _ => DialError::other(error),
        }
    }
}

fn udp(buffer: Option<usize>, address: SocketAddr) -> Result<Arc<dyn AsyncUdpSocket>, DialError> {
    Ok(transport::udp(buffer, address).map_err(DialError::other)?.0)
}

fn endpoint(socket: Arc<dyn AsyncUdpSocket>) -> Result<Endpoint, DialError> {
    let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
    Endpoint::new_with_abstract_socket(config, None, socket, runtime).map_err(DialError::other)
}

/// An endpoint for one server, by which that can be heard after a restart.
fn hearing(buffer: Option<usize>, server: SocketAddr) -> Result<(Endpoint, Arc<Ear>), DialError> {
    let ear = Ear::new(udp(buffer, wildcard(server))?, server);
    Ok((endpoint(ear.clone())?, ear))
}

fn wildcard(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}

/// Resolves when the network says that nothing listens at `address`, and else never. quinn does not
/// see such messages: only a socket connected to the address gets them.
async fn refused(address: SocketAddr) {
    use ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    match knock(address).await.map_err(|error| error.kind()) {
        Err(ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable) => {}
        _ => pending().await,
    }
}

async fn knock(address: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(wildcard(address)).await?;
    socket.connect(address).await?;
    // No QUIC packet, which has the second bit set: a server drops it.
    socket.send(&[0]).await?;
    socket.recv(&mut [0]).await?;
    Ok(())
}
