//! The store against a naive one in memory, on arbitrary batches.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use qmsg::durable::{Disposition, PageItem, StoredCursor, Write};
use qmsg::wire::ParkedKind;
use tempfile::TempDir;

use super::Verdict;
use super::drawers::{look, withdraw};
use super::naive::{Letter, MINUTE_MS, Model, Placed, QUOTAS, SAID_MS, TARGETS, USERS, brief};
use super::scheduling::{release, schedule};
use super::standings::{answered, rejected, sent, standings};
use super::uploads::{body, bytes, rows, sweep_all};
use super::verdict::mixed;
use super::{NOW_MS, Rig, append_all, bundle, each, enter, leave, message, settle, target};

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
    /// Processes this many messages of a log, and says something of the last.
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

fn check(steps: Vec<Step>) {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, QUOTAS, &USERS);
    let mut model = Model::default();
    let (mut writes, mut expected) = (Vec::new(), Vec::new());
    for step in steps.into_iter().chain([Step::EndBatch, Step::Reopen]) {
        let room = |room: usize| &TARGETS[room][1..];
        let mut add = |write: Option<(Write, Verdict)>| {
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
            Step::Settle { user, log, count, said } => {
                add(Some(settle_some(&mut model, (user, log), count, said)));
            }
            Step::Schedule { .. } | Step::Release { .. } | Step::Withdraw { .. } => {
                add(with_drawers(&mut model, &step));
            }
            Step::Enter { user, room: no } => {
                writes.push(enter(USERS[user], room(no)));
                expected.push(model.enter(user, no));
            }
            Step::Leave { user, room: no } => {
                writes.push(leave(USERS[user], room(no)));
                expected.push(model.leave(user, no));
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
                let outcomes = rig.commit(std::mem::take(&mut writes));
                assert_eq!(outcomes.into_iter().map(brief).collect::<Vec<_>>(), expected);
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
    assert_eq!(rows(&dir), (model.parts() as i64, 0, 0));
}

fn with_drawers(model: &mut Model, step: &Step) -> Option<(Write, Verdict)> {
    Some(match *step {
        Step::Schedule { user, to, n, length, minute } => {
            let due_ms = NOW_MS + minute * MINUTE_MS;
            let message = message(USERS[user], TARGETS[to], n, length);
            (schedule(message, due_ms), model.schedule(user, to, n, (length, due_ms)))
        }
        Step::Release { minute } => {
            let now_ms = NOW_MS + minute * MINUTE_MS;
            (release(now_ms), model.release(now_ms))
        }
        Step::Withdraw { user, drawer, n, back } => {
            let id = n.map(|n| message("alice", "bob", n, 0).id);
            let outcome = model.withdraw(user, drawer, (n, back));
            (withdraw(USERS[user], drawer, id, back), outcome)
        }
        _ => return None,
    })
}

/// A move of a cursor by so many messages, and a word about the last of them.
fn settle_some(
    model: &mut Model,
    (user, log): (usize, usize),
    count: usize,
    said: Option<Disposition>,
) -> (Write, Verdict) {
    let (to, messages, bytes) = model.advance(user, log, count);
    let mut write = settle(USERS[user], TARGETS[log], to.clone(), messages, bytes);
    let said = said.filter(|_| messages > 0);
    if let (Some(said), Write::Ack { verdicts, .. }) = (&said, &mut write) {
        verdicts.push((to.through, said.clone(), SAID_MS));
    }
    model.settle(user, log, to, said.as_ref());
    (write, Verdict::AckRecorded)
}

fn compare(rig: &mut Rig, model: &Model) {
    for (user, name) in USERS.iter().enumerate() {
        for (log, target) in TARGETS.iter().enumerate() {
            let found = each(rig.whole(name, target));
            for item in &found {
                if let PageItem::Messages(record) = item
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
                PageItem::Messages(record) => (record.seq, record.ordinal, false),
                PageItem::Removed { seq, ordinal, .. } => (seq, ordinal, true),
                PageItem::Corrupt { .. } => panic!("rot"),
            });
            assert_eq!(items.collect::<Vec<_>>(), model.items(user, log), "{name} in {target}");
        }
        let mailbox: BTreeMap<_, _> = rig.mailbox(name).into_iter().collect();
        let mut cursors: BTreeMap<_, _> = [
            (name.to_string(), StoredCursor::default()),
            ("@all".to_string(), StoredCursor::default()),
        ]
        .into();
        let kept = model.cursors.iter().filter(|((of, _), _)| *of == user);
        cursors.extend(kept.map(|(&(_, log), cursor)| (TARGETS[log].to_string(), cursor.clone())));
        assert_eq!(mailbox, cursors);
        for drawer in [ParkedKind::DeadLetters, ParkedKind::Scheduled] {
            let shown = look(rig, name, drawer).into_iter();
            let shown: Vec<_> = shown
                .map(|k| (k.message.envelope, k.at_ms, k.attempts))
                .map(|(envelope, at_ms, attempts)| {
                    (envelope.id, envelope.to, at_ms, attempts, envelope.size)
                })
                .collect();
            let of = |letter: &Letter| {
                let &Letter { to, at_ms, attempts, content, .. } = letter;
                (content.id(), target(TARGETS[to]), at_ms, attempts, content.size)
            };
            assert_eq!(shown, model.drawer(user, drawer).map(of).collect::<Vec<_>>());
        }
    }
    for (log, placed, expected) in model.standings() {
        let Placed { seq, content, .. } = placed;
        let (to, from) = (TARGETS[log], USERS[content.from]);
        let found = standings(rig, to, seq, from).into_iter();
        let found: Vec<_> = found.map(|of| (of.user.to_string(), of.state)).collect();
        let expected = expected.into_iter().map(|(user, state)| (user.to_string(), state));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{seq} in {to}");
        let same = |m: &&Placed| (m.content.n, m.content.from) == (content.n, content.from);
        let newest = model.logs[log].messages.iter().rev().find(same);
        assert_eq!(sent(rig, to, content.id(), from), newest.map(|m| m.seq));
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
