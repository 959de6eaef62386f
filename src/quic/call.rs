//! One handshake with one address of a server, and what the network says of the way there.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{
    AsyncUdpSocket, ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig,
    TokioRuntime, TransportErrorCode,
};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

use super::dial::{DialError, DialSettings, Dialer, Trust};
use super::ear::Ear;
use super::identity::Identity;
use super::link::{Link, Side};
use super::obstacle::Obstacle;
use super::tls::{self, PinnedServer};
use super::transport::{self, IDLE_MS, Role};
use crate::wire::{CloseCode, FromServer, Pin};

/// quinn wants a name. It is not sent, and the server proves a key instead.
const SERVER_NAME: &str = "qmsg";
/// TLS alerts (RFC 8446, section 6.2) as QUIC carries them.
const ACCESS_DENIED: u8 = 49;
const NO_APPLICATION_PROTOCOL: u8 = 120;
/// When another handshake is begun beside one that is not over. Two thousand clients of a slow
/// server are served by then.
const SECOND: Duration = Duration::from_secs(8);
/// How often the network is asked whether somebody listens.
const KNOCK: Duration = Duration::from_secs(1);

/// What all handshakes of one dial share.
#[derive(Clone)]
pub(super) struct Caller {
    identity: Identity,
    pin: Option<Pin>,
    role: Role,
    body_len_max: u64,
    /// Whose sockets to use; otherwise each handshake has its own.
    dialer: Option<Dialer>,
}

impl Caller {
    pub(super) fn new(settings: &DialSettings, dialer: Option<Dialer>) -> Self {
        let listening = |keep_alive| Role::Listening { keep_alive };
        Self {
            identity: settings.identity.clone(),
            pin: match settings.trust {
                Trust::Pin(pin) => Some(pin),
                Trust::AnyAndReport => None,
            },
            role: settings.keep_alive.map_or(Role::OneShot, listening),
            body_len_max: settings.body_len_max,
            dialer,
        }
    }

