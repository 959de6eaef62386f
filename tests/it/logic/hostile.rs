//! Clients that keep to no rule: the hub takes any frame in any state, and a later reader still
//! gets every message that is owed to its user. Each choice is random: from a seed, or from the
//! bytes of an input with which a fuzzer looks for a failing run.

mod frames;

use std::collections::BTreeSet;

use qmsg::durable::Quotas;
use qmsg::logic::{Limits, LinkId};
use qmsg::wire::{FromClient, FromServer, ParkedKind, Seq};

use super::server::{Said, Server, reports};
use super::sweep::check_all;
use super::{hello, key, processed, seqs, target, user};
use crate::chance::Chance;
use crate::memory::parked::Letter;

const RUNS: u64 = 1_000;
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const TARGETS: [&str; 6] = ["alice", "bob", "@ops", "@dev", "@all", "nobody"];
const STEPS: usize = 120;
/// Most milliseconds by which the wall clock is set.
const CLOCK_MS_OFF: usize = 12 * 60 * 60 * 1_000;
/// Milliseconds by which most scheduled messages are due.
const DUE_MS: u64 = 10_000;
/// Interval of the hub's looks at the clock, and of its retries after a full disk.
const LOOK_MS: u64 = 60_000;

struct Run {
    server: Server,
    chance: Chance,
    /// Links, most of them open, each with its user.
    links: Vec<(LinkId, &'static str)>,
    /// Acks of users for their deliveries.
    reported: BTreeSet<(&'static str, Seq)>,
}

/// Makes one whole run. Returns the number of inputs of its hubs.
pub(crate) fn run(chance: Chance) -> u64 {
    let mut run = Run::new(chance);
    for _ in 0..STEPS {
        if run.chance.is_spent() {
            break;
        }
        run.step();
    }
    run.finish()
}

impl Run {
    fn new(mut chance: Chance) -> Self {
        let (budget_bytes_max, budget_link_bytes_min) =
            [(1 << 30, 400), (900, 130)][chance.below(2)];
        let limits = Limits {
            sends_max: 6,
            send_bytes_max: 500,
            links_max: 6,
            budget_bytes_max,
            budget_link_bytes_min,
            ..Limits::default()
        };
        let quotas = Quotas { log_messages_max: 9, ..Quotas::default() };
        let mut server = Server::new(limits, quotas);
        for name in NAMES {
            let link = server.link(name);
            server.lose(link);
        }
        Self { server, chance, links: vec![], reported: BTreeSet::new() }
    }

    fn step(&mut self) {
        let Self { server, chance, links, .. } = self;
        match chance.below(64) {
            0..6 => self.open(),
            6 => _ = chance.pick(links).map(|(link, _)| server.lose(link)),
            7..40 => self.say(),
            40..45 => server.commit(),
            45..50 => server.answer_writes(),
            50..55 => server.look(),
            55..60 => server.answer_read(),
            60 => server.work(),
            61 => server.pass(chance.below(4_000) as u64),
            _ => self.fault(),
        }
    }

    /// Opens a link. Most links say hello and subscribe; few would get far otherwise.
    fn open(&mut self) {
        let Self { server, chance, links, .. } = self;
        let name = NAMES[chance.below(NAMES.len())];
        let link = server.open(key(name));
        links.push((link, name));
        let kind = chance.below(8);
        if kind > 0 {
            server.say(link, hello(name));
        }
        if kind > 3 {
            server.say(link, frames::attach(chance));
        }
        if kind > 1 {
            server.work();
        }
    }

    fn say(&mut self) {
        let Self { server, chance, links, reported } = self;
        links.retain(|(link, _)| server.has_link(*link));
        let Some((link, name)) = chance.pick(links) else { return };
        let unsettled = server.unsettled(link);
        for frame in frames::some(chance, &unsettled) {
            let spans = reports(&frame);
            let is_named = |seq: &&Seq| spans.iter().any(|span| span.contains(**seq));
            reported.extend(unsettled.iter().filter(is_named).map(|seq| (name, *seq)));
            server.say(link, frame);
        }
    }

    fn fault(&mut self) {
        let Self { server, chance, .. } = self;
        match chance.below(8) {
            0 => server.crash(),
            1 => server.store.disk_full ^= true,
            2 => server.store.bodies.is_full ^= true,
            3 => server.set_clock(chance.below(2 * CLOCK_MS_OFF) as i64 - CLOCK_MS_OFF as i64),
            4 => {
                let seqs: Vec<Seq> = server.store.owed().map(|(record, _)| record.seq).collect();
                _ = chance.pick(&seqs).map(|seq| server.store.rot(seq));
            }
            _ => {
                let (log, seq) = (target(TARGETS[chance.below(5)]), chance.below(40) as Seq);
                if server.store.has_log(&log) {
                    server.store.remove(&log, seq);
                }
            }
        }
    }

    /// Ends the faults and all links. Later readers then get all owed messages.
    fn finish(mut self) -> u64 {
        let server = &mut self.server;
        (server.store.disk_full, server.store.bodies.is_full) = (false, false);
        server.set_clock(0);
        self.links.into_iter().for_each(|(link, _)| server.lose(link));
        server.work();
        assert!(server.store.bodies.is_idle(), "uploads that nobody ends");
        for _ in 0..3 {
            server.pass(LOOK_MS);
            server.work();
        }
        let now_ms = server.now.unix_ms;
        let is_overdue =
            |letter: &Letter| letter.drawer == ParkedKind::Scheduled && letter.due_ms <= now_ms;
        assert!(!server.store.drawers.all().any(is_overdue), "overdue");
        for name in NAMES {
            let is_reported = |seq: Seq| self.reported.contains(&(name, seq));
            let is_sound = |(seq, processed): (Seq, bool)| !processed || is_reported(seq);
            assert!(owed(server, name).all(is_sound), "{name} reported less");
            read_all(server, name);
        }
        server.events
    }
}

/// Messages that a user is to be shown, or was shown, each with whether its ack is recorded.
fn owed(server: &Server, name: &str) -> impl Iterator<Item = (Seq, bool)> {
    let user = user(name);
    server.store.owed().filter_map(move |(record, readers)| {
        let seq = record.seq;
        readers.contains(&user).then_some((seq, server.store.is_processed(&user, seq)))
    })
}

/// Reads and acks everything for a user.
fn read_all(server: &mut Server, name: &str) {
    let unread = |server: &Server| -> BTreeSet<Seq> {
        owed(server, name).filter(|(_, processed)| !processed).map(|(seq, _)| seq).collect()
    };
    let waiting = unread(server);
    let link = server.reader(name);
    let mut shown: BTreeSet<Seq> = BTreeSet::new();
    loop {
        let said = server.heard(link);
        let is_part = |said: &&Said| matches!(said, Said::Frame(FromServer::Chunk(_)));
        let parts = said.iter().filter(is_part).count() as u32;
        let lost = said.iter().filter_map(|said| match said {
            Said::Frame(FromServer::Gap { seq, .. }) => Some(*seq),
            _ => None,
        });
        let some: Vec<Seq> = lost.chain(seqs(&said)).collect();
        if parts == 0 && some.is_empty() {
            break;
        }
        shown.extend(some.iter());
        if parts > 0 {
            server.say(link, FromClient::ChunkCredit { parts });
        }
        if !some.is_empty() {
            server.say(link, processed(some));
        }
    }
    assert!(server.has_link(link), "closed on {name}");
    // Expired messages are no longer owed.
    for (seq, _) in owed(server, name).filter(|(seq, _)| waiting.contains(seq)) {
        assert!(shown.contains(&seq), "{seq} was not shown to {name}");
    }
    assert_eq!(unread(server), BTreeSet::new(), "not processed by {name}");
    server.lose(link);
}

#[test]
fn any_frame_in_any_state_is_taken() {
    check_all("clients that keep to nothing", RUNS, |seed| run(Chance::new(seed)));
}

#[test]
fn what_was_found_is_run_again() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/corpus/hub");
    let inputs: Vec<_> = std::fs::read_dir(corpus).unwrap().collect();
    assert!(inputs.len() >= 20, "{} inputs", inputs.len());
    for input in inputs {
        run(Chance::of(&std::fs::read(input.unwrap().path()).unwrap()));
    }
}
