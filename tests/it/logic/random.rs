//! Random runs: events come in any order, links are cut and the server dies. Then the faults end,
//! and every promise must hold. `QMSG_SEED=n` repeats one run, `PROOF_SEEDS=n` makes n runs, from
//! `PROOF_FIRST` on.

mod faults;
mod levels;

use std::collections::BTreeMap;

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Draft, Event, Limits, LinkId};
use qmsg::wire::{CHUNK_LEN_MAX, Headers, MsgId, Seq, Target, UserId};

use super::client::Client;
use super::world::World;
use super::{draft, head, room};
use crate::chance::Chance;

const RUNS: u64 = 300;
const STEPS: usize = 600;
const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];
const TARGETS: [&str; 7] = ["alice", "bob", "carol", "@ops", "@dev", "@all", "nobody"];
const ROOMS: [&str; 2] = ["ops", "dev"];

/// Limits of a run. In half of the runs bundles are as long as a prefetch or longer; in half of
/// them the budget of all readers together holds two bundles.
fn limits(chance: &mut Chance) -> Limits {
    let (sends_max, send_bytes_max) = [(4, 200), (16, 1_200)][chance.below(2)];
    let (budget_bytes_max, budget_link_bytes_min) = [(1 << 30, 400), (900, 130)][chance.below(2)];
    Limits {
        links_max: 8,
        sends_max,
        send_bytes_max,
        prefetch_messages_max: 6,
        prefetch_bytes_max: 400,
        budget_bytes_max,
        budget_link_bytes_min,
        requests_max: 64,
        ..Limits::default()
    }
}

/// Quotas of a run. Half of the runs have logs so short that they overflow.
fn quotas(chance: &mut Chance) -> Quotas {
    let short = Quotas { log_messages_max: 8, log_bytes_max: 600, ..Quotas::default() };
    if chance.one_in(2) { short } else { Quotas::default() }
}

