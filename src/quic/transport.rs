//! Every setting of QUIC and UDP, and why.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::CubicConfig;
use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};

/// Silence after which a side believes the other gone, in milliseconds; the smaller of both sides
/// holds.
pub(super) const IDLE_MS: u32 = 45_000;
/// A client that shows more often than usual that it is there is believed gone after so many
/// times that it did not.
const MISSED_MAX: u32 = 5;
/// How often a client that stays shows it is there: two losses in a row end nothing, and routers
/// keep its UDP mapping.
pub const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Before the first sample. quinn's third of a second makes the first loss cost a second.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// What a client can make the server hold before the server knows who it is.
const WINDOW_UNKNOWN: u32 = 64 << 10;
/// What one side can make the other hold unread: 10 MB/s at a round trip of 100 ms.
pub(super) const WINDOW: u32 = 1 << 20;
/// What a slow reader can make the server keep until acknowledged.
const SERVER_SEND_WINDOW: u64 = 1 << 20;
/// The client's own memory, for bulk sends over long distances.
const CLIENT_SEND_WINDOW: u64 = 4 << 20;
/// Handshake bytes out of order: a first flight with a post-quantum share and a chain fit.
const CRYPTO_BUFFER: usize = 16 << 10;

/// What every path must carry (RFC 9000, section 14).
pub(super) const PACKET_LEN_MIN: usize = 1200;
/// For a socket of many links: at the usual 208 KiB bursts are dropped by thousands.
pub(super) const SHARED_UDP_BUFFER: usize = 4 << 20;
/// A reader's backlog comes in bursts, for one user.
const LISTENER_UDP_BUFFER: usize = 1 << 20;

const _: () = assert!(KEEP_ALIVE.as_millis() * 2 < IDLE_MS as u128);
const _: () = assert!(WINDOW_UNKNOWN < WINDOW);

/// Whose settings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Many connections, of clients not known at first.
    Server,
    /// A client that does one thing and leaves.
    OneShot,
    /// A client that stays, often silent, and shows so often that it is there.
    Listening { keep_alive: Duration },
}

impl Role {
    /// How long its links may be silent, in milliseconds.
    pub(super) fn idle_ms(self) -> u32 {
        match self {
            Self::Server | Self::OneShot => IDLE_MS,
            Self::Listening { keep_alive } => {
                let missed_ms = u128::from(MISSED_MAX) * keep_alive.as_millis();
                missed_ms.clamp(1, IDLE_MS.into()) as u32
            }
        }
    }

    /// What to ask for, for the socket of its links.
    pub(super) fn udp_buffer(self) -> Option<usize> {
        match self {
            Self::Server => Some(SHARED_UDP_BUFFER),
            Self::Listening { .. } => Some(LISTENER_UDP_BUFFER),
            Self::OneShot => None,
        }
    }
}

/// All of quinn's transport settings; its defaults may change, these do not.
pub(super) fn transport(role: Role) -> TransportConfig {
    transport_with(role, role.idle_ms())
}

/// The same with another time that a link may be silent, in milliseconds.
pub(super) fn transport_with(role: Role, idle_ms: u32) -> TransportConfig {
    let is_server = role == Role::Server;
    let mut config = TransportConfig::default();
    config
        // The server opens the one stream there is. Each stream allowed costs memory at once.
        .max_concurrent_bidi_streams(VarInt::from_u32(if is_server { 0 } else { 1 }))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle_ms))))
        // The client's job: its packets are what keeps a router's mapping and shows a new address.
        .keep_alive_interval(match role {
            Role::Listening { keep_alive } => Some(keep_alive),
            Role::Server | Role::OneShot => None,
        })
        // The stream's window cannot be changed later, the connection's can. With one stream the
        // smaller bounds both, so a server starts with a small one for the connection.
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(if is_server { WINDOW_UNKNOWN } else { WINDOW }))
        .send_window(if is_server { SERVER_SEND_WINDOW } else { CLIENT_SEND_WINDOW })
        .send_fairness(false)
        .crypto_buffer_size(CRYPTO_BUFFER)
        .initial_rtt(INITIAL_RTT)
        .initial_mtu(PACKET_LEN_MIN as u16)
        .min_mtu(PACKET_LEN_MIN as u16)
        .pad_to_mtu(false)
        // What recovery takes for a loss (RFC 9002, section 6.1 and 7.6).
        .packet_threshold(3)
        .time_threshold(9.0 / 8.0)
        .persistent_congestion_threshold(3)
        .ack_frequency_config(None)
        // Probes are padded packets right after the handshake, wasted on who leaves then.
        .mtu_discovery_config((role != Role::OneShot).then(MtuDiscoveryConfig::default))
        .congestion_controller_factory(Arc::new(CubicConfig::default()))
        // Onlookers could measure round trips by it.
        .allow_spin(false)
        // Two and a half times the throughput, for 12 KB a connection once it has sent a burst.
        .enable_segmentation_offload(true);
    config
}

/// Sizes of a UDP socket's buffers in bytes, as the kernel tells them: it takes less than was asked
/// without a word, and Linux counts double.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpBuffers {
    /// What was asked for, for each; `None` leaves the system's default.
    pub asked: Option<usize>,
    /// For what arrives.
    pub receive: usize,
    /// For what leaves.
    pub send: usize,
}

/// A UDP socket at `address` with such buffers, if the kernel gives them. At `[::]` it takes IPv4
/// too.
pub(super) fn udp(
    asked: Option<usize>,
    address: SocketAddr,
) -> io::Result<(std::net::UdpSocket, UdpBuffers)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if let Some(bytes) = asked {
        // Slower with small buffers, but it works; the operator sees what was given.
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

/// What both ends tell others of themselves: version 1 of QUIC, which quinn would follow by drafts
/// of it.
pub(super) fn only_version_1(mut config: EndpointConfig) -> EndpointConfig {
    config.supported_versions(vec![1]);
    config
}
