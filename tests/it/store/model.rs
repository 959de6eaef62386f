//! Comparison of the engine on SQLite with the engine in memory, on arbitrary batches.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use qmsg::durable::{
    Disposition, Found, Outcome, PageItem, Quotas, Read, Record, StoredCursor, Write,
};
use qmsg::wire::{Message, ParkedKind, ParkedMessage, Target};
use tempfile::TempDir;

use super::drawers::withdraw;
use super::scheduling::{release, schedule};
use super::standings::{answered, rejected};
use super::uploads::{PART, begin, body, bytes, discard, finish, long, part, rows, sweep_all};
use super::{
    NOW_MS, Rig, append_all, bundle, claim, cursor, each, enter, leave, message, settle, target,
};
use crate::memory::{MemoryStore, Most};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const TARGETS: [&str; 6] = ["alice", "bob", "carol", "@ops", "@dev", "@all"];
const QUOTAS: Quotas = Quotas {
    log_messages_max: 5,
    log_bytes_max: 10 * PART as u64,
    users_max: 3,
    rooms_max: 2,
    memberships_max: 1,
    duplicate_window_ms: u64::MAX,
    keep_processed_ms: u64::MAX,
    keep_unprocessed_ms: u64::MAX,
    store_bytes_max: 0,
};
const MINUTE_MS: u64 = 60_000;
const SAID_MS: u64 = 7;

#[derive(Clone, Debug)]
enum Step {
    Append {
        from: usize,
        to: usize,
        n: u32,
        /// Number of messages; their ids are consecutive.
        count: u32,
        length: usize,
    },
    /// Acks this many messages of a log, with a disposition of the last.
    Settle {
        user: usize,
        log: usize,
        count: usize,
        said: Option<Disposition>,
    },
    Schedule {
        user: usize,
        to: usize,
        n: u32,
        length: usize,
        minute: u64,
    },
    Release {
        minute: u64,
    },
    Withdraw {
        user: usize,
        drawer: ParkedKind,
        n: Option<u32>,
        back: bool,
    },
    Enter {
        user: usize,
        room: usize,
    },
    Leave {
        user: usize,
        room: usize,
    },
    /// Begins an upload of this many chunks, and perhaps ends it too.
    Begin {
        from: usize,
        to: usize,
        n: u32,
        parts: usize,
        whole: bool,
    },
    /// Sends the next chunk of an upload, completes it, or completes it too early.
    Part(usize),
    End(usize),
    Discard(usize),
    EndBatch,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize, 0..6_usize, 0..60_u32, 1..7_u32, 0..40_usize).prop_map(
            |(from, to, n, count, length)| Step::Append { from, to, n, count, length }),
        6 => (0..3_usize, 0..6_usize, 1..4_usize, verdicts()).prop_map(
            |(user, log, count, said)| Step::Settle { user, log, count, said }),
        4 => (0..3_usize, 0..6_usize, 0..60_u32, 0..40_usize, 0..5_u64).prop_map(
            |(user, to, n, length, minute)| Step::Schedule { user, to, n, length, minute }),
        2 => (0..5_u64).prop_map(|minute| Step::Release { minute }),
        3 => (0..3_usize, any::<bool>(), 0..120_u32, any::<bool>()).prop_map(
            |(user, dead, n, back)| {
                let drawer = if dead { ParkedKind::DeadLetters } else { ParkedKind::Scheduled };
                Step::Withdraw { user, drawer, n: (n < 60).then_some(n), back }
            }),
        2 => (0..3_usize, 3..5_usize).prop_map(|(user, room)| Step::Enter { user, room }),
        1 => (0..3_usize, 3..5_usize).prop_map(|(user, room)| Step::Leave { user, room }),
        6 => (0..3_usize, 0..6_usize, 0..60_u32, 2..6_usize, any::<bool>()).prop_map(
            |(from, to, n, parts, whole)| Step::Begin { from, to, n, parts, whole }),
        5 => (0..9_usize).prop_map(Step::Part),
        3 => (0..9_usize).prop_map(Step::End),
        1 => (0..9_usize).prop_map(Step::Discard),
        3 => any::<()>().prop_map(|()| Step::EndBatch),
        1 => any::<()>().prop_map(|()| Step::Reopen),
    ];
    proptest::collection::vec(step, 1..90)
}

fn verdicts() -> impl Strategy<Value = Option<Disposition>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(answered("yes"))),
        4 => (0..9_u32).prop_map(|attempts| Some(rejected(attempts, "no"))),
        1 => Just(Some(Disposition::Expired)),
    ]
}

/// A body being uploaded.
struct Partial {
    name: u64,
    message: Message,
    n: u32,
    sent: usize,
}

