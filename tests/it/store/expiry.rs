//! Messages that expire unread do not count towards the quota of a mailbox.

use qmsg::durable::{Disposition, Quotas, Write};
use qmsg::wire::{Headers, Message, Seq};
use tempfile::TempDir;

use super::Verdict;
use super::{
    DAY_MS, NOW_MS, Rig, append, cursor, database, message_at, seqs, settle, stored, sweep, with,
};

/// Makes a message of one byte to bob with a time to live in seconds; 0: unlimited.
fn brief(n: u32, ttl_s: u64) -> Message {
    brief_at(NOW_MS, n, ttl_s)
}

fn brief_at(time_ms: u64, n: u32, ttl_s: u64) -> Message {
    let ttl = (ttl_s > 0).then(|| ("ttl".into(), ttl_s.to_string()));
    let headers = Headers::new(ttl.into_iter().collect()).unwrap();
    with(message_at(time_ms, "alice", "bob", n, 1), |message| message.headers = headers)
}

fn quotas() -> Quotas {
    Quotas { log_messages_max: 4, keep_processed_ms: DAY_MS, ..Quotas::default() }
}

/// Makes a store in which bob has four messages: two live 5 s, two for ever.
fn full() -> (TempDir, Rig) {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, quotas(), &["alice", "bob"]);
    rig.commit([(1, 5), (2, 0), (3, 5), (4, 0)].map(|(n, ttl)| append(brief(n, ttl))).into());
    (dir, rig)
}

/// Appends messages one by one until one is refused. Returns how many were stored.
fn fill(rig: &mut Rig, time_ms: u64, numbers: std::ops::Range<u32>) -> usize {
    let mut writes = numbers.map(|n| append(brief_at(time_ms, n, 0)));
    let count = writes.by_ref().take_while(|write| rig.one(write.clone()) != Verdict::Full).count();
    assert!(writes.next().is_some(), "there is always room");
    count
}

fn number(dir: &TempDir, sql: &str) -> i64 {
    database(dir.path()).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Returns the numbers of rows of messages that may expire, and of those that expired unread.
fn rows(dir: &TempDir) -> (i64, i64) {
    let count = |table| number(dir, &format!("SELECT count(*) FROM {table}"));
    (count("expiring"), count("expired"))
}

/// Returns the messages and bytes that count in bob's log, as in its table, followed by `rows`.
fn kept(dir: &TempDir) -> (i64, i64, i64, i64) {
    let log = |what| number(dir, &format!("SELECT {what} FROM log WHERE no = 2"));
    let (expiring, expired) = rows(dir);
    (log("kept_messages"), log("kept_bytes"), expiring, expired)
}

/// Makes the ack with which a hub passes expired messages.
fn went_by(seqs: &[Seq], through: Seq, above: &[Seq]) -> Write {
    let bytes = 5 * seqs.len() as u64;
    let mut write = settle("bob", "bob", cursor(through, through, above), seqs.len() as u64, bytes);
    if let Write::Ack { verdicts, .. } = &mut write {
        verdicts.extend(seqs.iter().map(|seq| (*seq, Disposition::Expired, NOW_MS + 9_000)));
    }
    write
}

#[test]
fn a_full_mailbox_has_room_when_something_in_it_has_expired() {
    let (_dir, mut rig) = full();
    assert_eq!(rig.one(append(brief_at(NOW_MS + 4_999, 5, 0))), Verdict::Full);
    assert_eq!(rig.one(append(brief_at(NOW_MS + 5_000, 5, 0))), stored(5, 5));
    assert_eq!(fill(&mut rig, NOW_MS + 5_000, 6..10), 1);
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 3, 4, 5, 6], "a reader goes past them");
}

#[test]
fn a_restart_changes_nothing() {
    let (dir, rig) = full();
    rig.close();
    let mut rig = Rig::open(dir.path(), quotas());
    assert_eq!(rig.one(append(brief_at(NOW_MS + 5_000, 5, 5))), stored(5, 5));
    rig.close();
    let mut rig = Rig::open(dir.path(), quotas());
    assert_eq!(fill(&mut rig, NOW_MS + 5_000, 6..10), 1);
}

