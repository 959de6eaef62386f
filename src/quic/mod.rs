//! Links: authenticated QUIC connections that carry frames.
//!
//! A [`Listener`] yields an [`Incoming`] for each client that knocks, [`dial()`] knocks, a
//! [`Dialer`] does so for many links at a time, and all end in a [`Link`]: one connection, its one
//! bidirectional stream, and the [`Pin`](crate::wire::Pin) of the other side's key. [`Link::run`]
//! moves frames between the stream and two bounded queues until the link [`End`]s. What the frames
//! mean is not known here. Listener and dialer open a UDP socket, or run on one that is there:
//! [`Listener::on`], [`Dialer::on`].
//!
//! - Both sides prove a key, an [`Identity`], in the TLS 1.3 handshake. Certificates only carry the
//!   keys: nothing in them but the public key is looked at, neither names nor dates.
//! - The server opens the stream and greets on it before the client is authenticated, so a greeting
//!   holds public facts. Nothing that a client sends is read before its key is proven.
//! - Session tickets and early data are off on both sides: early data can be replayed, and a
//!   resumed session would skip the certificate.
//! - A client can open no stream and no peer can send a datagram, or make us hold more bytes than
//!   the windows in `transport` and one body.

mod call;
mod dial;
mod ear;
mod hail;
mod identity;
mod ids;
mod link;
mod listen;
mod lookup;
mod obstacle;
mod private;
mod roam;
mod roll;
mod secrets;
mod tls;
mod transport;

pub use dial::{DialError, DialSettings, Dialer, Trust, dial};
pub use identity::{Identity, IdentityError, NewIdentity};
pub use link::{End, Link, Outgoing};
pub use listen::{
    BindError, HALF_OPEN_MAX, HANDSHAKE_DEADLINE, Incoming, LinkError, Listener, RETRY_ABOVE,
    ServerSettings,
};
pub use lookup::{Lookup, is_localhost};
pub use obstacle::Obstacle;
pub use private::FileError;
pub use secrets::{Secrets, SecretsError};
pub use transport::{KEEP_ALIVE, UdpBuffers};
