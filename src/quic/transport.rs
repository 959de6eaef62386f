//! Settings of QUIC and UDP, each with its reason.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{MISSED_KEEP_ALIVES_MAX, PACKET_LEN_MIN};

/// Idle timeout in milliseconds: silence after which a side takes the other for gone. The smaller
/// value of both sides applies.
pub(super) const IDLE_MS: u32 = 45_000;
/// Usual interval between the keep-alives of a client that stays. Two losses in a row do not end
/// its connection, and routers keep its UDP mapping.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Round trip assumed before the first sample. With quinn's third of a second the first loss would
/// cost a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Receive window for a client before the server knows who it is, in bytes.
const WINDOW_UNKNOWN: u32 = 64 << 10;
/// Receive window, in bytes: what one side can make the other hold unread. It allows 10 MB/s at a
/// round trip of 100 ms.
pub(super) const WINDOW: u32 = 1 << 20;
/// Send window of the server, in bytes: what a slow reader can make it keep until acknowledged.
const SERVER_SEND_WINDOW: u64 = 1 << 20;
/// Send window of a client, in bytes: its own memory, for bulk sends over long distances.
const CLIENT_SEND_WINDOW: u64 = 4 << 20;
/// Handshake bytes that may arrive out of order. A first flight with a post-quantum key share and a
/// certificate chain fits.
const CRYPTO_BUFFER: usize = 16 << 10;

/// UDP buffer of a socket for many connections, in bytes. With the usual 208 KiB thousands of
/// packets of a burst are dropped.
pub(super) const SHARED_UDP_BUFFER: usize = 4 << 20;
/// UDP buffer of a client that stays, in bytes. A reader's backlog comes in bursts, for one user.
const LISTENER_UDP_BUFFER: usize = 1 << 20;

const _: () = assert!(KEEP_ALIVE.as_millis() * 2 < IDLE_MS as u128);
const _: () = assert!(WINDOW_UNKNOWN < WINDOW);

/// The part that a side plays, which selects its settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A server: many connections, of clients that it does not know at first.
    Server,
    /// A client that does one thing and leaves.
    OneShot,
    /// A client that stays, often silent, and sends keep-alives at this interval.
    Listening { keep_alive: Duration },
}

impl Role {
    /// The idle timeout of its connections, in milliseconds.
    pub(super) fn idle_ms(self) -> u32 {
        match self {
            Self::Server | Self::OneShot => IDLE_MS,
            Self::Listening { keep_alive } => {
                let missed_ms = u128::from(MISSED_KEEP_ALIVES_MAX) * keep_alive.as_millis();
                missed_ms.clamp(1, IDLE_MS.into()) as u32
            }
        }
    }

    /// The UDP buffer to ask for, in bytes; `None` takes the system's default.
    pub(super) fn udp_buffer(self) -> Option<usize> {
        match self {
            Self::Server => Some(SHARED_UDP_BUFFER),
            Self::Listening { .. } => Some(LISTENER_UDP_BUFFER),
            Self::OneShot => None,
        }
    }
}

/// All transport settings of quinn, so that none depends on a default that may change.
pub(super) fn transport(role: Role) -> TransportConfig {
    transport_with(role, role.idle_ms())
}

/// All transport settings, with another idle timeout in milliseconds.
pub(super) fn transport_with(role: Role, idle_ms: u32) -> TransportConfig {
    let is_server = role == Role::Server;
    let mut config = TransportConfig::default();
    config
        // The server opens the only stream. Each stream that is allowed costs memory at once.
        .max_concurrent_bidi_streams(VarInt::from_u32(if is_server { 0 } else { 1 }))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle_ms))))
        // Clients send keep-alives, because their packets keep a router's mapping and show a new
        // address.
        .keep_alive_interval(match role {
            Role::Listening { keep_alive } => Some(keep_alive),
            Role::Server | Role::OneShot => None,
        })
        // The connection's window can be changed later, the stream's cannot. With one stream the
        // smaller window bounds both, so a server starts with a small one for the connection.
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(if is_server { WINDOW_UNKNOWN } else { WINDOW }))
        .send_window(if is_server { SERVER_SEND_WINDOW } else { CLIENT_SEND_WINDOW })
        .send_fairness(false)
        .crypto_buffer_size(CRYPTO_BUFFER)
        .initial_rtt(INITIAL_RTT)
        .initial_mtu(PACKET_LEN_MIN as u16)
        .min_mtu(PACKET_LEN_MIN as u16)
        .pad_to_mtu(false)
        // Signs of a loss (RFC 9002, sections 6.1 and 7.6).
        .packet_threshold(3)
        .time_threshold(9.0 / 8.0)
        .persistent_congestion_threshold(3)
        .ack_frequency_config(None)
        // MTU probes are padded packets right after the handshake, wasted on a client that leaves.
        .mtu_discovery_config((role != Role::OneShot).then(MtuDiscoveryConfig::default))
        .congestion_controller_factory(Arc::new(CubicConfig::default()))
        // With the spin bit onlookers could measure round trips.
        .allow_spin(false)
        // Gives two and a half times the throughput, and costs 12 KB a connection once it has sent
        // a burst.
        .enable_segmentation_offload(true);
    config
}

/// Sizes of a UDP socket's buffers in bytes, as the kernel reports them. The kernel may grant less
/// than was asked for without an error, and Linux reports twice the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpBuffers {
    /// The size asked for, for each buffer; `None` leaves the system's default.
    pub asked: Option<usize>,
    /// The receive buffer.
    pub receive: usize,
    /// The send buffer.
    pub send: usize,
}

/// Opens a UDP socket at `address` and asks for buffers of this size. At `[::]` it takes IPv4 too.
pub(super) fn open_udp(
    asked: Option<usize>,
    address: SocketAddr,
) -> io::Result<(std::net::UdpSocket, UdpBuffers)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if let Some(bytes) = asked {
        // Small buffers are slower, but they work. The operator is told the sizes granted.
        let _ = socket.set_recv_buffer_size(bytes);
        let _ = socket.set_send_buffer_size(bytes);
    }
    let buffers =
        UdpBuffers { asked, receive: socket.recv_buffer_size()?, send: socket.send_buffer_size()? };
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    tracing::debug!(?buffers, "UDP socket");
    Ok((socket.into(), buffers))
}

/// Restricts an endpoint to version 1 of QUIC; quinn would also offer drafts of it.
pub(super) fn only_version_1(mut config: EndpointConfig) -> EndpointConfig {
    config.supported_versions(vec![1]);
    config
}
