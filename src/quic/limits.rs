//! Every bound of the transport: what a peer, the network or a file can make this side hold or do.

use std::time::Duration;

// Handshakes of a server.

/// Handshakes under way above which further clients are refused.
pub const HALF_OPEN_MAX: usize = 4096;
/// Handshakes under way above which each has less time, so that hostile clients cannot hold all
/// places for long.
pub(super) const CROWDED_ABOVE: usize = HALF_OPEN_MAX / 4 * 3;
/// Handshakes under way above which a client must first show that it receives packets at its
/// address (RFC 9000, section 8.1.2). That costs one round trip, and saves the work for forged
/// addresses.
pub const RETRY_ABOVE: usize = 256;

const _: () = assert!(RETRY_ABOVE < CROWDED_ABOVE && CROWDED_ABOVE < HALF_OPEN_MAX);

/// Clients that wait to be accepted. quinn drops the rest of a burst, and those clients try again.
pub(super) const WAITING_MAX: usize = 4096;
/// Bytes kept for one client that waits. Without early data a client can send its first flight
/// only.
pub(super) const WAITING_BYTES_MAX: u64 = 64 << 10;
/// Bytes kept for all clients that wait.
pub(super) const WAITING_BYTES_TOTAL_MAX: u64 = 16 << 20;
/// Addresses remembered of clients that were asked to prove theirs.
pub(super) const RETRIED_MAX: usize = 4096;
/// Shortest pause between two stateless resets. After a restart notice all clients send a packet
/// at once, and each waits for its reset. quinn measures pauses from one turn of its receiver to
/// the next, so any pause but none would leave all but one of the clients in a turn without their
/// reset. A reset is shorter than the packet it answers, and only connection ids that carry our key
/// get one.
pub(super) const RESET_INTERVAL_MIN: Duration = Duration::ZERO;

// Handshakes of a client.

/// Addresses of one name that are tried.
pub(super) const ADDRESSES_MAX: usize = 8;
/// Addresses tried in one race: a later lookup of the name may find as many again.
pub(super) const RACE_ADDRESSES_MAX: usize = 2 * ADDRESSES_MAX;
/// Datagrams of a client's first flight: a post-quantum hello takes two.
pub(super) const FIRST_FLIGHT_MAX: usize = 2;
/// Datagrams of the flight that ends the handshake, with the client's first frame behind it.
pub(super) const LAST_FLIGHT_MAX: usize = 4;
/// First pause before an unanswered flight is sent again. Each is half as long again as the one
/// before, less a random part of up to a quarter. quinn doubles its own pauses, so it would notice
/// a server that is back as late as the server was away.
pub(super) const RETRANSMIT_PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause before an unanswered flight is sent again.
pub(super) const RETRANSMIT_PAUSE_MAX: Duration = Duration::from_millis(2_500);

const _: () = assert!(RETRANSMIT_PAUSE_MIN.as_millis() < RETRANSMIT_PAUSE_MAX.as_millis());

// Connections.

/// Length of packets that every path must carry, in bytes (RFC 9000, section 14).
pub(super) const PACKET_LEN_MIN: usize = 1200;
/// Missed keep-alives after which a client with a shorter interval than the usual one counts as
/// gone.
pub(super) const MISSED_KEEP_ALIVES_MAX: u32 = 5;
/// Failed checks of the client's own address, in a row, after which the server counts as
/// unreachable. A network is often gone for a moment while it changes.
pub(super) const FAILED_CHECKS_MAX: u32 = 2;

// Restart notices.

/// Connections that are listed in the file. The clients of others notice a restart later.
pub(super) const PATHS_MAX: usize = 65_536;
/// Longest line of the file, in bytes: "[", an IPv6 address, a zone, "]:", a port, a space, an
/// IPv6 address, a newline.
pub(super) const PATH_LINE_LEN_MAX: usize = 128;
/// Notices sent at a time. Each is followed by a handshake.
pub(super) const NOTICE_BATCH_MAX: usize = 16;
