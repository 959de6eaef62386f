//! A server under attack, and two users who want to talk to each other.

use std::fmt;
use std::thread;

use bytes::{Bytes, BytesMut};
use qmsg::quic::{DialSettings, Dialer, Identity, Lookup, Trust};
use qmsg::wire::{Features, FromClient, encode};
use tokio::runtime::Runtime;

use crate::quic::{Running, run, within};
use crate::real::kit::{DEADLINE, Home, Server, peak_kib};
use crate::real::wait::StopOnDrop;

/// Memory of the server for an idle link.
pub(super) const LINK_KIB: u64 = 128;
/// Round trips timed before an attack and during it.
const ROUND_TRIPS: usize = 200;
/// Allowed delay of others at p50, on a machine shared with the attackers: this factor, or this
/// number of microseconds more.
const LATER_MAX: (f64, f64) = (5.0, 20_000.0);

pub(super) struct Scene {
    pub(super) home: Home,
    pub(super) server: Server,
}

/// Round-trip times between two connected users, with both messages on disk, in microseconds.
struct Times {
    p50: f64,
    p99: f64,
}

/// Effect of an attack on others.
pub(super) struct Effect {
    before: Times,
    during: Times,
    /// Peak memory of the server before the attack, and its increase by the attack.
    peak_kib: u64,
    pub(super) more_kib: u64,
}

impl Scene {
    pub(super) fn new(more: &[&str]) -> Self {
        let home = Home::new();
        let server = home.serve(more);
        Self { home, server }
    }

    /// Runs an attack while the two users talk; it must go on as long as its argument says. Returns
    /// its result and its effect.
    pub(super) fn attack<T: Send>(
        &self,
        attack: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> T + Send,
    ) -> (T, Effect) {
        let before = self.times();
        let peak_before = peak_kib(&self.server.child);
        let over = StopOnDrop::default();
        let flag = over.flag();
        let wanted = || !flag.is_over();
        thread::scope(|scope| {
            let attack = scope.spawn(|| attack(&wanted));
            let during = {
                let _over = over;
                self.times()
            };
            let result = attack.join().unwrap();
            let more_kib = peak_kib(&self.server.child) - peak_before;
            (result, Effect { before, during, peak_kib: peak_before, more_kib })
        })
    }

    fn times(&self) -> Times {
        let (count, Server { address, pin, .. }) = (ROUND_TRIPS.to_string(), &self.server);
        let args = ["bench", "latency", "--json", "-n", &count, "-s", address, "--pin", pin];
        let said: serde_json::Value = serde_json::from_str(&self.home.run(&args).ok()).unwrap();
        let time = |name: &str| said[name].as_f64().unwrap();
        Times { p50: time("p50_us"), p99: time("p99_us") }
    }

    /// An attacker that can connect with a key of its own.
    pub(super) fn foe(&self) -> Foe {
        let (host, port) = self.server.address.rsplit_once(':').unwrap();
        let runtime = Runtime::new().unwrap();
        let dialer = runtime.block_on(async { Dialer::new().unwrap() });
        let settings = DialSettings {
            host: host.into(),
            port: port.parse().unwrap(),
            lookup: Lookup::default(),
            trust: Trust::AnyAndReport,
            identity: Identity::generate().unwrap(),
            deadline: DEADLINE,
            keep_alive: None,
            body_len_max: 1 << 20,
        };
        Foe { runtime, dialer, settings }
    }

    /// Checks that the server still serves others.
    pub(super) fn still_serves(&self) {
        self.home.join(&self.server, &["alice", "bob"]);
        let to = ["--as", "alice", "-s", &self.server.address];
        self.home.run(&[&["send", "bob"], &to[..], &["still here"]].concat()).ok();
        let args = ["listen", "--as", "bob", "-n", "1", "-s", &self.server.address];
        assert_eq!(self.home.run(&args).ok(), "still here\n");
    }
}

/// An attacker whose links share a socket.
pub(super) struct Foe {
    pub(super) runtime: Runtime,
    dialer: Dialer,
    settings: DialSettings,
}

impl Foe {
    /// A new link on which nothing has been sent.
    pub(super) async fn link(&self) -> Running<qmsg::wire::FromServer> {
        run(within(self.dialer.dial(&self.settings)).await.unwrap())
    }
}

pub(super) fn bytes(frames: &[FromClient]) -> Bytes {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut bytes));
    bytes.freeze()
}

pub(super) fn hello(name: &str) -> FromClient {
    let id = name.parse().unwrap();
    FromClient::Hello { id, claim: true, code: None, session: None, features: Features::KNOWN }
}

impl Effect {
    /// Prints the effect; fails if others had to wait long or the server used more memory than
    /// `more_kib_max`.
    #[track_caller]
    pub(super) fn check(&self, attack: &str, more_kib_max: u64) {
        println!("{attack}: {self}");
        assert!(self.more_kib <= more_kib_max, "{attack}: more than {more_kib_max} KiB: {self}");
        let (times, later_us) = LATER_MAX;
        let (before, during) = (self.before.p50, self.during.p50);
        let is_fine = during <= (before * times).max(before + later_us);
        assert!(is_fine, "{attack}: {self}");
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, during, peak_kib, more_kib } = self;
        write!(
            f,
            "memory {peak_kib} KiB + {more_kib} KiB; others' round trips p50 {:.0} -> {:.0} us \
             ({:.2}), p99 {:.0} -> {:.0} us ({:.2})",
            before.p50,
            during.p50,
            during.p50 / before.p50,
            before.p99,
            during.p99,
            during.p99 / before.p99
        )
    }
}
