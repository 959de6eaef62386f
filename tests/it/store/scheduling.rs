//! Scheduled messages.

use std::sync::Arc;

use qmsg::durable::{Quotas, Record, Write};
use qmsg::wire::{Message, Note, ParkedKind, ParkedMessage};
use tempfile::TempDir;

use super::Verdict;
use super::drawers::{TAKEN_MS, kept, look, withdraw, withdrawn};
use super::standings::sent;
use super::tail::killed;
use super::{NOW_MS, Rig, append, cursor, database, enter, message, seqs, settle, stored, target};

const SCHEDULED: Verdict = Verdict::Scheduled;
const MINUTE_MS: u64 = 60_000;

fn at(minutes: u64) -> u64 {
    NOW_MS + minutes * MINUTE_MS
}

pub(super) fn schedule(message: Message, due_ms: u64) -> Write {
    Write::Schedule { message: Arc::new(message), due_ms }
}

fn later(to: &str, n: u32, minutes: u64) -> Write {
    schedule(message("alice", to, n, 9), at(minutes))
}

pub(super) fn release(now_ms: u64) -> Write {
    Write::ReleaseDue { now_ms }
}

pub(super) fn released(outcome: Verdict) -> (Vec<Record>, Option<u64>) {
    match outcome {
        Verdict::DueReleased { records, next_ms } => (records, next_ms),
        other => panic!("{other:?}"),
    }
}

/// Returns the seq of each message, and the `n` from which it was made.
fn brief(records: &[Record]) -> Vec<(u64, u8)> {
    let n = |record: &Record| record.bundle.first.body.0[0];
    records.iter().map(|record| (record.seq, n(record))).collect()
}

#[test]
fn go_to_their_logs_when_they_are_due() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    assert_eq!(released(rig.one(release(u64::MAX))), (vec![], None));
    let writes = vec![
        later("bob", 1, 30),
        later("@ops", 2, 10),
        later("@all", 3, 30),
        later("alice", 4, 20),
    ];
    assert_eq!(rig.commit(writes), vec![SCHEDULED; 4]);
    let expected = ParkedMessage {
        kind: ParkedKind::Scheduled,
        at_ms: at(10),
        reason: Note::default(),
        ..kept(2, &message("alice", "@ops", 2, 9), 0, "")
    };
    assert_eq!(look(&mut rig, "alice", ParkedKind::Scheduled)[1], expected);
    assert_eq!(look(&mut rig, "bob", ParkedKind::Scheduled), []);
    let id = message("alice", "bob", 1, 9).id;
    assert_eq!(sent(&mut rig, "bob", id, "alice"), None);
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(released(rig.one(release(at(10) - 1))), (vec![], Some(at(10))));
    let (records, next_ms) = released(rig.one(release(at(20))));
    assert_eq!((brief(&records), next_ms), (vec![(1, 2), (2, 4)], Some(at(30))));
    let expected = Message { time_ms: at(20), ..message("alice", "alice", 4, 9) };
    assert_eq!(records[1].bundle.first, expected);
    assert_eq!(rig.whole("alice", "alice").len(), 1);
    let (records, next_ms) = released(rig.one(release(at(40))));
    assert_eq!((brief(&records), next_ms), (vec![(3, 1), (4, 3)], None));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [3]);
    assert_eq!(sent(&mut rig, "bob", id, "alice"), Some(3));
    assert_eq!(look(&mut rig, "alice", ParkedKind::Scheduled), []);
    assert_eq!(rig.one(append(message("alice", "bob", 5, 1))), stored(5, 2));
}

#[test]
fn count_as_sent() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let (duplicate, unknown) = (Verdict::Duplicate, Verdict::UnknownTarget);
    let send = |n| append(message("alice", "bob", n, 9));
    let outcomes = rig.commit(vec![
        later("bob", 1, 30),
        later("bob", 1, 5),
        send(1),
        later("@void", 2, 1),
        schedule(message("nobody", "bob", 2, 1), NOW_MS),
        send(2),
        later("bob", 2, 1),
        later("bob", 3, 1),
    ]);
    let expected =
        [SCHEDULED, duplicate.clone(), duplicate.clone(), unknown.clone(), unknown, stored(1, 1)];
    assert_eq!(outcomes[..6], expected);
    assert_eq!(outcomes[6..], [duplicate.clone(), SCHEDULED]);
    // The id stays known after a kill, after a cancellation, and after delivery.
    let copy = killed(dir.path());
    let mut rig = Rig::open(copy.path(), Quotas::default());
    let id = message("alice", "bob", 1, 9).id;
    assert_eq!(withdrawn(rig.one(withdraw("alice", ParkedKind::Scheduled, Some(id), false))).0, 1);
    assert_eq!(brief(&released(rig.one(release(at(9)))).0), [(2, 3)]);
    let copy = killed(copy.path());
    let mut rig = Rig::open(copy.path(), Quotas::default());
    let outcomes = rig.commit(vec![send(1), send(2), send(3), later("bob", 1, 1), send(4)]);
    assert_eq!(outcomes[..4], vec![duplicate; 4]);
    assert_eq!(outcomes[4], stored(3, 3));
}