impl Partial {
    /// Returns the next chunk. One beyond the end is empty.
    fn next(&mut self) -> Write {
        let size = self.message.size as usize;
        let at = self.sent * PART;
        self.sent = (self.sent + 1).min(size.div_ceil(PART));
        part(self.name, bytes(self.n, size).slice(at.min(size)..size.min(at + PART)))
    }

    fn end(&self) -> Write {
        finish(self.name, self.message.clone())
    }
}

/// A batch of writes for both engines.
struct Writes {
    memory: MemoryStore,
    uploads: Vec<Partial>,
    batch: Vec<Write>,
    expected: Vec<Outcome>,
}

impl Writes {
    fn add(&mut self, write: Write) {
        self.expected.push(self.memory.write(&write));
        self.batch.push(write);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append { from, to, n, count, length } => {
                let one = |n| message(USERS[from], TARGETS[to], n, length);
                self.add(append_all(bundle((n..n + count).map(one))));
            }
            Step::Settle { user, log, .. } if log < 3 && user != log => {}
            Step::Settle { user, log, count, said } => {
                let write = self.settle_some(USERS[user], TARGETS[log], count, said);
                self.add(write);
            }
            Step::Schedule { user, to, n, length, minute } => {
                let message = message(USERS[user], TARGETS[to], n, length);
                self.add(schedule(message, NOW_MS + minute * MINUTE_MS));
            }
            Step::Release { minute } => self.add(release(NOW_MS + minute * MINUTE_MS)),
            Step::Withdraw { user, drawer, n, back } => {
                let id = n.map(|n| message("alice", "bob", n, 0).id);
                self.add(withdraw(USERS[user], drawer, id, back));
            }
            Step::Enter { user, room: no } => self.add(enter(USERS[user], room(no))),
            Step::Leave { user, room: no } => self.add(leave(USERS[user], room(no))),
            Step::Begin { from, to, n, parts, whole } => {
                let from = USERS[from].parse().unwrap();
                let message = Message { from, ..long(TARGETS[to], n, parts * PART - 7) };
                let name = self.uploads.len() as u64;
                self.add(begin(name, message.clone()));
                self.uploads.push(Partial { name, message, n, sent: 1 });
                if whole {
                    (1..parts).for_each(|_| self.upload(0, Partial::next));
                    self.upload(0, |upload| upload.end());
                }
            }
            Step::Part(which) => self.upload(which, Partial::next),
            Step::End(which) => self.upload(which, |upload| upload.end()),
            Step::Discard(which) => self.upload(which, |upload| discard(upload.name)),
            Step::EndBatch | Step::Reopen => unreachable!(),
        }
    }

    /// Makes a write for one of the latest uploads.
    fn upload(&mut self, which: usize, write: impl FnOnce(&mut Partial) -> Write) {
        if let Some(upload) = self.uploads.iter_mut().rev().nth(which % 3) {
            let write = write(upload);
            self.add(write);
        }
    }

    /// Makes an ack of `count` messages with a disposition of the last.
    fn settle_some(&self, user: &str, log: &str, count: usize, said: Option<Disposition>) -> Write {
        let before = self.memory.find_cursor(&user.parse().unwrap(), &target(log));
        let through = before.map_or(0, |cursor| cursor.through);
        let records = self.memory.records(&target(log)).filter(|record| record.seq > through);
        let taken: Vec<&Record> = records.take(count).collect();
        let Some(last) = taken.last() else {
            return settle(user, log, before.cloned().unwrap_or_default(), 0, 0);
        };
        let bytes = taken.iter().map(|record| record.bundle.first.len_bytes()).sum();
        let to = cursor(last.seq, last.ordinal, &[]);
        let mut write = settle(user, log, to, taken.len() as u64, bytes);
        if let (Some(said), Write::Ack { verdicts, .. }) = (said, &mut write) {
            verdicts.push((last.seq, said, SAID_MS));
        }
        write
    }
}

fn room(no: usize) -> &'static str {
    TARGETS[no].strip_prefix('@').unwrap()
}

fn check(steps: Vec<Step>) {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::open(dir.path(), QUOTAS);
    let mut memory = MemoryStore::new(QUOTAS);
    memory.most = Most::MANY;
    let mut writes = Writes { memory, uploads: vec![], batch: vec![], expected: vec![] };
    USERS.iter().for_each(|user| writes.add(claim(user)));
    for step in [Step::EndBatch].into_iter().chain(steps).chain([Step::EndBatch, Step::Reopen]) {
        match step {
            Step::EndBatch => {
                let outcomes = rig.outcomes(std::mem::take(&mut writes.batch));
                let expected = std::mem::take(&mut writes.expected);
                let brief = |outcomes: Vec<_>| outcomes.into_iter().map(brief).collect::<Vec<_>>();
                assert_eq!(brief(outcomes), brief(expected));
                compare(&mut rig, &writes.memory);
            }
            Step::Reopen if writes.batch.is_empty() => {
                rig.store.close();
                rig = Rig::open(dir.path(), QUOTAS);
                writes.memory.bodies.restart();
                writes.uploads.clear();
                compare(&mut rig, &writes.memory);
            }
            Step::Reopen => {}
            step => writes.step(step),
        }
    }
    sweep_all(&mut rig, 0);
    assert_eq!(rows(&dir).0, parts(&writes.memory) as i64);
}