pub(super) struct Run {
    pub(super) world: World,
    pub(super) chance: Chance,
    sent: u64,
    /// True if some messages have a short time to live.
    pub(super) brief: bool,
    /// One message in this many has several chunks.
    long_in: usize,
    /// Most reads that are answered at the same time.
    reads: usize,
    /// True if users sometimes take parked messages out.
    takes: bool,
    /// The number of replies and rejections, each of which contains its own number.
    said: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        Self::chosen(Chance::new(seed))
    }

    /// A run with clients and this source of randomness.
    pub(super) fn chosen(chance: Chance) -> Self {
        let mut run = Self::with(chance, 8);
        for name in NAMES {
            let readers = if name == "bob" { 2 } else { 1 };
            for _ in 0..readers {
                let window = run.window();
                run.world.client(name, (name != "dave").then_some(window));
            }
        }
        run.lengths();
        run
    }

    /// A run without clients.
    pub(super) fn empty(seed: u64, links_max: usize) -> Self {
        Self::with(Chance::new(seed), links_max)
    }

    fn with(mut chance: Chance, links_max: usize) -> Self {
        let limits = Limits { links_max, ..limits(&mut chance) };
        let world = World::new(limits, quotas(&mut chance));
        let (takes, brief) = (chance.one_in(2), false);
        Self { world, chance, sent: 0, brief, long_in: 1_000, reads: 1, takes, said: 0 }
    }

    /// The prefetch of a reader, in messages and bytes.
    pub(super) fn window(&mut self) -> (u32, u64) {
        (1 + self.chance.below(8) as u32, [0, 90, 400][self.chance.below(3)])
    }

    /// Chooses the share of long messages.
    pub(super) fn lengths(&mut self) {
        self.long_in = [2, 10, 10, 10, 1_000, 1_000][self.chance.below(6)];
        self.reads = if self.long_in == 2 { 16 } else { 1 };
    }

    /// Takes random steps, then ends the faults. Bodies of many chunks take more steps.
    pub(super) fn run(&mut self, mut step: impl FnMut(&mut Self)) {
        let steps = if self.long_in == 2 { 4 * STEPS } else { STEPS };
        (0..steps).for_each(|_| step(self));
        self.finish();
    }

    pub(super) fn step(&mut self) {
        match self.chance.below(112) {
            0..40 => self.carry(),
            40..44 => {
                let client = self.client();
                self.world.give(client);
            }
            44..46 => {
                let client = self.client();
                self.world.take(client);
            }
            46..68 => self.serve(),
            68..80 => self.send(),
            80..90 => self.process(),
            90..94 => self.dialled(),
            94..96 => self.belong(),
            96..98 => {
                let ms = self.chance.below(400) as u64;
                self.world.pass(ms);
            }
            98..100 => self.fault(),
            _ => self.look_after(),
        }
    }

    fn line(&mut self) -> Option<LinkId> {
        let all: Vec<LinkId> = self.world.lines.keys().copied().collect();
        self.chance.pick(&all)
    }

    pub(super) fn client(&mut self) -> usize {
        self.chance.below(self.world.clients.len())
    }

    fn carry(&mut self) {
        let Some(link) = self.line() else { return };
        let most = if self.chance.one_in(3) { 200_000 } else { 300 };
        let count = 1 + self.chance.below(most);
        if self.chance.one_in(2) {
            self.world.up(link, count);
        } else {
            self.world.down(link, count);
        }
    }

    fn serve(&mut self) {
        let count = 1 + self.chance.below(self.reads);
        let server = &mut self.world.server;
        match self.chance.below(4) {
            0 => server.commit(),
            1 => server.answer_writes(),
            2 => (0..count).for_each(|_| server.look()),
            _ => (0..count).for_each(|_| server.answer_read()),
        }
        self.world.carry();
    }

    fn send(&mut self) {
        let (client, to) = (self.client(), self.chance.pick(&TARGETS).unwrap());
        // Some are larger than any window, some of several chunks.
        let long = self.chance.one_in(self.long_in);
        let len = match self.chance.below(8) {
            0 if long => 2 * CHUNK_LEN_MAX,
            _ if long => CHUNK_LEN_MAX + 1 + self.chance.below(9 * CHUNK_LEN_MAX),
            0 => 500,
            _ => self.chance.below(120),
        };
        if self.world.clients[client].peer.has_room() {
            let first = self.draft(to, len);
            let mut drafts = vec![first];
            // Mostly alike, so that they travel together; some have a longer body in between.
            for _ in 0..[0, 0, 2, 11][self.chance.below(4)] {
                let len = if self.chance.one_in(12) { len } else { self.chance.below(60) };
                let volatile = drafts[0].volatile ^ self.chance.one_in(12);
                drafts.push(Draft { volatile, ..self.draft(to, len) });
            }
            if self.chance.one_in(12) {
                drafts.push(self.later(to));
            }
            self.world.send_all(client, drafts);
        }
    }

    fn draft(&mut self, to: &str, len: usize) -> Draft {
        self.sent += 1;
        let is_whole = self.chance.one_in(2);
        let mut draft = if is_whole { draft } else { head }(self.sent, to, len);
        if self.brief && self.chance.one_in(4) {
            let ttl = ["0", "1"][self.chance.below(2)];
            draft.headers = Headers::new(vec![("ttl".into(), ttl.into())]).unwrap();
        }
        Draft { volatile: self.chance.one_in(6), ..draft }
    }

    fn process(&mut self) {
        let client = self.client();
        let todo = self.world.clients[client].todo.clone();
        let half = self.chance.one_in(2);
        let some: Vec<Seq> = todo.into_iter().filter(|_| !half || self.chance.one_in(2)).collect();
        let is_judged = |seq: &Seq| *seq > 0 && self.chance.one_in(4);
        let (judged, plain): (Vec<Seq>, Vec<Seq>) = some.into_iter().partition(is_judged);
        judged.into_iter().for_each(|seq| self.judge(client, seq));
        if !plain.is_empty() {
            self.world.process(client, plain);
        }
    }

    fn dialled(&mut self) {
        let dialing = |(_, client): &(usize, &Client)| client.dialing;
        let all = self.world.clients.iter().enumerate().filter(dialing);
        let all: Vec<usize> = all.map(|(index, _)| index).collect();
        let Some(client) = self.chance.pick(&all) else { return };
        if self.chance.one_in(4) {
            self.world.fail_dial(client);
        } else {
            self.world.connect(client);
        }
    }

    fn belong(&mut self) {
        let (client, room) = (self.client(), room(self.chance.pick(&ROOMS).unwrap()));
        let leaves = self.chance.one_in(3);
        let request = if leaves { Command::LeaveRoom(room) } else { Command::JoinRoom(room) };
        self.world.feed(client, request);
    }
}

