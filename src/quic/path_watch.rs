//! A client's watch over its path to the server: restart notices, and changes of its own address.
//!
//! A client on another network, or without one, would notice that at its next keep-alive if it has
//! nothing to say. The server, which sends to the old address, would not notice before that. So the
//! client checks now and then which address the system would send from.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use quinn::VarInt;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::address::source_ip;
use super::connection_end::ConnectionEnd;
use super::limits::FAILED_CHECKS_MAX;
use super::network_error::NetworkError;
use super::notice_socket::NoticeSocket;
use super::transport::WINDOW;

/// Interval between checks of the client's own address.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Time that the server has to answer each packet that the client sends from a new address.
const ANSWER_TIMES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_millis(1_500)];
/// Shortest pause between packets that notices cause.
const PACKET_INTERVAL: Duration = Duration::from_millis(250);

/// The watch over the path of one connection.
pub(super) struct PathWatch {
    socket: Arc<NoticeSocket>,
    follows_moves: bool,
}

impl PathWatch {
    /// Watches the path of the connection on `socket`. A connection that is to last also follows
    /// this machine to other addresses.
    pub(super) fn new(socket: Arc<NoticeSocket>, follows_moves: bool) -> Self {
        Self { socket, follows_moves }
    }

    /// Watches until the connection is of no use any more. Does not end for a connection that does
    /// not follow moves.
    pub(super) async fn run(&self, connection: &quinn::Connection) -> ConnectionEnd {
        tokio::select! {
            () = self.answer_notices(connection) => pending().await,
            () = self.socket.retransmit_flight() => pending().await,
            end = self.follow_moves(), if self.follows_moves => end,
        }
    }

    /// Sends a packet on the connection after each restart notice. Never ends.
    ///
    /// The packet announces a receive window that is larger by a byte. Rebinding the socket would
    /// send one too, but quinn 0.11 panics if a connection has ended at that moment.
    async fn answer_notices(&self, connection: &quinn::Connection) {
        let mut window = WINDOW;
        loop {
            self.socket.notice_received().await;
            tracing::debug!("restart notice");
            window = window.saturating_add(1);
            connection.set_receive_window(VarInt::from_u32(window));
            sleep(PACKET_INTERVAL).await;
        }
    }

    /// Sends packets from the new address whenever this machine's address has changed. Ends when
    /// the server does not answer them, or cannot be reached.
    async fn follow_moves(&self) -> ConnectionEnd {
        let server = self.socket.server_address();
        let mut address = source_ip(server).ok();
        let mut failed_checks = 0;
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            checks.tick().await;
            match source_ip(server) {
                Ok(now)
                    if address.replace(now).is_some_and(|before| before != now)
                        || failed_checks > 0 =>
                {
                    failed_checks = 0;
                    tracing::debug!(%now, "moved");
                    if !self.server_answers().await {
                        return ConnectionEnd::Lost;
                    }
                }
                Ok(_) => {}
                Err(error) => match NetworkError::from_io(&error) {
                    Some(error) if failed_checks + 1 >= FAILED_CHECKS_MAX => {
                        return ConnectionEnd::Unreachable(error);
                    }
                    Some(_) => failed_checks += 1,
                    // Another error, such as too few file descriptors, says nothing of the path.
                    None => {}
                },
            }
        }
    }

    async fn server_answers(&self) -> bool {
        for time in ANSWER_TIMES {
            self.socket.simulate_notice();
            if self.socket.receives_within(time).await {
                return true;
            }
        }
        false
    }
}
