//! The client's end: finding a server and linking to it.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{AsyncUdpSocket, Endpoint, Runtime, TokioRuntime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::call::{Caller, endpoint};
use super::identity::Identity;
use super::link::Link;
use super::lookup::{self, ADDRESSES_MAX, Lookup};
use super::obstacle::Obstacle;
use super::transport::{self, SHARED_UDP_BUFFER};
use crate::wire::{CloseCode, FromServer, Pin};

/// How long an address may keep the next one waiting (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// How long an address has after it failed until it is tried again beside those that are silent.
const AGAIN: Duration = Duration::from_millis(500);
/// How long other addresses have to do better than a server that was not the right one, or had no
/// time.
const GRACE: Duration = Duration::from_secs(3);
/// How often a name is looked up again while none of its addresses answers: the server may have
/// moved.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Which key a server must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// This one.
    Pin(Pin),
    /// Any, at first contact; [`Link::pin`] tells which it was.
    AnyAndReport,
}

/// What a client dials with.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// Name or address of the server, an IPv6 address without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// The lookup of its name.
    pub lookup: Lookup,
    /// The key it must prove.
    pub trust: Trust,
    /// The key to prove to it.
    pub identity: Identity,
    /// How long it may take until the server's stream is there, from when its address is known. The
    /// lookup of its name may take as long before that; one that takes longer goes on. After it the
    /// handshake begins anew, which costs the server another one.
    pub deadline: Duration,
    /// Of a link that is to last, how often to show that it is there, mostly
    /// [`KEEP_ALIVE`](super::KEEP_ALIVE). Such a link also probes its path and has larger UDP
    /// buffers. What has become of the server is seen as late as this, if it was started again.
    pub keep_alive: Option<Duration>,
    /// Longest body that the server may send, in bytes.
    pub body_len_max: u64,
}

impl DialSettings {
    /// Why there is no link when the time is up: the resolver does not answer, or else the server.
    pub fn no_answer(&self) -> DialError {
        if self.lookup.is_under_way() {
            let source = io::Error::new(ErrorKind::TimedOut, "the name service does not answer");
            return DialError::Resolve { host: self.host.clone(), source };
        }
        DialError::NoAnswer { refused: false }
    }

