//! A machine that moves: another network, another address, none at all.
//!
//! A client with nothing to say would notice at its next keep-alive, and the server, which sends to
//! where the client was, not before. So the client looks now and then at the address that the
//! system would take to reach the server.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::call::wildcard;
use super::ear::Ear;
use super::link::End;
use super::obstacle::Obstacle;

const LOOK: Duration = Duration::from_secs(1);
/// Times in a row that there is no way before there is none: a network is often away for a moment
/// while it changes.
const AWAY_MAX: u32 = 2;
/// How long the server has to answer each time the client shows itself at a new address.
const SHOWS: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_millis(1_500)];

/// Shows a link where it is, whenever that has changed. Why it is of no use any more.
pub(super) async fn follow(ear: &Ear) -> End {
    let mut place = local(ear.server()).ok();
    let mut away = 0;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        match local(ear.server()) {
            Ok(now) if place.replace(now).is_some_and(|before| before != now) || away > 0 => {
                away = 0;
                tracing::debug!(%now, "moved");
                if !is_found(ear).await {
                    return End::Lost;
                }
            }
            Ok(_) => {}
            Err(error) => match Obstacle::of(&error) {
                Some(obstacle) if away + 1 >= AWAY_MAX => return End::Blocked(obstacle),
                Some(_) => away += 1,
                // Of descriptors, say. The link is as it was.
                None => {}
            },
        }
    }
}

async fn is_found(ear: &Ear) -> bool {
    for time in SHOWS {
        ear.hail();
        if ear.hears_within(time).await {
            return true;
        }
    }
    false
}

/// The address from which this machine would send to the server. Nothing is sent.
fn local(server: SocketAddr) -> io::Result<IpAddr> {
    let socket = UdpSocket::bind(wildcard(server))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}
