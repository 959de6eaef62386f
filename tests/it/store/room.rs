//! No room on the disk, or the store as large as it may be.

use qmsg::durable::{Outcome, Quotas};
use qmsg::store::Done;
use tempfile::TempDir;

use super::{
    DAY_MS, NOW_MS, Rig, append, claim, cursor, enter, leave, message, seqs, settle, sweep,
};

const FULL: Outcome = Outcome::DiskFull;

fn limited(bytes: u64) -> Quotas {
    Quotas { store_bytes_max: bytes, ..Quotas::default() }
}

/// Fills alice's log until no page more can be had; returns how many messages are in it.
fn fill(rig: &mut Rig) -> u64 {
    let mut stored = 0;
    for length in [20_000, 200, 0] {
        for n in 0.. {
            let n = n * 4 + length as u32;
            match rig.one(append(message("alice", "alice", n, length))) {
                Outcome::Stored { .. } => stored += 1,
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
    // Nothing of it happened, what was there is there.
    assert_eq!(rig.mailbox("alice").len(), 2);
    assert_eq!(rig.mailbox("bob").len(), 3);
    assert_eq!(seqs(&rig.whole("alice", "alice")), (1..=stored).collect::<Vec<_>>());
    // A sweep makes room inside the file, even beside a write that there is no room for.
    rig.one(settle("alice", "alice", cursor(stored, stored, &[]), stored, 0));
    let outcomes =
        rig.commit(vec![append(message("alice", "bob", 1, 3 << 20)), sweep(NOW_MS + DAY_MS)]);
    assert_eq!(outcomes, [FULL, Outcome::Swept { more: false }]);
    let next = Outcome::Stored { seq: stored + 1, ordinal: 1 };
    assert_eq!(rig.one(append(message("alice", "bob", 1, 100_000))), next);
    // Also not in the store's memory of names.
    assert_eq!(rig.one(append(message("alice", "carol", 2, 1))), Outcome::UnknownTarget);
}

#[test]
fn what_was_processed_is_not_forgotten() {
    let dir = TempDir::new().unwrap();
    let users: Vec<_> = (0..400).map(|n| format!("user-{n:0100}")).collect();
    let names: Vec<_> = users.iter().map(String::as_str).collect();
    let mut rig = Rig::with(&dir, limited(1 << 20), &["alice"]);
    rig.commit(names.iter().map(|name| claim(name)).collect());
    fill(&mut rig);
    // So many new cursors need pages that are not there.
    let settles = |through| {
        let settled = cursor(through, 1, &[through + 2, through + 4, through + 9]);
        names.iter().map(move |name| settle(name, name, settled.clone(), 1, 1))
    };
    let mut writes: Vec<_> = settles(1).chain(settles(2)).collect();
    writes.push(append(message("alice", "alice", 1 << 30, 1)));
    let (waiting, answers) = rig.commit_raw(writes);
    assert_eq!(answers, [(*waiting.last().unwrap(), FULL)]);
    // Nor are they answered by a later batch that has no room either.
    let (_, answers) = rig.commit_raw(vec![]);
    assert_eq!(answers, []);
    assert_eq!(rig.mailbox(names[7])[0].1, cursor(0, 0, &[]));
    // Room is made; now, or when the store looks again, they are answered.
    let swept = sweep(NOW_MS + 40 * DAY_MS);
    let (sweeping, mut answers) = rig.commit_raw(vec![swept]);
    if answers.len() == 1 {
        match rig.next() {
            Done::Late(late) => answers.extend(late),
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
    // They have been answered, once.
    assert_eq!(rig.commit(vec![]), []);
}
