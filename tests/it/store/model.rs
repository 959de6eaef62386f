//! The store against a naive one in memory, on arbitrary batches.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use qmsg::durable::{Cursor, Item, Outcome, Quotas, Write};
use qmsg::wire::{Message, Seq};
use tempfile::TempDir;

use super::uploads::{
    KEPT, PART, begin, body, bytes, discard, finish, long, part, rows, sweep_all,
};
use super::{Rig, append_all, bundle, cursor, each, enter, leave, member, message, settle, stored};
use crate::logic::joining::mixed;

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

#[derive(Clone, Debug)]
enum Step {
    Append {
        from: usize,
        to: usize,
        n: u32,
        /// So many, with this id and those behind it.
        count: u32,
        length: usize,
    },
    /// Processes this many messages of a log.
    Settle {
        user: usize,
        log: usize,
        count: usize,
    },
    Enter {
        user: usize,
        room: usize,
    },
    Leave {
        user: usize,
        room: usize,
    },
    /// Begins an upload of so many parts, and perhaps ends it too.
    Begin {
        from: usize,
        to: usize,
        n: u32,
        parts: usize,
        whole: bool,
    },
    /// The next part of one of the uploads, its end, or its early one.
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
        4 => (0..3_usize, 0..6_usize, 1..4_usize)
            .prop_map(|(user, log, count)| Step::Settle { user, log, count }),
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

#[derive(Default)]
struct Log {
    exists: bool,
    /// Seq, ordinal, bytes, sender.
    messages: Vec<(Seq, u64, u64, usize)>,
    last: (Seq, u64),
    removed: Option<(Seq, u64)>,
}

#[derive(Default)]
struct Model {
    last_seq: Seq,
    logs: [Log; 6],
    sent: Vec<(usize, u32)>,
    cursors: BTreeMap<(usize, usize), Cursor>,
    uploads: Vec<Partial>,
}

/// A body on its way.
struct Partial {
    name: u64,
    message: Message,
    from: usize,
    to: usize,
    n: u32,
    /// Parts that are there; `None` if there is no upload any more.
    written: Option<usize>,
}

impl Model {
    fn append(&mut self, from: usize, to: usize, n: u32, length: usize) -> Outcome {
        if let Some(refused) = self.refusal(from, to, n, length) {
            return refused;
        }
        let log = &mut self.logs[to];
        self.sent.push((from, n));
        self.last_seq += 1;
        log.last = (self.last_seq, log.last.1 + 1);
        log.messages.push((log.last.0, log.last.1, length as u64, from));
        let over = |m: &[(Seq, u64, u64, usize)]| {
            let bytes = m.iter().map(|(_, _, bytes, _)| bytes).sum::<u64>();
            m.len() > 5 || bytes > QUOTAS.log_bytes_max
        };
        while to > 2 && log.messages.len() > 1 && over(&log.messages) {
            let (seq, ordinal, ..) = log.messages.remove(0);
            log.removed = Some((seq, ordinal));
        }
        stored(log.last.0, log.last.1)
    }

    fn refusal(&self, from: usize, to: usize, n: u32, length: usize) -> Option<Outcome> {
        if to > 2 && to < 5 && !self.logs[to].exists {
            return Some(Outcome::UnknownTarget);
        }
        if self.sent.contains(&(from, n)) {
            return Some(Outcome::Duplicate);
        }
        let through = if to < 3 { self.through(to, to) } else { 0 };
        let kept = self.logs[to].messages.iter().filter(|(seq, ..)| *seq > through);
        let (count, sum) = kept.fold((1, length as u64), |(count, sum), m| (count + 1, sum + m.2));
        let full = to < 3 && count > 1 && (count > 5 || sum > QUOTAS.log_bytes_max);
        full.then_some(Outcome::Full)
    }

