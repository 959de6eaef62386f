//! Bad networks: real processes through a relay that loses, delays, duplicates and damages
//! datagrams. `PROOF_NETWORK_LINES` makes the streams longer, `PROOF_SEED` changes the weather.

use std::time::{Duration, Instant};

use super::kit::{Home, Running, Server, Stream, start, start_with};
use super::relay::{Relay, Weather};
use super::wait::pause;
use crate::chance::number;
use crate::tally::{Answer, Tally, Value};

/// Numbers of concurrent streams of lines, and of single messages.
const STREAMS: u32 = 2;
const SINGLES: u32 = 2;
const SINGLE: u32 = 9;
/// Delay of the relay in one direction; a round trip takes twice as long.
const FAR: Duration = Duration::from_millis(100);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Alice and bob on a server behind a relay.
struct Scene {
    home: Home,
    _server: Server,
    relay: Relay,
    seed: u64,
}

impl Scene {
    fn new(weather: &Weather) -> Self {
        let home = Home::new();
        let server = home.serve(&[]);
        home.join(&server, &["alice", "bob"]);
        let seed = number("PROOF_SEED", 1);
        let of = |seed| Weather { seed, ..weather.clone() };
        let relay = Relay::in_weather(&server.address, &of(seed), &of(seed + 1));
        Self { home, _server: server, relay, seed }
    }

    fn listen(&self) -> Running {
        self.home.listen(&["--share", "--as", "bob", "-s", &self.relay.address])
    }

    fn send(&self, body: &str, timeout: &str) -> Option<i32> {
        let to = ["-s", &self.relay.address, "--as", "alice", "-q", "--timeout", timeout];
        start(self.home.command(&[&["send", "bob"], &to[..], &[body]].concat())).end().code
    }

    /// Sends streams of lines and single messages, while `meanwhile` happens. All must be accepted.
    fn send_all(&self, meanwhile: impl FnOnce()) -> Tally {
        let lines = number("PROOF_NETWORK_LINES", 400);
        let mut tally = Tally::default();
        let to = ["-s", &self.relay.address, "--as", "alice", "--timeout", "60s"];
        let stream = |writer| {
            let values = (0..lines).map(|counter| format!("{}\n", Value { writer, counter }));
            let args = [&["send", "-l", "bob"], &to[..]].concat();
            start_with(self.home.command(&args), values.collect::<String>().into())
        };
        let streams: Vec<Running> = (0..STREAMS).map(stream).collect();
        let single = |writer| {
            let body = Value { writer, counter: 0 }.to_string();
            start(self.home.command(&[&["send", "bob"], &to[..], &[&body]].concat()))
        };
        let singles: Vec<Running> = (SINGLE..SINGLE + SINGLES).map(single).collect();
        meanwhile();
        for (writer, stream) in (0..).zip(streams) {
            stream.end().code(0);
            (0..lines)
                .for_each(|counter| tally.answer(Value { writer, counter }, Answer::Accepted));
        }
        for (writer, single) in (SINGLE..).zip(singles) {
            single.end().code(0);
            tally.answer(Value { writer, counter: 0 }, Answer::Accepted);
        }
        tally
    }

    /// Values that the listener has shown once it has seen everything, and the number of its links.
    fn shown(&self, mut listener: Running) -> (Vec<Value>, usize) {
        self.relay.set(&Weather::default());
        assert_eq!(self.send("last", "60s"), Some(0));
        listener.until(Stream::Out, "last\n");
        listener.signal("TERM");
        let said = listener.end();
        let lines = String::from_utf8(said.stdout).unwrap();
        let values = lines.lines().filter(|line| *line != "last");
        let links = said.stderr.matches("caught up").count();
        (values.map(|line| line.parse().unwrap()).collect(), links)
    }

    /// Checks that everything arrives, whatever happens meanwhile; returns the listener's number of
    /// links.
    fn run(&self, name: &str, meanwhile: impl FnOnce()) -> usize {
        let listener = self.listen();
        let begun = Instant::now();
        let tally = self.send_all(meanwhile);
        let (shown, links) = self.shown(listener);
        let (seed, datagrams, took) = (self.seed, self.relay.datagrams(), begun.elapsed());
        let run = format!("{name}, seed {seed}, {datagrams} datagrams, {took:.1?}, {links} links");
        tally.report(&shown, true).check(&run);
        links
    }
}

