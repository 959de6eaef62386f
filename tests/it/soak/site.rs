//! A server with its writers and readers.

use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::reader::Reader;
use crate::chance::Chance;
use crate::real::kit::{DEADLINE, Home, Server, start_with};
use crate::real::relay::{Relay, Weather};
use crate::real::wait::StopOnDrop;
use crate::tally::{Answer, Tally, Value};

const WRITERS: u32 = 2;
/// Targets of the writers. A writer has another number for each.
const TARGETS: [&str; 3] = ["bob", "@ops", "@all"];
/// Readers, each with the targets that reach it.
const READERS: [(&str, &[usize]); 2] = [("bob", &[0, 1, 2]), ("carol", &[1, 2])];
/// Step between the writers' numbers of one target and the next.
const WRITER_STEP: u32 = 100;
/// Time that a sender keeps trying; a server is never away that long.
const PATIENCE: &str = "60s";
/// Lines sent by one command.
const LINES: u64 = 40;

pub(super) struct Site {
    pub(super) home: Arc<Home>,
    /// Missing only during a restart.
    server: Option<Server>,
    address: String,
    pub(super) relay: Relay,
    pub(super) readers: Vec<Reader>,
    writers: Vec<JoinHandle<()>>,
    tallies: Arc<Mutex<[Tally; TARGETS.len()]>>,
    over: StopOnDrop,
}

impl Site {
    pub(super) fn new(seed: u64) -> Self {
        let home = Arc::new(Home::new());
        let server = home.serve(&["--keep", "1m"]);
        home.join(&server, &["alice", "bob", "carol"]);
        let address = server.address.clone();
        for id in ["bob", "carol"] {
            home.run(&["join", "@ops", "--as", id, "-s", &address]).ok();
        }
        let relay = Relay::in_weather(&address, &Weather::default(), &Weather::default());
        let readers = READERS.map(|(id, targets)| Reader::new(&home, &relay, id, targets));
        let readers = readers.into_iter().collect();
        let (tallies, over) = (Arc::default(), StopOnDrop::default());
        let mut site = Self {
            home,
            server: Some(server),
            address,
            relay,
            readers,
            writers: vec![],
            tallies,
            over,
        };
        site.writers = (0..WRITERS).map(|writer| site.writer(writer, seed)).collect();
        site
    }

    pub(super) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Ends the server and starts another one.
    pub(super) fn restart(&mut self, end: impl FnOnce(Server)) {
        self.server.take().map(end);
        self.server = Some(self.home.serve_on(&self.address, &["--keep", "1m"]));
    }

    /// Accepted messages of each target.
    pub(super) fn sent(&self) -> [u64; TARGETS.len()] {
        self.tallies.lock().unwrap().each_ref().map(Tally::accepted)
    }

    /// Kills a listener and starts another one.
    pub(super) fn kill_reader(&mut self, which: usize) {
        self.readers[which].kill(&self.home, &self.relay);
    }

    fn writer(&self, writer: u32, seed: u64) -> JoinHandle<()> {
        let mut chance = Chance::new(seed * 1_000 + u64::from(writer));
        let (home, over) = (Arc::clone(&self.home), self.over.flag());
        let (tallies, relay) = (Arc::clone(&self.tallies), self.relay.address.clone());
        thread::spawn(move || {
            let mut counters = [0; TARGETS.len()];
            while !over.is_over() {
                let target = chance.below(TARGETS.len());
                let count = if chance.one_in(8) { LINES } else { 1 };
                let first = counters[target];
                counters[target] += count;
                let writer = target as u32 * WRITER_STEP + writer;
                let values = (first..first + count).map(|counter| Value { writer, counter });
                let lines: String = values.clone().map(|value| format!("{value}\n")).collect();
                let common = ["--as", "alice", "-q", "--timeout", PATIENCE, "-s", &relay];
                let args = [&["send", "-l", TARGETS[target]], &common[..]].concat();
                let sending = start_with(home.command(&args), lines.into());
                // Some senders are killed before they have finished.
                let time = if chance.one_in(20) {
                    Duration::from_millis(chance.below(15) as u64)
                } else {
                    DEADLINE * 2
                };
                let is_done = sending.end_or_kill(time).code == Some(0);
                let answer = if is_done { Answer::Accepted } else { Answer::Unknown };
                let tally = &mut tallies.lock().unwrap()[target];
                values.for_each(|value| tally.answer(value, answer));
            }
        })
    }

    /// Ends the writers and lets the readers finish; then every message must have arrived.
    pub(super) fn end(self, name: &str) {
        drop(self.over);
        for writer in self.writers {
            writer.join().unwrap();
        }
        for to in TARGETS {
            let body = format!("last-{to}");
            self.home.run(&["send", to, "--as", "alice", "-s", &self.address, &body]).ok();
        }
        let tallies = self.tallies.lock().unwrap();
        for reader in self.readers {
            let (id, targets) = (reader.id, reader.targets);
            let (shown, repeated) =
                reader.end(&targets.iter().map(|at| TARGETS[*at]).collect::<Vec<_>>());
            for &target in targets {
                let is_of = |value: &&Value| value.writer / WRITER_STEP == target as u32;
                let shown: Vec<Value> = shown.iter().filter(is_of).copied().collect();
                let to = TARGETS[target];
                let run = format!("{name}: {to} to {id}, in all {repeated} repeated after kills");
                tallies[target].report(&shown, true).check(&run);
            }
        }
    }
}
