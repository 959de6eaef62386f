//! How a server that was started again is noticed by clients that have nothing to say.
//!
//! It sends each address that had a link to the last process a datagram that is no QUIC packet. A
//! client that hears one shows itself on its link at once, gets the stateless reset (RFC 9000,
//! section 10.3) that a server gives for links it does not know, and dials again. Anybody can forge
//! such a datagram; all it does is a packet, and not more often than [`ANSWER_INTERVAL`] allows.

use std::time::Duration;

use quinn::{Connection, VarInt};
use tokio::time::sleep;

use super::ear::Ear;
use super::transport::WINDOW;

/// A QUIC packet has the second bit of its first byte set (RFC 9000, section 17): whoever gets this
/// and speaks only QUIC drops it.
pub(super) const HAIL: [u8; 1] = [0];
/// How soon a link shows itself again.
const ANSWER_INTERVAL: Duration = Duration::from_millis(250);

/// Shows on a link that it is there, whenever its server hails or somebody else asks the ear for
/// it. Never ends.
///
/// What shows it is a window that is larger by a byte, which has to be told. To rebind the socket
/// would also do, but quinn 0.11 panics if a connection has ended at that moment.
pub(super) async fn answer(ear: &Ear, connection: &Connection) {
    let mut window = WINDOW;
    loop {
        ear.hailed().await;
        tracing::debug!("hailed");
        window = window.saturating_add(1);
        connection.set_receive_window(VarInt::from_u32(window));
        sleep(ANSWER_INTERVAL).await;
    }
}
