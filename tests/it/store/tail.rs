//! The write buffer: data written once for many messages survives any end of the process.

use std::fs;
use std::path::Path;

use qmsg::durable::{PageItem, Quotas};
use tempfile::TempDir;

use super::Verdict;
use super::{
    DAY_MS, NOW_MS, Rig, append, cursor, database, each, enter, message, seqs, settle, stored,
    sweep,
};

/// Copies a store as a kill would leave it. No batch is being written, so the files do not change.
pub(super) fn killed(dir: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(dir.join(name), copy.path().join(name)).unwrap();
    }
    copy
}

#[test]
fn a_small_batch_is_two_pages() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let db = database(dir.path());
    let look = || db.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get::<_, i64>(1));
    let wal = || look().unwrap();
    rig.one(append(message("alice", "bob", 0, 100)));
    let before = wal();
    for n in 1..=200 {
        rig.one(append(message("alice", "bob", n, 100)));
    }
    // Some writes need one page more, where a page is full.
    let pages = wal() - before;
    assert!(pages < 2 * 200 + 40, "{pages}");
}

#[test]
fn quotas_and_places_go_on() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 5, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let send = |n: u32| append(message("alice", "bob", n, 1));
    for n in 1..=4 {
        assert_eq!(rig.one(send(n)), stored(n.into(), n.into()));
    }
    let copy = killed(dir.path());
    let mut again = Rig::open(copy.path(), quotas);
    assert_eq!(again.commit(vec![send(5), send(6)]), [stored(5, 5), Verdict::Full]);
    // Acked messages do not count, neither before nor after.
    rig.one(settle("bob", "bob", cursor(3, 3, &[]), 3, 3));
    assert_eq!(rig.commit(vec![send(5), send(6)]), [stored(5, 5), stored(6, 6)]);
    let copy = killed(dir.path());
    let mut again = Rig::open(copy.path(), quotas);
    let outcomes = again.commit((1..=9).map(send).collect());
    assert_eq!(outcomes[..6], vec![Verdict::Duplicate; 6]);
    assert_eq!(outcomes[6..], [stored(7, 7), stored(8, 8), Verdict::Full]);
}

#[test]
fn a_room_goes_on_dropping() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 5, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    for n in 1..=20 {
        rig.one(append(message("alice", "@ops", n, 1)));
        let copy = killed(dir.path());
        let mut again = Rig::open(copy.path(), quotas);
        let outcome = again.commit(vec![append(message("alice", "@ops", n, 1))]);
        assert_eq!(outcome, [Verdict::Duplicate]);
        again.one(append(message("alice", "@ops", n + 1, 1)));
        let seq = u64::from(n) + 1;
        // The first item marks the removal; the newest five messages follow.
        let first = if seq > 5 { seq - 5 } else { 1 };
        assert_eq!(seqs(&again.whole("bob", "@ops")), (first..=seq).collect::<Vec<_>>());
    }
}

#[test]
fn many_are_noted_in_between() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    let to = |n: u32| if n.is_multiple_of(3) { "bob" } else { "carol" };
    let batch = |no: u32| (no * 700..(no + 1) * 700).map(|n| append(message("alice", to(n), n, 1)));
    for no in 0..14 {
        rig.commit(batch(no).collect());
        if no % 3 == 2 {
            let copy = killed(dir.path());
            let mut again = Rig::open(copy.path(), Quotas::default());
            let outcomes = again.commit((0..=no).flat_map(batch).collect());
            assert!(outcomes.iter().all(|outcome| *outcome == Verdict::Duplicate));
            let seq = u64::from(no + 1) * 700 + 1;
            let ordinal = u64::from(no + 1) * 700 / 3 + 1;
            let Verdict::Stored { seq: given, ordinal: place } =
                again.one(append(message("alice", "bob", 1 << 20, 1)))
            else {
                panic!()
            };
            assert!(given == seq && place.abs_diff(ordinal) <= 1, "{place} {ordinal}");
        }
    }
    let noted = "SELECT last_seq FROM state";
    let noted: i64 = database(dir.path()).query_row(noted, [], |row| row.get(0)).unwrap();
    assert!(noted > 9800 - 4096 - 700, "{noted}");
}

#[test]
fn what_is_swept_at_once_is_not_forgotten() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let all = || (1..=9).map(|n| append(message("alice", "bob", n, 1))).collect::<Vec<_>>();
    rig.commit(all());
    // The sweep in one batch with new messages, too.
    let new = append(message("alice", "bob", 10, 1));
    let done = settle("bob", "bob", cursor(9, 9, &[]), 9, 9);
    rig.commit(vec![done, new, sweep(NOW_MS + DAY_MS)]);
    let copy = killed(dir.path());
    let mut again = Rig::open(copy.path(), Quotas::default());
    assert_eq!(seqs(&again.whole("bob", "bob")), [10]);
    assert!(again.commit(all()).iter().all(|outcome| *outcome == Verdict::Duplicate));
    assert_eq!(again.one(append(message("alice", "bob", 11, 1))), stored(11, 11));
}

#[test]
fn a_damaged_run_does_not_stop_the_others() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    for n in 1..=3 {
        rig.one(append(message("alice", "bob", n, 1)));
    }
    let copy = killed(dir.path());
    database(copy.path()).execute_batch("UPDATE run SET head = x'' WHERE last = 3").unwrap();
    let mut again = Rig::open(copy.path(), Quotas::default());
    assert_eq!(again.one(append(message("alice", "bob", 2, 1))), Verdict::Duplicate);
    assert_eq!(again.one(append(message("alice", "bob", 4, 1))), stored(4, 4));
    assert!(matches!(each(again.whole("bob", "bob"))[2], PageItem::Corrupt { seq: 3, .. }));
}