#[test]
fn everything_arrives_in_any_weather() {
    let clear = Weather::default();
    let kinds = [
        ("30 % lost each way", Weather { lost: 300, ..clear.clone() }),
        ("late and out of order", Weather { delay: ms(20), jitter: ms(40), ..clear.clone() }),
        ("30 % twice", Weather { twice: 300, ..clear.clone() }),
        ("10 % damaged", Weather { damaged: 100, ..clear.clone() }),
        ("1,200 bytes at most", Weather { length_max: 1_200, ..clear.clone() }),
        (
            "all of it",
            Weather { lost: 100, twice: 50, damaged: 50, delay: ms(5), jitter: ms(20), ..clear },
        ),
    ];
    for (name, weather) in kinds {
        Scene::new(&weather).run(name, || {});
    }
}

#[test]
fn a_blackout_is_waited_out() {
    let scene = Scene::new(&Weather { delay: ms(10), ..Weather::default() });
    let links = scene.run("dark for 3 s", || {
        scene.relay.set(&Weather { lost: 1_000, ..Weather::default() });
        pause(Duration::from_secs(3));
        scene.relay.set(&Weather::default());
    });
    assert_eq!(links, 1, "the link lives through it");
}

/// A tunnel on the path carries shorter packets than before (RFC 8899, section 4.3), and sends no
/// error.
#[test]
fn a_path_with_a_smaller_mtu_is_noticed() {
    let scene = Scene::new(&Weather { length_max: 1_400, ..Weather::default() });
    let links = scene.run("at most 1,200 bytes from now on", || {
        scene.relay.set(&Weather { length_max: 1_200, ..Weather::default() });
    });
    assert_eq!(links, 1, "the link lives through it");
}

/// A router that forgets a client gives it another port or another address. Packets to the old one
/// are lost until the client sends something, which sharing readers do every second and others
/// every 20 s.
#[test]
fn a_client_whose_address_changes_keeps_its_link() {
    let moves = number("PROOF_NETWORK_MOVES", 8);
    let scene = Scene::new(&Weather { delay: ms(20), ..Weather::default() });
    let links = scene.run(&format!("moved {moves} times"), || {
        for _ in 0..moves {
            pause(ms(25));
            scene.relay.rebind();
        }
    });
    assert_eq!(links, 1);
}

#[test]
fn failed_sends_on_a_bad_network_are_reported() {
    let bad = Weather { lost: 600, ..Weather::default() };
    let scene = Scene::new(&Weather::default());
    let listener = scene.listen();
    scene.relay.set(&bad);
    let mut tally = Tally::default();
    for counter in 0..number("PROOF_NETWORK_SENDS", 6) {
        let value = Value { writer: SINGLE, counter };
        let answer = match scene.send(&value.to_string(), "2s") {
            Some(0) => Answer::Accepted,
            Some(69) => Answer::Unknown,
            code => panic!("{code:?}"),
        };
        tally.answer(value, answer);
    }
    let (shown, _) = scene.shown(listener);
    tally.report(&shown, true).check("60 % lost each way");
    // QUIC needs packets of 1,200 bytes (RFC 9000, section 14).
    scene.relay.set(&Weather { length_max: 1_199, ..Weather::default() });
    assert_eq!(scene.send("too long a way", "2s"), Some(69));
}

/// One round trip for the handshake, one for the message. The fastest of several sends counts,
/// because a busy machine adds time.
#[test]
fn a_cold_send_takes_two_round_trips() {
    let scene = Scene::new(&Weather::default());
    let best = |delay| {
        scene.relay.set(&Weather { delay, ..Weather::default() });
        let time = |_| {
            let begun = Instant::now();
            assert_eq!(scene.send("far", "20s"), Some(0));
            begun.elapsed()
        };
        (0..5).map(time).min().unwrap()
    };
    let (near, far) = (best(Duration::ZERO), best(FAR));
    println!("a cold send: {near:?}, with {FAR:?} each way {far:?}");
    let trips = |time: Duration| time.as_secs_f64() / (2.0 * FAR.as_secs_f64());
    // Less the time of the process itself, and including it.
    let (least, most) = (trips(far.saturating_sub(near)), trips(far));
    assert!(most >= 2.0 && least < 2.6, "{least} to {most} round trips");
}