/// Checks every promise when nothing is under way any more. Returns the number of inputs of the
/// hubs.
pub(super) fn check(run: &Run) -> u64 {
    let world = &run.world;
    for client in &world.clients {
        assert!(!client.over && !client.peer.is_waiting(), "{} is not done", client.user);
        check_answers(run, client);
    }
    for (record, readers) in world.server.store.owed() {
        for reader in readers {
            let mut clients = readers_of(world, reader).peekable();
            if clients.peek().is_none() {
                continue;
            }
            let seq = record.seq;
            let to = &record.bundle.first.to;
            assert!(clients.any(|client| client.shown.contains(&seq)), "{seq} to {to}: {reader}");
            let processed = world.server.store.is_processed(reader, seq);
            assert!(processed, "{seq} to {to} is not processed by {reader}");
        }
    }
    check_gaps(world);
    levels::check_verdicts(run);
    assert!(world.server.store.bodies.is_idle(), "uploads that nobody ends");
    world.server.events
}

fn readers_of<'a>(world: &'a World, user: &UserId) -> impl Iterator<Item = &'a Client> {
    let user = user.clone();
    let reads = |client: &&Client| client.user.as_str() != "dave";
    world.clients.iter().filter(reads).filter(move |client| client.user == user)
}

/// Checks that every send has one answer, which matches the store, and that the messages of one
/// client to one target are stored in the order in which they were sent.
fn check_answers(run: &Run, client: &Client) {
    let world = &run.world;
    let mut answers: BTreeMap<MsgId, bool> = BTreeMap::new();
    for event in &client.events {
        let (id, count, accepted) = match event {
            Event::Accepted { id, count, .. } => (id, *count, true),
            Event::Refused { id, count, .. } | Event::VolatileSent { id, count, .. } => {
                (id, *count, false)
            }
            Event::Uncertain { id } => (id, 1, false),
            _ => continue,
        };
        for behind in 0..u64::from(count) {
            assert_eq!(answers.insert(id.plus(behind), accepted), None, "two answers");
        }
    }
    let mut last: BTreeMap<&Target, Seq> = BTreeMap::new();
    for draft in &client.drafts {
        let seq = world.server.store.seq_of(&client.user, draft.id);
        let answer = answers.get(&draft.id);
        if draft.due_ms.is_some() {
            levels::check_later(run, client, draft, answer == Some(&true));
            continue;
        }
        let broken = world.server.store.bodies.broken.contains(&draft.id);
        let open = broken && answer == Some(&false);
        assert!(answer == Some(&seq.is_some()) || open, "{answer:?} for {}: {seq:?}", draft.id);
        // A message may be refused first, and accepted when it is sent again after a lost link:
        // then it comes after later ones.
        if let Some(seq) = seq.filter(|_| !world.server.store.refused.contains(&draft.id)) {
            assert!(last.insert(&draft.to, seq).is_none_or(|last| last < seq), "order of {seq}");
        }
    }
    assert_eq!(answers.len(), client.drafts.len());
}

/// Checks that gap notices told readers of at least as many messages as they did not see.
fn check_gaps(world: &World) {
    let mut gaps: BTreeMap<(&UserId, &Target), u64> = BTreeMap::new();
    for (user, log, seq) in &world.server.store.gaps {
        if readers_of(world, user).all(|client| !client.shown.contains(seq)) {
            *gaps.entry((user, log)).or_default() += 1;
        }
    }
    for ((user, log), unseen) in gaps {
        let lost = |event: &Event| match event {
            Event::Gap { to, count } if to == log => *count,
            _ => 0,
        };
        let told: u64 = readers_of(world, user).flat_map(|client| &client.events).map(lost).sum();
        let reads = readers_of(world, user).next().is_some();
        assert!(!reads || told >= unseen, "{user} was told of {told} lost in {log}, not {unseen}");
    }
}

#[test]
fn whatever_happens_the_promises_hold() {
    super::sweep::check_all("anything", RUNS, |seed| {
        let mut run = Run::new(seed);
        run.run(Run::step);
        check(&run)
    });
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |seed| {
        let mut run = Run::new(seed);
        run.world.record();
        run.run(Run::step);
        run.world.trace().unwrap()
    };
    for seed in 1..=10 {
        assert_eq!(trace(seed), trace(seed));
    }
    assert_ne!(trace(1), trace(2));
}