#[test]
fn what_has_expired_is_not_taken_off_twice() {
    let (dir, mut rig) = full();
    assert_eq!(fill(&mut rig, NOW_MS + 5_000, 5..10), 2);
    // The reader passes the first, reads the second and passes the third.
    rig.one(went_by(&[1], 1, &[]));
    assert_eq!(kept(&dir), (4, 4, 0, 1));
    rig.one(went_by(&[3], 1, &[3]));
    assert_eq!(kept(&dir), (4, 4, 0, 0));
    rig.one(settle("bob", "bob", cursor(3, 3, &[]), 1, 1));
    assert_eq!(kept(&dir), (3, 3, 0, 0));
    assert_eq!(fill(&mut rig, NOW_MS + 5_000, 10..20), 1);
}

/// Handed out before its time to live ended, and acked after it.
#[test]
fn what_is_processed_late_is_not_taken_off_twice_either() {
    let (dir, mut rig) = full();
    assert_eq!(fill(&mut rig, NOW_MS + 5_000, 5..10), 2);
    rig.one(settle("bob", "bob", cursor(2, 2, &[]), 2, 6));
    assert_eq!(kept(&dir), (3, 3, 0, 1));
}

#[test]
fn what_was_read_in_time_does_not_expire() {
    let (dir, mut rig) = full();
    // The ack comes in the batch that looks for room, or before it.
    let read = settle("bob", "bob", cursor(1, 1, &[]), 1, 5);
    let late = |n| append(brief_at(NOW_MS + 5_000, n, 0));
    let outcomes = rig.commit(vec![read, late(5), late(6), late(7)]);
    assert_eq!(outcomes, [Verdict::AckRecorded, stored(5, 5), stored(6, 6), Verdict::Full]);
    assert_eq!(kept(&dir), (4, 4, 0, 1));
    let (dir, mut rig) = full();
    rig.one(settle("bob", "bob", cursor(3, 3, &[]), 3, 11));
    rig.one(sweep(NOW_MS + 5_000));
    assert_eq!(kept(&dir), (1, 1, 0, 0));
}

#[test]
fn sweeps_take_off_what_has_expired_and_remove_it_after_a_day() {
    let (dir, mut rig) = full();
    rig.one(sweep(NOW_MS + 4_999));
    assert_eq!(rows(&dir), (2, 0));
    rig.one(sweep(NOW_MS + 5_000));
    assert_eq!(kept(&dir), (2, 2, 0, 2));
    rig.one(sweep(NOW_MS + DAY_MS - 1));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [1, 2, 3, 4]);
    rig.one(sweep(NOW_MS + DAY_MS));
    assert_eq!(seqs(&rig.whole("bob", "bob")), [2, 4]);
    assert_eq!(kept(&dir), (2, 2, 0, 0));
    rig.one(settle("bob", "bob", cursor(4, 4, &[]), 2, 2));
    assert_eq!(kept(&dir), (0, 0, 0, 0));
}

#[test]
fn what_is_removed_unread_is_not_taken_off_twice() {
    let dir = TempDir::new().unwrap();
    let days = |days| NOW_MS + days * DAY_MS;
    let keep_unprocessed_ms = 2 * DAY_MS;
    let quotas = Quotas { keep_processed_ms: 9 * DAY_MS, keep_unprocessed_ms, ..quotas() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.commit(vec![append(brief(1, 5)), append(brief_at(days(1), 2, 0))]);
    // A time to live longer than any message is kept.
    rig.one(append(brief_at(days(1), 3, 3 * DAY_MS / 1_000)));
    rig.one(sweep(NOW_MS + 5_000));
    assert_eq!((kept(&dir).0, kept(&dir).2, kept(&dir).3), (2, 0, 1));
    rig.one(sweep(days(2)));
    assert_eq!((kept(&dir).0, kept(&dir).3), (2, 0));
    rig.one(sweep(days(3)));
    assert_eq!(kept(&dir).0, 0);
}

#[test]
fn sweeps_take_off_a_bounded_number_and_say_that_there_are_more() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit((1..=1_500).map(|n| append(brief(n, 5))).collect());
    assert_eq!(rig.one(sweep(NOW_MS + 5_000)), Verdict::Swept { more: true });
    assert_eq!((kept(&dir).0, kept(&dir).2), (476, 476));
    assert_eq!(rig.one(sweep(NOW_MS + 5_000)), Verdict::Swept { more: false });
    assert_eq!((kept(&dir).0, kept(&dir).2), (0, 0));
}