    /// Makes a link, if the server answers, however late. One handshake at a time: a server that is
    /// slow because it has much to do would have more. Only after a long while there is a second,
    /// since a router that forgets the client during a handshake leaves that one without an answer.
    pub(super) async fn call(self, address: SocketAddr) -> Result<Link<FromServer>, DialError> {
        if let Some(dialer) = &self.dialer {
            return self.shake_hands(&dialer.endpoint(address)?, address, None).await;
        }
        let second = async {
            sleep(SECOND).await;
            match self.call_from_anew(address).await {
                Ok(link) => link,
                // The first goes on.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            result = self.call_from_anew(address) => result,
            link = second => Ok(link),
        }
    }

    async fn call_from_anew(&self, address: SocketAddr) -> Result<Link<FromServer>, DialError> {
        // Before anything is computed: whoever waits for a server that is away asks often.
        let knock = Knock::new(address)?;
        let (socket, _) =
            transport::udp(self.role.udp_buffer(), wildcard(address)).map_err(DialError::other)?;
        let ear = Ear::new(socket, address).map_err(DialError::other)?;
        let endpoint = endpoint(ear.clone())?;
        tokio::select! {
            result = self.shake_hands(&endpoint, address, Some(&ear)) => result,
            error = knock.answer() => Err(error),
            obstacle = ear.blocked() => Err(DialError::Blocked(obstacle)),
            () = ear.stalled() => Err(DialError::NoAnswer { refused: false }),
            () = ear.repeat() => pending().await,
        }
    }

    /// A client that shows often that it is there takes a server for gone that is silent for a few
    /// seconds. Before there is a link the way may just be long: it waits longer each time.
    async fn shake_hands(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        ear: Option<&Arc<Ear>>,
    ) -> Result<Link<FromServer>, DialError> {
        let verifier = PinnedServer::new(self.pin);
        let tls = tls::client(&self.identity, Arc::clone(&verifier)).map_err(DialError::other)?;
        let mut config = ClientConfig::new(Arc::new(tls));
        let mut idle_ms = self.role.idle_ms();
        loop {
            config.transport_config(Arc::new(transport::transport_with(self.role, idle_ms)));
            if let Some(ear) = ear {
                ear.begin();
            }
            let connecting = endpoint
                .connect_with(config.clone(), address, SERVER_NAME)
                .map_err(DialError::other)?;
            let error = match connecting.await {
                Ok(connection) => match connection.accept_bi().await {
                    Ok(streams) => return self.link(connection, streams, ear),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if matches!(error, ConnectionError::TimedOut) && idle_ms < IDLE_MS {
                idle_ms = idle_ms.saturating_mul(2).min(IDLE_MS);
                continue;
            }
            return Err(explain(error, &verifier));
        }
    }

    /// The server's stream, which comes with its greeting, is there.
    fn link(
        &self,
        connection: Connection,
        streams: (quinn::SendStream, quinn::RecvStream),
        ear: Option<&Arc<Ear>>,
    ) -> Result<Link<FromServer>, DialError> {
        let pin = tls::peer_pin(&connection)
            .ok_or_else(|| DialError::other(io::Error::other("a server without a key")))?;
        let lasts = self.role != Role::OneShot;
        let side = Side { ear: ear.cloned(), roams: lasts, ..Side::default() };
        Ok(Link::new(connection, streams, pin, self.body_len_max, side))
    }
}

fn explain(error: ConnectionError, verifier: &PinnedServer) -> DialError {
    let (code, is_ours) = match &error {
        ConnectionError::TimedOut | ConnectionError::Reset => {
            return DialError::NoAnswer { refused: false };
        }
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
    if !is_ours {
        match code {
            // A proof of the address that came too late is refused as well.
            TransportErrorCode::CONNECTION_REFUSED | TransportErrorCode::INVALID_TOKEN => {
                return DialError::Closed(Some(CloseCode::Busy));
            }
            // Before its half of the handshake has arrived a server may not say why it closes
            // (RFC 9000, section 10.2.3): it had no time, or stops.
            TransportErrorCode::APPLICATION_ERROR => {
                return DialError::Closed(Some(CloseCode::TooSlow));
            }
            _ => {}
        }
    }
    match verifier.wrong() {
        Some((expected, found)) if code == TransportErrorCode::crypto(ACCESS_DENIED) && is_ours => {
            DialError::WrongPin { expected, found }
        }
        _ => DialError::other(error),
    }
}

pub(super) fn endpoint(socket: Arc<dyn AsyncUdpSocket>) -> Result<Endpoint, DialError> {
    let config = transport::only_version_1(EndpointConfig::default());
    let runtime = Arc::new(TokioRuntime);
    Endpoint::new_with_abstract_socket(config, None, socket, runtime).map_err(DialError::other)
}

pub(super) fn wildcard(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}

/// A socket that is connected to a server's address. Only such a one is told by the system what
/// routers and hosts say of packets that did not arrive.
struct Knock(std::net::UdpSocket);

impl Knock {
    /// Knocks. On this machine the answer is there at once.
    fn new(address: SocketAddr) -> Result<Self, DialError> {
        let knocks = || {
            let socket = std::net::UdpSocket::bind(wildcard(address))?;
            socket.set_nonblocking(true)?;
            socket.connect(address)?;
            // No QUIC packet, which has the second bit set: a server drops it.
            socket.send(&[0])?;
            match socket.recv(&mut [0]) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                _ => Ok(Self(socket)),
            }
        };
        knocks().map_err(|error| meaning(&error).unwrap_or_else(|| DialError::other(error)))
    }

    /// Resolves when the network says that nobody is there, or that there is no way.
    async fn answer(self) -> DialError {
        let Ok(socket) = UdpSocket::from_std(self.0) else { return pending().await };
        loop {
            let error = match timeout(KNOCK, socket.recv(&mut [0])).await {
                Ok(Err(error)) => error,
                Ok(Ok(_)) => continue,
                Err(_) => match socket.send(&[0]).await {
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
        _ => Obstacle::of(error).map(DialError::Blocked),
    }
}
