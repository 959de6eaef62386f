//! A full disk, or a store that has reached its largest size.

use qmsg::durable::Quotas;
use qmsg::store::Done;
use qmsg::wire::{DeliveryState, ParkedKind};
use tempfile::TempDir;

use super::Verdict;
use super::drawers::{look, withdraw, withdrawn};
use super::scheduling::{release, released, schedule};
use super::standings::{answered, judge, note, rejected, standings};
use super::{
    DAY_MS, NOW_MS, Rig, append, claim, cursor, enter, leave, message, seqs, settle, sweep,
};

const FULL: Verdict = Verdict::DiskFull;

fn limited(bytes: u64) -> Quotas {
    Quotas { store_bytes_max: bytes, ..Quotas::default() }
}

/// Fills alice's log until the file cannot grow; returns the number of messages in it.
fn fill(rig: &mut Rig) -> u64 {
    let mut stored = 0;
    for length in [20_000, 200, 0] {
        for n in 0.. {
            let n = n * 4 + length as u32;
            match rig.one(append(message("alice", "alice", n, length))) {
                Verdict::Stored { .. } => stored += 1,
                outcome => {
                    assert_eq!(outcome, FULL);
                    break;
                }
            }
        }
    }
    stored
}

#[test]
fn a_full_store_refuses_and_recovers() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, limited(2 << 20), &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    let stored = fill(&mut rig);
    assert!(stored > 90);
    let outcomes = rig.commit(vec![
        claim("carol"),
        append(message("alice", "carol", 1, 100_000)),
        enter("alice", "ops"),
        leave("bob", "ops"),
    ]);
    assert_eq!(outcomes, [FULL, FULL, FULL, FULL]);
    // Nothing of the write has happened, and earlier data is still there.
    assert_eq!(rig.mailbox("alice").len(), 2);
    assert_eq!(rig.mailbox("bob").len(), 3);
    assert_eq!(seqs(&rig.whole("alice", "alice")), (1..=stored).collect::<Vec<_>>());
    // A sweep makes room inside the file, even in a batch with a write that does not fit.
    rig.one(settle("alice", "alice", cursor(stored, stored, &[]), stored, 0));
    let outcomes =
        rig.commit(vec![append(message("alice", "bob", 1, 3 << 20)), sweep(NOW_MS + DAY_MS)]);
    assert_eq!(outcomes, [FULL, Verdict::Swept { more: false }]);
    let next = Verdict::Stored { seq: stored + 1, ordinal: 1 };
    assert_eq!(rig.one(append(message("alice", "bob", 1, 100_000))), next);
    // The refused names are not in the store's memory either.
    assert_eq!(rig.one(append(message("alice", "carol", 2, 1))), Verdict::UnknownTarget);
}

#[test]
fn what_was_processed_is_not_forgotten() {
    let dir = TempDir::new().unwrap();
    let users: Vec<_> = (0..400).map(|n| format!("user-{n:0100}")).collect();
    let names: Vec<_> = users.iter().map(String::as_str).collect();
    let mut rig = Rig::with(&dir, limited(1 << 20), &["alice"]);
    rig.commit(names.iter().map(|name| claim(name)).collect());
    fill(&mut rig);
    // New cursors need pages that the file does not have.
    let settles = |through| {
        let settled = cursor(through, 1, &[through + 2, through + 4, through + 9]);
        names.iter().map(move |name| settle(name, name, settled.clone(), 1, 1))
    };
    let mut writes: Vec<_> = settles(1).chain(settles(2)).collect();
    writes.push(append(message("alice", "alice", 1 << 30, 1)));
    let (waiting, answers) = rig.commit_raw(writes);
    assert_eq!(answers, [(*waiting.last().unwrap(), FULL)]);
    // A later batch without room does not answer them either.
    let (_, answers) = rig.commit_raw(vec![]);
    assert_eq!(answers, []);
    assert_eq!(rig.mailbox(names[7])[0].1, cursor(0, 0, &[]));
    // The acks are answered once there is room: now, or when the store tries again.
    let swept = sweep(NOW_MS + 40 * DAY_MS);
    let (sweeping, mut answers) = rig.commit_raw(vec![swept]);
    if answers.len() == 1 {
        match rig.next() {
            Done::Late(late) => answers.extend(rig.checked(late)),
            other => panic!("{other:?}"),
        }
    }
    let mut answered: Vec<_> = answers.iter().map(|(ticket, _)| *ticket).collect();
    answered.sort();
    let mut expected = waiting[..800].to_vec();
    expected.extend(sweeping);
    assert_eq!(answered, expected);
    assert_eq!(rig.mailbox(names[7])[0].1, cursor(2, 1, &[4, 6, 11]));
}

#[test]
fn what_waits_is_tried_again_without_a_batch() {
    let dir = TempDir::new().unwrap();
    let users: Vec<_> = (0..400).map(|n| format!("user-{n:0100}")).collect();
    let mut rig = Rig::with(&dir, limited(1 << 20), &["alice"]);
    rig.commit(users.iter().map(|name| claim(name)).collect());
    fill(&mut rig);
    let settles = users.iter().map(|name| settle(name, name, cursor(1, 1, &[]), 1, 1)).collect();
    let (waiting, answers) = rig.commit_raw(settles);
    assert_eq!(answers, []);
    // Another process makes room.
    let db = rusqlite::Connection::open(dir.path().join("store.db")).unwrap();
    db.execute_batch("DELETE FROM run WHERE last % 2 = 0").unwrap();
    match rig.next() {
        Done::Late(late) => {
            let tickets: Vec<_> = late.into_iter().map(|(ticket, _)| ticket).collect();
            assert_eq!(tickets.len(), waiting.len());
        }
        other => panic!("{other:?}"),
    }
    // All acks have been answered exactly once.
    assert_eq!(rig.commit(vec![]), []);
}

