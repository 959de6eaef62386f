//! Restart notices: how idle clients learn that their server was started again.
//!
//! A restarted server sends a notice, a datagram that is no QUIC packet, to each address that had
//! a connection to the last process. A client that receives one sends a packet on its connection,
//! gets the stateless reset (RFC 9000, section 10.3) that a server gives for connections it does
//! not know, and dials again. Anybody can forge a notice; it causes one packet, and the client
//! limits how often.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::AsyncUdpSocket;
use quinn::udp::Transmit;
use tokio::time::sleep;

use super::limits::NOTICE_BATCH_MAX;

/// The content of a notice. A QUIC packet has the second bit of its first byte set (RFC 9000,
/// section 17), so a peer that speaks only QUIC drops this.
pub(super) const RESTART_NOTICE: [u8; 1] = [0];
/// Pauses before each round of notices. There are several rounds because datagrams can be lost.
const ROUND_PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_secs(1),
];
/// Pause after each batch of notices.
const BATCH_PAUSE: Duration = Duration::from_millis(8);

/// The network path of a connection: the client's address and the server's own address, if known.
/// A client ignores notices that come from an address it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerPath {
    pub(super) client: SocketAddr,
    pub(super) server: Option<IpAddr>,
}

/// Sends notices along these paths, in several rounds.
pub(super) async fn send_notices(paths: Vec<PeerPath>, socket: Arc<dyn AsyncUdpSocket>) {
    let mut poller = socket.clone().create_io_poller();
    for pause in ROUND_PAUSES {
        sleep(pause).await;
        for batch in paths.chunks(NOTICE_BATCH_MAX) {
            // tokio does not know of a new socket that it is writable until it has been polled.
            let _ = poll_fn(|context| poller.as_mut().poll_writable(context)).await;
            for &PeerPath { client: destination, server: src_ip } in batch {
                let contents = &RESTART_NOTICE;
                let (ecn, segment_size) = (None, None);
                let notice = Transmit { destination, ecn, contents, segment_size, src_ip };
                // The next round makes up for a lost notice and for a full buffer.
                let _ = socket.try_send(&notice);
            }
            sleep(BATCH_PAUSE).await;
        }
    }
}