#[test]
fn wait_for_room() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 2, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob", "carol"]);
    // Scheduled messages have a quota of their own.
    let outcomes = rig.commit(vec![
        append(message("carol", "bob", 1, 1)),
        later("bob", 1, 1),
        later("bob", 2, 2),
        later("carol", 3, 2),
        later("carol", 2, 2),
        schedule(message("bob", "carol", 3, 1), at(2)),
    ]);
    let expected = [SCHEDULED, SCHEDULED, Verdict::Full, Verdict::Duplicate, SCHEDULED];
    assert_eq!(outcomes[1..], expected);
    let (records, next_ms) = released(rig.one(release(at(5))));
    assert_eq!((brief(&records), next_ms), (vec![(2, 1), (3, 3)], Some(at(6))));
    // The time shown to users is that of the first due time.
    assert_eq!(look(&mut rig, "alice", ParkedKind::Scheduled)[0].at_ms, at(2));
    assert_eq!(
        withdrawn(rig.one(withdraw("alice", ParkedKind::Scheduled, None, true))),
        (0, vec![])
    );
    assert_eq!(released(rig.one(release(at(6) - 1))), (vec![], Some(at(6))));
    rig.one(settle("bob", "bob", cursor(1, 1, &[]), 1, 1));
    let (records, next_ms) = released(rig.one(release(at(6))));
    assert_eq!((brief(&records), next_ms), (vec![(4, 2)], None));
    assert_eq!(rig.commit(vec![later("carol", 3, 2), later("carol", 4, 2)]), vec![SCHEDULED; 2]);
}

#[test]
fn are_called_off_or_sent_at_once() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    rig.commit(vec![later("bob", 1, 9), later("@ops", 2, 9), later("bob", 3, 9)]);
    let take = |n, back| {
        let id = message("alice", "bob", n, 9).id;
        withdraw("alice", ParkedKind::Scheduled, Some(id), back)
    };
    assert_eq!(withdrawn(rig.one(take(1, false))), (1, vec![]));
    assert_eq!(withdrawn(rig.one(take(1, true))), (0, vec![]));
    let (count, records) = withdrawn(rig.one(take(2, true)));
    let expected = Message { time_ms: TAKEN_MS, ..message("alice", "@ops", 2, 9) };
    assert_eq!((count, &records[0].bundle.first), (1, &expected));
    assert_eq!(seqs(&rig.whole("bob", "@ops")), [1]);
    assert_eq!(withdrawn(rig.one(withdraw("bob", ParkedKind::Scheduled, None, false))).0, 0);
    assert_eq!(withdrawn(rig.one(withdraw("alice", ParkedKind::Scheduled, None, false))).0, 1);
    assert_eq!(released(rig.one(release(at(99)))), (vec![], None));
}

#[test]
fn are_released_a_few_at_a_time_in_their_order() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit((0..150).map(|n| later("bob", n, u64::from(10 - n / 15))).collect());
    let mut order = Vec::new();
    loop {
        let (records, next_ms) = released(rig.one(release(at(10))));
        assert!(records.len() <= 64);
        assert!(records.is_sorted_by_key(|record| record.seq));
        order.extend(brief(&records).into_iter().map(|(_, n)| n));
        match next_ms {
            Some(next_ms) => assert!(next_ms <= at(10)),
            None => break,
        }
    }
    let expected = (0..10).rev().flat_map(|tenth| tenth * 15..(tenth + 1) * 15);
    assert_eq!(order, expected.collect::<Vec<u8>>());
}

#[test]
fn that_are_damaged_are_not_sent() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit(vec![later("bob", 1, 1), later("bob", 2, 1), later("bob", 3, 2)]);
    database(dir.path()).execute_batch("UPDATE letter SET user = 2 WHERE no = 2").unwrap();
    let (records, next_ms) = released(rig.one(release(at(1))));
    assert_eq!((brief(&records), next_ms), (vec![(1, 1)], Some(at(2))));
    assert_eq!(look(&mut rig, "bob", ParkedKind::Scheduled), []);
    assert_eq!(rig.whole("bob", "bob").len(), 1);
    assert_eq!(records[0].bundle.first.to, target("bob"));
}