    fn begin(&mut self, from: usize, to: usize, n: u32, parts: usize) -> (Write, Outcome) {
        let name = self.uploads.len() as u64;
        let from_user = USERS[from].parse().unwrap();
        let message = Message { from: from_user, ..long(TARGETS[to], n, parts * PART - 7) };
        let refused = self.refusal(from, to, n, message.size as usize);
        let written = refused.is_none().then_some(1);
        self.uploads.push(Partial { name, message: message.clone(), from, to, n, written });
        (begin(name, message), refused.unwrap_or(KEPT))
    }

    /// The next part of an upload, and what comes of it.
    fn part(&mut self, which: usize) -> Option<(Write, Outcome)> {
        let upload = self.upload(which)?;
        let size = upload.message.size as usize;
        let at = upload.written.unwrap_or(1) * PART;
        let body = bytes(upload.n, size).slice(at.min(size)..size.min(at + PART));
        // One too many is empty.
        let parts = size.div_ceil(PART);
        upload.written = upload.written.map(|written| parts.min(written + 1));
        Some((part(upload.name, body), KEPT))
    }

    fn end(&mut self, which: usize) -> Option<(Write, Outcome)> {
        let &mut Partial { name, ref message, from, to, n, ref mut written } =
            self.upload(which)?;
        let (message, size) = (message.clone(), message.size as usize);
        let whole = written.take() == Some(size.div_ceil(PART));
        let outcome = if whole { self.append(from, to, n, size) } else { Outcome::DiskFull };
        Some((finish(name, message), outcome))
    }

    fn discard(&mut self, which: usize) -> Option<(Write, Outcome)> {
        let upload = self.upload(which)?;
        upload.written = None;
        Some((discard(upload.name), KEPT))
    }

    /// One of the latest.
    fn upload(&mut self, which: usize) -> Option<&mut Partial> {
        self.uploads.iter_mut().rev().nth(which % 3)
    }

    fn through(&self, user: usize, log: usize) -> Seq {
        self.cursors.get(&(user, log)).map_or(0, |cursor| cursor.through)
    }

    /// Where the next messages of a log end, how many of them there are, and their bytes.
    fn advance(&self, user: usize, log: usize, count: usize) -> (Cursor, u64, u64) {
        let through = self.through(user, log);
        let next = self.logs[log].messages.iter().filter(|(seq, ..)| *seq > through);
        let taken: Vec<_> = next.take(count).collect();
        let Some(&&(seq, ordinal, ..)) = taken.last() else {
            return (self.cursors.get(&(user, log)).cloned().unwrap_or_default(), 0, 0);
        };
        let bytes = taken.iter().map(|m| m.2).sum();
        (cursor(seq, ordinal, &[]), taken.len() as u64, bytes)
    }

    fn enter(&mut self, user: usize, room: usize) -> Outcome {
        if let Some(cursor) = self.cursors.get(&(user, room)) {
            return member(false, cursor.clone());
        }
        if self.cursors.keys().any(|&(u, log)| u == user && (3..5).contains(&log)) {
            return Outcome::Full;
        }
        let log = &mut self.logs[room];
        log.exists = true;
        let at = cursor(log.last.0, log.last.1, &[]);
        self.cursors.insert((user, room), at.clone());
        member(true, at)
    }