#[test]
fn verdicts_wait_with_their_cursor() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, limited(1 << 20), &["alice", "bob"]);
    rig.commit((1..=4).map(|n| append(message("bob", "alice", n, 1))).collect());
    rig.one(append(message("alice", "bob", 5, 1)));
    fill(&mut rig);
    let long = "x".repeat(50_000);
    let judge = |seq, verdict| judge("alice", "alice", cursor(seq, seq, &[]), &[(seq, verdict)]);
    let (waiting, answers) = rig.commit_raw(vec![
        judge(1, answered(&long)),
        judge(2, rejected(3, "no")),
        judge(2, rejected(4, "no, no")),
        judge(3, answered("yes")),
        settle("bob", "bob", cursor(5, 1, &[]), 1, 1),
    ]);
    // Acks with dispositions need room, and do not delay acks that need none.
    let (silent, waiting) = waiting.split_last().unwrap();
    assert_eq!(answers, [(*silent, Verdict::AckRecorded)]);
    let state = |rig: &mut Rig, seq| standings(rig, "alice", seq, "bob").remove(0).state;
    assert_eq!([1, 2, 3, 4].map(|seq| state(&mut rig, seq)), [DeliveryState::Accepted; 4]);
    assert_eq!(look(&mut rig, "alice", ParkedKind::DeadLetters), []);
    let (sweeping, mut answers) = rig.commit_raw(vec![sweep(NOW_MS + 40 * DAY_MS)]);
    if answers.len() == 1 {
        match rig.next() {
            Done::Late(late) => answers.extend(rig.checked(late)),
            other => panic!("{other:?}"),
        }
    }
    let mut answered: Vec<_> = answers.iter().map(|(ticket, _)| *ticket).collect();
    answered.sort();
    assert_eq!(answered, [waiting, &sweeping].concat());
    let states = [DeliveryState::Processed, DeliveryState::Rejected, DeliveryState::Processed];
    assert_eq!([1, 2, 3].map(|seq| state(&mut rig, seq)), states);
    assert_eq!(standings(&mut rig, "alice", 2, "bob")[0].note, Some(note("no")));
}

#[test]
fn drawers_lose_nothing_for_lack_of_room() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, limited(2 << 20), &["alice", "bob"]);
    let large = |n| message("bob", "bob", n, 60_000);
    let said: Vec<_> = (1..=9).map(|seq| (seq, rejected(1, "no"))).collect();
    rig.commit((1..=9).map(|n| append(large(n))).collect());
    rig.one(judge("bob", "bob", cursor(9, 9, &[]), &said));
    rig.commit((11..=13).map(|n| schedule(large(n), NOW_MS)).collect());
    fill(&mut rig);
    let before = [ParkedKind::DeadLetters, ParkedKind::Scheduled]
        .map(|drawer| look(&mut rig, "bob", drawer));
    assert_eq!((before[0].len(), before[1].len()), (9, 3));
    let dead = |back| withdraw("bob", ParkedKind::DeadLetters, None, back);
    let outcomes = rig.commit(vec![release(NOW_MS), dead(true), schedule(large(14), NOW_MS + 1)]);
    assert_eq!(outcomes, [FULL, FULL, FULL]);
    let after = [ParkedKind::DeadLetters, ParkedKind::Scheduled]
        .map(|drawer| look(&mut rig, "bob", drawer));
    assert_eq!(after, before);
    assert_eq!(rig.whole("bob", "bob").len(), 9);
    // Removing parked messages makes room, even in a batch with a write that does not fit.
    let outcomes = rig.commit(vec![append(message("alice", "bob", 1, 3 << 20)), dead(false)]);
    assert_eq!((&outcomes[0], withdrawn(outcomes[1].clone())), (&FULL, (9, vec![])));
    assert_eq!(released(rig.one(release(NOW_MS))).0.len(), 3);
    assert_eq!(rig.one(schedule(large(14), NOW_MS + 1)), Verdict::Scheduled);
}

/// A sender that did not hear of its message's storage sends it again: it is neither refused nor
/// stored twice.
#[test]
fn what_is_there_already_is_not_refused_for_want_of_room() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, limited(2 << 20), &["alice", "bob"]);
    let known = message("alice", "bob", 7, 50);
    let Verdict::Stored { seq, .. } = rig.one(append(known.clone())) else { panic!("room") };
    let later = message("alice", "bob", 8, 50);
    assert_eq!(rig.one(schedule(later.clone(), NOW_MS + DAY_MS)), Verdict::Scheduled);
    fill(&mut rig);
    let answers = rig.commit(vec![
        append(message("alice", "bob", 9, 100_000)),
        append(known),
        schedule(later, NOW_MS + DAY_MS),
        claim("alice"),
        claim("carol"),
    ]);
    let known = Verdict::Claimed { new: false };
    assert_eq!(answers, [FULL, Verdict::Duplicate, Verdict::Duplicate, known, FULL]);
    assert_eq!(seqs(&rig.whole("bob", "bob")), [seq]);
}