    /// What the name stands for in a while: the server may have moved.
    fn look_again(&self) -> impl Future<Output = Turn> + use<> {
        let (lookup, host, port) = (self.lookup.clone(), self.host.clone(), self.port);
        async move {
            sleep(LOOK_AGAIN).await;
            // One that is not found now is looked up again later.
            Turn::Found(lookup.addresses(&host, port).await.unwrap_or_default())
        }
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody there, or nobody who speaks QUIC.
    #[error("{}", if *.refused { "nothing listens there" } else { "no answer" })]
    NoAnswer {
        /// The network said so; otherwise the time was up.
        refused: bool,
    },
    /// This machine, or the network, says that there is no way to the server.
    #[error("{0}")]
    Blocked(Obstacle),
    /// The server has proven another key.
    #[error("expected {expected}, got {found}")]
    WrongPin {
        /// The key it should have.
        expected: Pin,
        /// The key it has.
        found: Pin,
    },
    /// The server does not speak this version of the protocol.
    #[error("no common version of the protocol")]
    Version,
    /// The server ended it; `None` is a reason without a name here.
    #[error("the server ended the connection")]
    Closed(Option<CloseCode>),
    /// Anything else.
    #[error("cannot link")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl DialError {
    pub(super) fn other(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }

    /// Whether a server was there.
    fn is_an_answer(&self) -> bool {
        matches!(self, Self::WrongPin { .. } | Self::Version | Self::Closed(_))
    }

    /// Of the failures of several addresses that with the smallest rank is told: who has answered
    /// says more than who has not.
    fn rank(&self) -> (u8, Option<Obstacle>) {
        match self {
            Self::WrongPin { .. } => (0, None),
            Self::Version => (1, None),
            Self::Closed(_) => (2, None),
            Self::NoAnswer { refused: false } => (3, None),
            Self::NoAnswer { refused: true } => (4, None),
            Self::Blocked(obstacle) => (5, Some(*obstacle)),
            Self::Resolve { .. } => (6, None),
            Self::Other(_) => (7, None),
        }
    }

    fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}

/// Links to a server: tries the addresses of its name, each a moment after the last, and takes the
/// first where the right server answers. Each has one handshake at a time. While some are silent
/// those that said no are tried again, and the name is looked up again. Must be called inside a
/// tokio runtime.
///
/// Addresses and `localhost` are not looked up, so no resolver thread is started for them.
pub async fn dial(settings: &DialSettings) -> Result<Link<FromServer>, DialError> {
    let addresses = resolve(settings).await?;
    within(settings, race(settings, addresses, None)).await
}

/// Links that share a UDP socket of each family. A socket of its own costs a link two descriptors
/// and, once it has received a burst, 3 MB.
///
/// Such links do not notice when the network says that nothing listens: they wait out their
/// deadlines. Cloning shares the sockets, which stay until the last link is gone.
#[derive(Clone, Debug)]
pub struct Dialer {
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl Dialer {
    /// Opens the sockets; a machine may have one family only. Must be called inside a tokio
    /// runtime, as `dial` must.
    pub fn new() -> Result<Self, DialError> {
        let open = |ip| {
            let socket = transport::udp(Some(SHARED_UDP_BUFFER), SocketAddr::new(ip, 0));
            let socket = socket.and_then(|(socket, _)| TokioRuntime.wrap_udp_socket(socket));
            endpoint(socket.map_err(DialError::other)?)
        };
        let v6 = open(Ipv6Addr::UNSPECIFIED.into()).ok();
        match open(Ipv4Addr::UNSPECIFIED.into()) {
            Ok(v4) => Ok(Self { v4: Some(v4), v6 }),
            Err(_) if v6.is_some() => Ok(Self { v4: None, v6 }),
            Err(error) => Err(error),
        }
    }

    /// On a socket that is there, for addresses of its family. Must be called inside a tokio
    /// runtime.
    pub fn on(socket: Arc<dyn AsyncUdpSocket>) -> Result<Self, DialError> {
        let is_v4 = socket.local_addr().map_err(DialError::other)?.is_ipv4();
        let endpoint = Some(endpoint(socket)?);
        Ok(if is_v4 { Self { v4: endpoint, v6: None } } else { Self { v4: None, v6: endpoint } })
    }

    /// As [`dial()`] does it.
    pub async fn dial(&self, settings: &DialSettings) -> Result<Link<FromServer>, DialError> {
        let addresses = resolve(settings).await?;
        within(settings, race(settings, addresses, Some(self.clone()))).await
    }

    pub(super) fn endpoint(&self, peer: SocketAddr) -> Result<Endpoint, DialError> {
        let endpoint = if peer.is_ipv4() { &self.v4 } else { &self.v6 };
        endpoint.clone().ok_or_else(|| DialError::other(io::Error::from(ErrorKind::Unsupported)))
    }
}

async fn within(
    settings: &DialSettings,
    linking: impl Future<Output = Result<Link<FromServer>, DialError>>,
) -> Result<Link<FromServer>, DialError> {
    match timeout(settings.deadline, linking).await {
        Ok(result) => result,
        Err(_) => Err(settings.no_answer()),
    }
}

async fn resolve(settings: &DialSettings) -> Result<Vec<SocketAddr>, DialError> {
    let DialSettings { host, port, lookup, deadline, .. } = settings;
    match timeout(*deadline, lookup.addresses(host, *port)).await {
        Ok(found) => found.map_err(|source| DialError::Resolve { host: host.clone(), source }),
        Err(_) => Err(settings.no_answer()),
    }
}

async fn race(
    settings: &DialSettings,
    addresses: Vec<SocketAddr>,
    dialer: Option<Dialer>,
) -> Result<Link<FromServer>, DialError> {
    let mut race = Race::new(Caller::new(settings, dialer));
    race.found(addresses);
    if !lookup::is_fixed(&settings.host) {
        race.turns.spawn(settings.look_again());
    }
    race.run(settings).await
}

/// The addresses of a server, and how far each has come.
struct Race {
    caller: Caller,
    known: BTreeSet<SocketAddr>,
    /// To be tried next.
    next: VecDeque<SocketAddr>,
    calls: JoinSet<(SocketAddr, Result<Link<FromServer>, DialError>)>,
    turns: JoinSet<Turn>,
    failure: Option<DialError>,
}

/// What becomes due during a race.
enum Turn {
    /// The name has been looked up again.
    Found(Vec<SocketAddr>),
    /// An address may be tried again.
    Call(SocketAddr),
    /// The others have had their time to do better.
    Enough,
}

impl Race {
    fn new(caller: Caller) -> Self {
        let (known, next) = (BTreeSet::new(), VecDeque::new());
        Self { caller, known, next, calls: JoinSet::new(), turns: JoinSet::new(), failure: None }
    }

    async fn run(mut self, settings: &DialSettings) -> Result<Link<FromServer>, DialError> {
        loop {
            if let Some(address) = self.next.pop_front() {
                let call = self.caller.clone().call(address);
                self.calls.spawn(async move { (address, call.await) });
            }
            if self.calls.is_empty() {
                break;
            }
            tokio::select! {
                Some(ended) = self.calls.join_next() => match ended {
                    Ok((_, Ok(link))) => return Ok(link),
                    Ok((address, Err(error))) => self.failed(address, error),
                    Err(panicked) => self.note(DialError::other(panicked)),
                },
                Some(Ok(turn)) = self.turns.join_next() => match turn {
                    Turn::Found(addresses) => {
                        self.found(addresses);
                        self.turns.spawn(settings.look_again());
                    }
                    Turn::Call(address) => self.next.push_back(address),
                    Turn::Enough => break,
                },
                () = sleep(STAGGER), if !self.next.is_empty() => {}
            }
        }
        // Nothing is tried that has not failed, and there was an address.
        Err(self.failure.unwrap_or(DialError::NoAnswer { refused: false }))
    }

    fn found(&mut self, addresses: Vec<SocketAddr>) {
        // As many again may be found later.
        let room = (2 * ADDRESSES_MAX).saturating_sub(self.known.len());
        let new = addresses.into_iter().filter(|address| self.known.insert(*address));
        self.next.extend(new.take(room));
    }

    fn failed(&mut self, address: SocketAddr, error: DialError) {
        if error.is_an_answer() {
            self.turns.spawn(async {
                sleep(GRACE).await;
                Turn::Enough
            });
        } else {
            self.turns.spawn(async move {
                sleep(AGAIN).await;
                Turn::Call(address)
            });
        }
        self.note(error);
    }

    fn note(&mut self, error: DialError) {
        self.failure = Some(match self.failure.take() {
            Some(earlier) => earlier.or(error),
            None => error,
        });
    }
}
