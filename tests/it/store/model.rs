//! The store against a naive one in memory, on arbitrary batches.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use qmsg::durable::{Cursor, Item, Outcome, Quotas};
use qmsg::wire::Seq;
use tempfile::TempDir;

use super::{Rig, append, cursor, enter, leave, member, message, settle, stored};

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const TARGETS: [&str; 6] = ["alice", "bob", "carol", "@ops", "@dev", "@all"];
const QUOTAS: Quotas = Quotas {
    log_messages_max: 5,
    log_bytes_max: 60,
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
    EndBatch,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0..3_usize, 0..6_usize, 0..60_u32, 0..40_usize)
            .prop_map(|(from, to, n, length)| Step::Append { from, to, n, length }),
        4 => (0..3_usize, 0..6_usize, 1..4_usize)
            .prop_map(|(user, log, count)| Step::Settle { user, log, count }),
        2 => (0..3_usize, 3..5_usize).prop_map(|(user, room)| Step::Enter { user, room }),
        1 => (0..3_usize, 3..5_usize).prop_map(|(user, room)| Step::Leave { user, room }),
        3 => any::<()>().prop_map(|()| Step::EndBatch),
        1 => any::<()>().prop_map(|()| Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
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
}

impl Model {
    fn append(&mut self, from: usize, to: usize, n: u32, length: usize) -> Outcome {
        if to > 2 && to < 5 && !self.logs[to].exists {
            return Outcome::UnknownTarget;
        }
        if self.sent.contains(&(from, n)) {
            return Outcome::Duplicate;
        }
        let through = if to < 3 { self.through(to, to) } else { 0 };
        let log = &mut self.logs[to];
        let bytes = length as u64;
        let kept = log.messages.iter().filter(|(seq, ..)| *seq > through);
        let (count, sum) = kept.fold((1, bytes), |(count, sum), m| (count + 1, sum + m.2));
        if to < 3 && count > 1 && (count > 5 || sum > 60) {
            return Outcome::Full;
        }
        self.sent.push((from, n));
        self.last_seq += 1;
        log.last = (self.last_seq, log.last.1 + 1);
        log.messages.push((log.last.0, log.last.1, bytes, from));
        let over = |m: &[(Seq, u64, u64, usize)]| {
            m.len() > 5 || m.iter().map(|(_, _, bytes, _)| bytes).sum::<u64>() > 60
        };
        while to > 2 && log.messages.len() > 1 && over(&log.messages) {
            let (seq, ordinal, ..) = log.messages.remove(0);
            log.removed = Some((seq, ordinal));
        }
        stored(log.last.0, log.last.1)
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
        match step {
            Step::Append { from, to, n, length } => {
                writes.push(append(message(USERS[from], TARGETS[to], n, length)));
                expected.push(model.append(from, to, n, length));
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
            Step::EndBatch => {
                assert_eq!(rig.commit(std::mem::take(&mut writes)), expected);
                expected.clear();
                compare(&mut rig, &model);
            }
            Step::Reopen if writes.is_empty() => {
                rig.store.close();
                rig = Rig::open(dir.path(), QUOTAS);
                compare(&mut rig, &model);
            }
            Step::Reopen => {}
        }
    }
}

fn compare(rig: &mut Rig, model: &Model) {
    for (user, name) in USERS.iter().enumerate() {
        for (log, target) in TARGETS.iter().enumerate() {
            let items = rig.whole(name, target).into_iter().map(|item| match item {
                Item::Message(record) => (record.seq, record.ordinal, false),
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
