//! Authenticated QUIC connections that carry frames. The core (`logic`) calls one a link.
//!
//! A [`Listener`] yields an [`IncomingConnection`] for each client that wants to connect.
//! [`dial()`] connects to a server; a [`Dialer`] does so for many connections on shared sockets.
//! Both sides get a [`Connection`]: one QUIC connection, its only bidirectional stream, and the
//! [`Pin`](crate::wire::Pin) of the peer's key. [`Connection::run`] moves frames between the stream
//! and two bounded queues until a [`ConnectionEnd`]. The meaning of frames is not known here.
//! Listener and dialer open a UDP socket, or take an open one: [`Listener::with_socket`],
//! [`Dialer::with_socket`].
//!
//! - Both sides prove a key, an [`Identity`], in the TLS 1.3 handshake. Certificates only carry the
//!   public keys; names and dates in them are ignored.
//! - The server opens the stream and greets on it before the client is authenticated, so a greeting
//!   holds public facts. Nothing that a client sends is read before its key is proven.
//! - Session tickets and early data are off on both sides: early data can be replayed, and a
//!   resumed session would skip the certificate.
//! - A client cannot open streams, and no peer can send a datagram. A peer can make this side hold
//!   no more bytes than the windows in `transport` and one body.
//!
//! - Clients: `dial` looks a name up (`lookup`) and races its addresses (`address_race`), each with
//!   a `handshake`. A `notice_socket` and a `port_probe` learn what quinn does not report, and
//!   `path_watch` acts on it during a connection.
//! - Servers: `listen` accepts, `incoming` shakes hands. `peer_list`, `restart_notice`,
//!   `connection_ids` and `secrets` let a restarted server tell its clients at once.
//! - Both: `connection` runs the two halves in `stream`; `identity`, `certificate` and `tls` prove
//!   keys; `transport` holds the settings of quinn, `limits` every bound.

mod address;
mod address_race;
mod certificate;
mod client_endpoint;
mod connection;
mod connection_end;
mod connection_ids;
mod dial;
mod dial_error;
mod dial_settings;
mod handshake;
mod handshake_flight;
mod identity;
mod incoming;
mod limits;
mod listen;
mod lookup;
mod network_error;
mod notice_socket;
mod path_watch;
mod peer_list;
mod port_probe;
mod restart_notice;
mod secrets;
mod stream;
mod tls;
mod transport;

pub use connection::Connection;
pub use connection_end::ConnectionEnd;
pub use dial::{Dialer, dial};
pub use dial_error::DialError;
pub use dial_settings::{DialSettings, Trust};
pub use identity::{Identity, IdentityError, NewIdentity};
pub use incoming::{HANDSHAKE_DEADLINE, HandshakeError, IncomingConnection};
pub use limits::{HALF_OPEN_MAX, RETRY_ABOVE};
pub use listen::{BindError, Listener, ServerSettings};
pub use lookup::{Lookup, is_localhost};
pub use network_error::NetworkError;
pub use secrets::{Secrets, SecretsError};
pub use stream::Outgoing;
pub use transport::{KEEP_ALIVE, UdpBuffers};