/// Counts the chunks of all stored and parked bodies. Copies of a message share them.
fn parts(memory: &MemoryStore) -> usize {
    let kept = memory.drawers.all().filter_map(|letter| letter.parts.clone());
    let logs = TARGETS.iter().flat_map(|log| memory.records(&target(log)));
    let of_log = |record: &Record| {
        let count = record.bundle.first.size.div_ceil(PART as u64);
        (record.parts..record.parts + count).map(|at| memory.bodies.read(at).unwrap()).collect()
    };
    let long = logs.filter(|record| record.parts > 0).map(of_log);
    let all = long.chain(kept).flatten();
    all.map(|part: qmsg::wire::Body| part.0.as_ptr()).collect::<BTreeSet<_>>().len()
}

/// Returns an outcome without chunk numbers, which each engine chooses itself.
fn brief(mut outcome: Outcome) -> Outcome {
    let records = match &mut outcome {
        Outcome::ReleaseDue(Ok(due)) => &mut due.records,
        Outcome::TakeParked(Ok(taken)) => &mut taken.records,
        _ => return outcome,
    };
    records.iter_mut().for_each(|record| record.parts = 0);
    outcome
}

fn compare(rig: &mut Rig, memory: &MemoryStore) {
    for name in USERS {
        for log in TARGETS {
            compare_logs(rig, memory, name, log);
        }
        let user = || name.parse().unwrap();
        let mailbox = Read::Mailbox { user: user() };
        assert_eq!(mailboxes(rig.read(mailbox.clone())), mailboxes(memory.read(&mailbox)));
        for drawer in [ParkedKind::DeadLetters, ParkedKind::Scheduled] {
            let real = all_parked(|after| rig.read(Read::Parked { user: user(), drawer, after }));
            let known =
                all_parked(|after| memory.read(&Read::Parked { user: user(), drawer, after }));
            assert_eq!(real, known);
        }
    }
    for log in TARGETS {
        for record in memory.records(&target(log)) {
            let message = record.bundle.first.clone();
            let (id, from, to) = (message.id, message.from.clone(), message.to.clone());
            let (seq, after) = (record.seq, None);
            let recipients = Read::Recipients { to: to.clone(), seq, from: from.clone(), after };
            assert_eq!(rig.read(recipients.clone()), memory.read(&recipients), "{seq} in {to}");
            let find = Read::FindMessage { to, id, from };
            assert_eq!(rig.read(find.clone()), memory.read(&find));
        }
    }
}

/// Compares a log as a user reads it, with all bodies.
fn compare_logs(rig: &mut Rig, memory: &MemoryStore, user: &str, log: &str) {
    let (logs, reader) = (vec![(target(log), 0)], user.parse().unwrap());
    let read = Read::Page { logs, reader, messages: u32::MAX, bytes: u64::MAX };
    let (found, known) = (rig.read(read.clone()), memory.read(&read));
    let (Found::Page(found), Found::Page(known)) = (found, known) else { panic!("no pages") };
    assert_eq!((found.through, found.complete), (known.through, known.complete));
    let items = each(found.items);
    for item in &items {
        if let PageItem::Messages(record) = item
            && record.parts > 0
        {
            let message = &record.bundle.first;
            assert_eq!(body(rig, record), bytes(message.body.0[0].into(), message.size as usize));
        }
    }
    assert_eq!(without_parts(items), without_parts(each(known.items)), "{user} in {log}");
}

fn without_parts(mut items: Vec<PageItem>) -> Vec<PageItem> {
    for item in &mut items {
        if let PageItem::Messages(record) = item {
            record.parts = 0;
        }
    }
    items
}

fn mailboxes(found: Found) -> BTreeMap<Target, StoredCursor> {
    let Found::Mailbox(logs) = found else { panic!("{found:?}") };
    logs.into_iter().collect()
}

/// Returns all pages of parked messages without their numbers, whose order alone counts.
fn all_parked(mut page: impl FnMut(u64) -> Found) -> Vec<ParkedMessage> {
    let (mut all, mut after) = (vec![], 0);
    loop {
        let Found::Parked(page, more) = page(after) else { panic!("no page") };
        for parked in page {
            assert!(parked.number > after);
            after = parked.number;
            all.push(ParkedMessage { number: 0, ..parked });
        }
        if !more {
            return all;
        }
    }
}

#[test]
fn behaves_like_the_engine_in_memory() {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            check(steps);
            Ok(())
        })
        .unwrap();
}
