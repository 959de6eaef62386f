//! A race between the addresses of a server's name (Happy Eyeballs, RFC 8305).

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::client_endpoint::SharedEndpoints;
use super::connection::Connection;
use super::dial_error::DialError;
use super::dial_settings::DialSettings;
use super::handshake::ClientHandshake;
use super::limits::RACE_ADDRESSES_MAX;
use super::lookup;
use crate::wire::FromServer;

/// Delay between the first attempts of two addresses (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Pause after which an address that failed is tried again, while others are still silent.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Time that other addresses have to do better than a server that was the wrong one or was busy.
const GRACE: Duration = Duration::from_secs(3);
/// Interval between lookups of the name while none of its addresses answers: the server may have
/// moved.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(5);

/// Connects to the first of these addresses where the right server answers.
pub(super) async fn connect_to_any(
    settings: &DialSettings,
    addresses: Vec<SocketAddr>,
    endpoints: Option<SharedEndpoints>,
) -> Result<Connection<FromServer>, DialError> {
    let mut race = AddressRace::new(ClientHandshake::new(settings, endpoints));
    race.add(addresses);
    if !lookup::is_fixed(&settings.host) {
        race.timers.spawn(look_up_later(settings));
    }
    race.run(settings).await
}

/// Looks the name up again after a while. A lookup that fails finds no addresses.
fn look_up_later(settings: &DialSettings) -> impl Future<Output = RaceTimer> + use<> {
    let (lookup, host, port) = (settings.lookup.clone(), settings.host.clone(), settings.port);
    async move {
        sleep(LOOKUP_INTERVAL).await;
        RaceTimer::LookedUp(lookup.addresses(&host, port).await.unwrap_or_default())
    }
}

/// The addresses of a server, and how far each has come.
struct AddressRace {
    handshake: ClientHandshake,
    known: BTreeSet<SocketAddr>,
    /// Addresses to be tried next, in order.
    waiting: VecDeque<SocketAddr>,
    attempts: JoinSet<(SocketAddr, Result<Connection<FromServer>, DialError>)>,
    timers: JoinSet<RaceTimer>,
    /// The most telling failure yet.
    failure: Option<DialError>,
}

/// An event that becomes due during a race.
enum RaceTimer {
    /// The name has been looked up again.
    LookedUp(Vec<SocketAddr>),
    /// An address may be tried again.
    Retry(SocketAddr),
    /// The other addresses have had their time to do better.
    GraceOver,
}

impl AddressRace {
    fn new(handshake: ClientHandshake) -> Self {
        Self {
            handshake,
            known: BTreeSet::new(),
            waiting: VecDeque::new(),
            attempts: JoinSet::new(),
            timers: JoinSet::new(),
            failure: None,
        }
    }

    async fn run(mut self, settings: &DialSettings) -> Result<Connection<FromServer>, DialError> {
        loop {
            if let Some(address) = self.waiting.pop_front() {
                let attempt = self.handshake.clone().connect(address);
                self.attempts.spawn(async move { (address, attempt.await) });
            }
            if self.attempts.is_empty() {
                break;
            }
            tokio::select! {
                Some(ended) = self.attempts.join_next() => match ended {
                    Ok((_, Ok(connection))) => return Ok(connection),
                    Ok((address, Err(error))) => self.record_failure(address, error),
                    Err(panicked) => self.keep_failure(DialError::other(panicked)),
                },
                Some(Ok(due)) = self.timers.join_next() => match due {
                    RaceTimer::LookedUp(addresses) => {
                        self.add(addresses);
                        self.timers.spawn(look_up_later(settings));
                    }
                    RaceTimer::Retry(address) => self.waiting.push_back(address),
                    RaceTimer::GraceOver => break,
                },
                () = sleep(STAGGER), if !self.waiting.is_empty() => {}
            }
        }
        // There was an address, and every attempt has failed.
        Err(self.failure.unwrap_or(DialError::NoAnswer { refused: false }))
    }

    fn add(&mut self, addresses: Vec<SocketAddr>) {
        let room = RACE_ADDRESSES_MAX.saturating_sub(self.known.len());
        let new = addresses.into_iter().filter(|address| self.known.insert(*address));
        self.waiting.extend(new.take(room));
    }

    fn record_failure(&mut self, address: SocketAddr, error: DialError) {
        if error.is_an_answer() {
            self.timers.spawn(async {
                sleep(GRACE).await;
                RaceTimer::GraceOver
            });
        } else {
            self.timers.spawn(async move {
                sleep(RETRY_PAUSE).await;
                RaceTimer::Retry(address)
            });
        }
        self.keep_failure(error);
    }

    fn keep_failure(&mut self, error: DialError) {
        self.failure = Some(match self.failure.take() {
            Some(earlier) => earlier.more_telling(error),
            None => error,
        });
    }
}
