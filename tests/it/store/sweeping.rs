//! Removal of old messages by sweeps.

use qmsg::durable::{PageItem, Quotas};
use qmsg::store::invite;
use qmsg::wire::JoinCode;
use tempfile::TempDir;

use super::Verdict;
use super::{
    DAY_MS, NOW_MS, Rig, append, counts, cursor, database, enter, leave, message, message_at, seqs,
    settle, stored, sweep, target,
};

/// Makes quotas: acked messages are kept for a day, unacked ones for ten; ids for two.
fn quotas() -> Quotas {
    Quotas {
        keep_processed_ms: DAY_MS,
        keep_unprocessed_ms: 10 * DAY_MS,
        duplicate_window_ms: 2 * DAY_MS,
        ..Quotas::default()
    }
}

fn codes(dir: &TempDir) -> i64 {
    database(dir.path()).query_row("SELECT count(*) FROM code", [], |row| row.get(0)).unwrap()
}

fn day(days: u64) -> u64 {
    NOW_MS + days * DAY_MS
}

const SWEPT: Verdict = Verdict::Swept { more: false };

#[test]
fn processed_messages_go_after_a_day() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice", "bob"]);
    rig.commit((1..=5).map(|n| append(message("alice", "bob", n, 1))).collect());
    rig.one(settle("bob", "bob", cursor(2, 2, &[4]), 3, 3));
    assert_eq!(rig.one(sweep(day(1) - 1)), SWEPT);
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 3, 4, 5]);
    assert_eq!(rig.one(sweep(day(1))), SWEPT);
    assert_eq!(seqs(&rig.whole("bob", "bob")), [3, 5]);
}

#[test]
fn unprocessed_messages_go_after_ten_days_and_are_told() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 2, ..quotas() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let late = message_at(day(3), "alice", "bob", 2, 1);
    rig.commit(vec![append(message("alice", "bob", 1, 1)), append(late)]);
    rig.one(sweep(day(10) - 1));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2]);
    assert_eq!(rig.one(append(message("alice", "bob", 3, 1))), Verdict::Full);
    rig.one(sweep(day(10)));
    let items = rig.whole("bob", "bob");
    assert_eq!(items[0], PageItem::Removed { log: target("bob"), seq: 1, ordinal: 1 });
    assert_eq!(seqs(&items), [1, 2]);
    assert_eq!(rig.one(append(message("alice", "bob", 3, 1))), stored(3, 3));
    // A clock that went back: messages after a younger one wait for it.
    rig.one(sweep(day(12)));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 3]);
    rig.one(sweep(day(13)));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [3]);
}

#[test]
fn what_is_of_the_future_holds_up_nothing_behind_it() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice", "bob"]);
    // Stored while the clock was years ahead.
    rig.one(append(message_at(day(2_000), "alice", "bob", 1, 1)));
    rig.commit((2..=3).map(|n| append(message("alice", "bob", n, 1))).collect());
    rig.one(settle("bob", "bob", cursor(3, 3, &[]), 3, 3));
    rig.one(sweep(day(1) - 1));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 3]);
    rig.one(sweep(day(1)));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1]);
    rig.one(sweep(day(2_001)));
    assert_eq!(rig.whole("bob", "bob"), []);
}

#[test]
fn a_room_waits_for_its_slowest_member() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice", "bob", "carol"]);
    rig.commit(vec![enter("bob", "ops"), enter("carol", "ops")]);
    rig.commit((1..=4).map(|n| append(message("alice", "@ops", n, 1))).collect());
    rig.commit(vec![
        settle("bob", "@ops", cursor(3, 3, &[]), 3, 3),
        settle("carol", "@ops", cursor(1, 1, &[]), 1, 1),
    ]);
    rig.one(sweep(day(1)));
    assert_eq!(seqs(&rig.whole("bob", "@ops")), [2, 3, 4]);
    rig.commit(vec![leave("carol", "ops"), sweep(day(1))]);
    assert_eq!(seqs(&rig.whole("bob", "@ops")), [4]);
    // Nobody was waiting for the messages, so nobody is told.
    assert!(matches!(rig.whole("bob", "@ops")[0], PageItem::Messages(_)));
    rig.commit(vec![leave("bob", "ops"), sweep(day(1))]);
    assert_eq!(rig.whole("bob", "@ops"), []);
}

#[test]
fn broadcasts_go_by_age_alone() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice", "bob"]);
    rig.one(append(message("alice", "@all", 1, 1)));
    rig.one(settle("bob", "@all", cursor(1, 1, &[]), 1, 1));
    rig.one(sweep(day(10) - 1));
    assert_eq!(seqs(&rig.page("bob", &[("@all", 0)], 9, 9).items), [1]);
    rig.one(sweep(day(10)));
    let removed = PageItem::Removed { log: target("@all"), seq: 1, ordinal: 1 };
    assert_eq!(rig.whole("bob", "@all"), [removed]);
    assert_eq!(rig.page("bob", &[("@all", 1)], 9, 9).items, []);
}

#[test]
fn ids_and_codes_are_forgotten() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice"]);
    invite(dir.path(), &JoinCode([1; 16]), day(2)).unwrap();
    let sent = message("alice", "alice", 1, 1);
    rig.commit(vec![append(sent.clone()), sweep(day(2) - 1)]);
    assert_eq!((rig.one(append(sent.clone())), codes(&dir)), (Verdict::Duplicate, 1));
    rig.commit(vec![append(sent.clone()), sweep(day(2) + 1)]);
    assert_eq!((counts(dir.path()), codes(&dir)), ((1, 0), 0));
    assert_eq!(rig.one(append(sent)), stored(2, 2));
}

#[test]
fn a_sweep_does_a_bounded_amount() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice", "bob"]);
    rig.commit((0..9000).map(|n| append(message("alice", "bob", n, 0))).collect());
    rig.one(settle("bob", "bob", cursor(9000, 9000, &[]), 9000, 0));
    let more = |more| Verdict::Swept { more };
    assert_eq!(rig.one(sweep(day(1))), more(true));
    assert_eq!(counts(dir.path()), (9000 - 4096, 9000));
    assert_eq!(rig.one(sweep(day(1))), more(true));
    assert_eq!(rig.one(sweep(day(1))), more(false));
    assert_eq!(counts(dir.path()), (0, 9000));
    assert_eq!(rig.one(sweep(day(3))), more(true));
    assert_eq!(counts(dir.path()), (0, 9000 - 4096));
}

#[test]
fn places_are_not_given_twice() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice"]);
    rig.commit((1..=3).map(|n| append(message("alice", "alice", n, 1))).collect());
    rig.commit(vec![settle("alice", "alice", cursor(3, 3, &[]), 3, 3), sweep(day(20))]);
    assert_eq!(counts(dir.path()), (0, 0));
    rig.store.close();
    let mut rig = Rig::open(dir.path(), quotas());
    assert_eq!(rig.page("alice", &[("alice", 0)], 9, 9).through, 3);
    assert_eq!(rig.one(append(message("alice", "alice", 1, 1))), stored(4, 4));
}
