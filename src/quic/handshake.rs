//! A client's handshake with one address of a server.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{ClientConfig, ConnectionError, Endpoint, RecvStream, SendStream, TransportErrorCode};
use tokio::time::sleep;

use super::address::wildcard;
use super::certificate::peer_pin;
use super::client_endpoint::{SharedEndpoints, client_endpoint};
use super::connection::Connection;
use super::dial_error::DialError;
use super::dial_settings::{DialSettings, Trust};
use super::identity::Identity;
use super::notice_socket::NoticeSocket;
use super::path_watch::PathWatch;
use super::port_probe::PortProbe;
use super::tls::{self, PinnedServerVerifier};
use super::transport::{self, IDLE_MS, Role};
use crate::wire::{CloseCode, FromServer, Pin};

/// The server name that quinn asks for. It is not sent: the server proves a key instead.
const SERVER_NAME: &str = "qmsg";
/// TLS alerts (RFC 8446, section 6.2) as QUIC carries them.
const ACCESS_DENIED: u8 = 49;
const NO_APPLICATION_PROTOCOL: u8 = 120;
/// Time after which a second handshake begins beside one that is not over. A slow server has
/// served two thousand clients by then.
const SECOND_AFTER: Duration = Duration::from_secs(8);

/// A handshake as one dial wants it, to be made with any of the server's addresses.
#[derive(Clone)]
pub(super) struct ClientHandshake {
    identity: Identity,
    pin: Option<Pin>,
    role: Role,
    body_len_max: u64,
    /// The sockets to use. `None`: each handshake opens its own.
    endpoints: Option<SharedEndpoints>,
}

impl ClientHandshake {
    pub(super) fn new(settings: &DialSettings, endpoints: Option<SharedEndpoints>) -> Self {
        let listening = |keep_alive| Role::Listening { keep_alive };
        Self {
            identity: settings.identity.clone(),
            pin: match settings.trust {
                Trust::Pin(pin) => Some(pin),
                Trust::AnyAndReport => None,
            },
            role: settings.keep_alive.map_or(Role::OneShot, listening),
            body_len_max: settings.body_len_max,
            endpoints,
        }
    }

    /// Connects once the server answers, however late. There is one handshake at a time: more of
    /// them would only add to the work of a slow server. After a long while a second one begins,
    /// since a router that forgets the client during a handshake leaves that one unanswered.
    pub(super) async fn connect(
        self,
        address: SocketAddr,
    ) -> Result<Connection<FromServer>, DialError> {
        if let Some(endpoints) = &self.endpoints {
            return self.shake_hands(&endpoints.for_peer(address)?, address, None).await;
        }
        let second = async {
            sleep(SECOND_AFTER).await;
            match self.connect_on_new_socket(address).await {
                Ok(connection) => connection,
                // The first goes on.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            result = self.connect_on_new_socket(address) => result,
            connection = second => Ok(connection),
        }
    }

    async fn connect_on_new_socket(
        &self,
        address: SocketAddr,
    ) -> Result<Connection<FromServer>, DialError> {
        // Before anything is computed: clients that wait for a server that is away try often.
        let probe = PortProbe::new(address)?;
        let (socket, _) = transport::open_udp(self.role.udp_buffer(), wildcard(address))
            .map_err(DialError::other)?;
        let socket = NoticeSocket::new(socket, address).map_err(DialError::other)?;
        let endpoint = client_endpoint(socket.clone())?;
        tokio::select! {
            result = self.shake_hands(&endpoint, address, Some(&socket)) => result,
            error = probe.port_failed() => Err(error),
            error = socket.network_failed() => Err(DialError::Unreachable(error)),
            () = socket.server_stalled() => Err(DialError::NoAnswer { refused: false }),
            () = socket.retransmit_flight() => pending().await,
        }
    }

    /// Shakes hands until the server answers. A client with frequent keep-alives has an idle
    /// timeout of a few seconds, but before there is a connection the path may just be slow: each
    /// handshake that times out is followed by one with twice the timeout, up to the usual one.
    async fn shake_hands(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        socket: Option<&Arc<NoticeSocket>>,
    ) -> Result<Connection<FromServer>, DialError> {
        let verifier = PinnedServerVerifier::new(self.pin);
        let tls = tls::client(&self.identity, Arc::clone(&verifier)).map_err(DialError::other)?;
        let mut config = ClientConfig::new(Arc::new(tls));
        let mut idle_ms = self.role.idle_ms();
        loop {
            config.transport_config(Arc::new(transport::transport_with(self.role, idle_ms)));
            if let Some(socket) = socket {
                socket.begin_handshake();
            }
            let connecting = endpoint
                .connect_with(config.clone(), address, SERVER_NAME)
                .map_err(DialError::other)?;
            let error = match connecting.await {
                Ok(connection) => match connection.accept_bi().await {
                    Ok(streams) => return self.connection(connection, streams, socket),
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

    /// The connection on which the server has opened its stream.
    fn connection(
        &self,
        connection: quinn::Connection,
        streams: (SendStream, RecvStream),
        socket: Option<&Arc<NoticeSocket>>,
    ) -> Result<Connection<FromServer>, DialError> {
        let pin = peer_pin(&connection)
            .ok_or_else(|| DialError::other(io::Error::other("a server without a key")))?;
        let follows_moves = self.role != Role::OneShot;
        let path_watch = socket.map(|socket| PathWatch::new(Arc::clone(socket), follows_moves));
        let connection = Connection::new(connection, streams, pin, self.body_len_max);
        Ok(connection.with_path_watch(path_watch))
    }
}

/// The meaning of an error that ended a handshake.
fn explain(error: ConnectionError, verifier: &PinnedServerVerifier) -> DialError {
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
            // A server also refuses a Retry token that comes back too late.
            TransportErrorCode::CONNECTION_REFUSED | TransportErrorCode::INVALID_TOKEN => {
                return DialError::Closed(Some(CloseCode::Busy));
            }
            // Before its half of the handshake has arrived a server may not send its own code
            // (RFC 9000, section 10.2.3). It had no time, or is stopping.
            TransportErrorCode::APPLICATION_ERROR => {
                return DialError::Closed(Some(CloseCode::TooSlow));
            }
            _ => {}
        }
    }
    match verifier.mismatch() {
        Some((expected, found)) if code == TransportErrorCode::crypto(ACCESS_DENIED) && is_ours => {
            DialError::WrongPin { expected, found }
        }
        _ => DialError::other(error),
    }
}