    fn items(&self, user: usize, log: usize) -> Vec<(Seq, u64, bool)> {
        let removed = self.logs[log].removed.map(|(seq, ordinal)| (seq, ordinal, true));
        let others = self.logs[log].messages.iter().filter(|m| log < 3 || m.3 != user);
        removed.into_iter().chain(others.map(|m| (m.0, m.1, false))).collect()
    }
}

fn check(steps: Vec<Step>) {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, QUOTAS, &USERS);
    let mut model = Model::default();
    let (mut writes, mut expected) = (Vec::new(), Vec::new());
    for step in steps.into_iter().chain([Step::EndBatch, Step::Reopen]) {
        let room = |room: usize| &TARGETS[room][1..];
        let mut add = |write: Option<(Write, Outcome)>| {
            let (write, outcome) = write.unzip();
            writes.extend(write);
            expected.extend(outcome);
        };
        match step {
            Step::Append { from, to, n, count, length } => {
                let one = |n| message(USERS[from], TARGETS[to], n, length);
                writes.push(append_all(bundle((n..n + count).map(one))));
                let each = (n..n + count).map(|n| model.append(from, to, n, length));
                expected.push(mixed(each.collect()));
            }
            Step::Settle { user, log, .. } if log < 3 && user != log => {}
            Step::Settle { user, log, count } => {
                let (to, messages, bytes) = model.advance(user, log, count);
                writes.push(settle(USERS[user], TARGETS[log], to.clone(), messages, bytes));
                expected.push(Outcome::Settled);
                let membership = (3..5).contains(&log);
                if !membership || model.cursors.contains_key(&(user, log)) {
                    model.cursors.insert((user, log), to);
                }
            }
            Step::Enter { user, room: no } => {
                writes.push(enter(USERS[user], room(no)));
                expected.push(model.enter(user, no));
            }
            Step::Leave { user, room: no } => {
                writes.push(leave(USERS[user], room(no)));
                let changed = model.cursors.remove(&(user, no)).is_some();
                expected.push(member(changed, Cursor::default()));
            }
            Step::Begin { from, to, n, parts, whole } => {
                add(Some(model.begin(from, to, n, parts)));
                if whole {
                    (1..parts).for_each(|_| add(model.part(0)));
                    add(model.end(0));
                }
            }
            Step::Part(which) => add(model.part(which)),
            Step::End(which) => add(model.end(which)),
            Step::Discard(which) => add(model.discard(which)),
            Step::EndBatch => {
                assert_eq!(rig.commit(std::mem::take(&mut writes)), expected);
                expected.clear();
                compare(&mut rig, &model);
            }
            Step::Reopen if writes.is_empty() => {
                rig.store.close();
                rig = Rig::open(dir.path(), QUOTAS);
                model.uploads.clear();
                compare(&mut rig, &model);
            }
            Step::Reopen => {}
        }
    }
    sweep_all(&mut rig, 0);
    let messages = model.logs.iter().flat_map(|log| &log.messages).map(|(_, _, bytes, _)| *bytes);
    let parts = messages.filter(|bytes| *bytes > PART as u64).map(|b| b.div_ceil(PART as u64));
    assert_eq!(rows(&dir), (parts.sum::<u64>() as i64, 0, 0));
}

fn compare(rig: &mut Rig, model: &Model) {
    for (user, name) in USERS.iter().enumerate() {
        for (log, target) in TARGETS.iter().enumerate() {
            let found = each(rig.whole(name, target));
            for item in &found {
                if let Item::Messages(record) = item
                    && record.parts > 0
                {
                    let whole = bytes(
                        record.bundle.first.body.0[0].into(),
                        record.bundle.first.size as usize,
                    );
                    assert_eq!(body(rig, record), whole);
                }
            }
            let items = found.into_iter().map(|item| match item {
                Item::Messages(record) => (record.seq, record.ordinal, false),
                Item::Removed { seq, ordinal, .. } => (seq, ordinal, true),
                Item::Rotten { .. } => panic!("rot"),
            });
            assert_eq!(items.collect::<Vec<_>>(), model.items(user, log), "{name} in {target}");
        }
        let mailbox: BTreeMap<_, _> = rig.mailbox(name).into_iter().collect();
        let mut cursors: BTreeMap<_, _> =
            [(name.to_string(), Cursor::default()), ("@all".to_string(), Cursor::default())].into();
        let kept = model.cursors.iter().filter(|((of, _), _)| *of == user);
        cursors.extend(kept.map(|(&(_, log), cursor)| (TARGETS[log].to_string(), cursor.clone())));
        assert_eq!(mailbox, cursors);
    }
}

#[test]
fn behaves_like_a_naive_store() {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            check(steps);
            Ok(())
        })
        .unwrap();
}
