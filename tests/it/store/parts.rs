//! Rows of chunks: removed with their message, without room, damaged.

use std::fs;

use qmsg::durable::{Missing, PageItem, Quotas};
use tempfile::TempDir;

use super::Verdict;
use super::uploads::{
    KEPT, PART, begin, bytes, discard, long, part, read, records, rows, send, sends, sweep_all,
};
use super::{
    DAY_MS, NOW_MS, Rig, append, cursor, database, enter, message, seqs, settle, stored, target,
};

#[test]
fn go_with_their_message() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    // One batch of short and long messages, acked in no order.
    let mut writes = Vec::new();
    for n in 1..=6 {
        writes.extend(sends("bob", n, 3 * PART));
        writes.push(append(message("alice", "bob", n + 100, 9)));
    }
    rig.commit(writes);
    let found = records(&mut rig, "bob");
    assert_eq!(found.len(), 12);
    let first = |seq: usize| found[seq - 1].parts;
    let at = cursor(2, 2, &[5, 10]);
    rig.one(settle("bob", "bob", at, 4, 9));
    sweep_all(&mut rig, NOW_MS + DAY_MS);
    assert_eq!(seqs(&rig.whole("bob", "bob")), [3, 4, 6, 7, 8, 9, 11, 12]);
    assert_eq!(rows(&dir), (12, 0, 0));
    for seq in [1, 5] {
        assert_eq!(read(&mut rig, first(seq) + 1), Err(Missing::Removed));
    }
    for seq in [3, 7, 9, 11] {
        assert!(read(&mut rig, first(seq) + 2).is_ok());
    }
    // Chunks are also removed if the head of the segment cannot be read.
    database(dir.path()).execute_batch("UPDATE run SET head = x'' WHERE last = 3").unwrap();
    sweep_all(&mut rig, NOW_MS + 40 * DAY_MS);
    assert_eq!(rows(&dir), (0, 0, 0));
}

#[test]
fn go_when_a_room_drops_them() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_bytes_max: 100 * PART as u64, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    for n in 1..=30 {
        let seq = u64::from(n);
        assert_eq!(send(&mut rig, "@ops", n, 30 * PART), stored(seq, seq));
        // Removal keeps up with new messages, without a sweep.
        assert!(rows(&dir).0 <= 4 * 30 + 30, "{:?}", rows(&dir));
    }
    assert_eq!(seqs(&rig.whole("bob", "@ops")), [27, 28, 29, 30]);
    // A message larger than the quota is kept alone.
    send(&mut rig, "@ops", 31, 200 * PART);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(seqs(&rig.whole("bob", "@ops")), [30, 31]);
    assert_eq!(rows(&dir), (200, 0, 0));
}

#[test]
fn rot_is_not_handed_out() {
    let flip = "UPDATE part SET bytes = CAST(substr(bytes, 1, 99) || x'00' || substr(bytes, 101)
        AS BLOB) WHERE no = ?1";
    let exchange = "UPDATE part SET (sum, bytes) = (SELECT sum, bytes FROM part WHERE no = ?1 + 1)
        WHERE no = ?1";
    for damage in [flip, exchange, "UPDATE part SET sum = x'' WHERE no = ?1"] {
        let dir = TempDir::new().unwrap();
        let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
        send(&mut rig, "bob", 1, 4 * PART);
        let parts = records(&mut rig, "bob")[0].parts;
        let spoil = |part: u64| database(dir.path()).execute(damage, [part as i64]).unwrap();
        spoil(parts + 1);
        assert_eq!(read(&mut rig, parts + 1), Err(Missing::Corrupt), "{damage}");
        assert!(read(&mut rig, parts).is_ok() && read(&mut rig, parts + 2).is_ok());
        assert_eq!(records(&mut rig, "bob").len(), 1);
        spoil(parts);
        let rotten = PageItem::Corrupt { log: target("bob"), seq: 1, ordinal: 1 };
        assert_eq!(rig.whole("bob", "bob"), [rotten]);
    }
}

#[test]
fn that_find_no_room_are_over() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { store_bytes_max: 3 << 20, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    // There is room for either body alone, but not for both.
    let (size, both) = (28 * PART, [1, 2]);
    for n in both {
        assert_eq!(rig.one(begin(u64::from(n), long("bob", n, size))), KEPT);
    }
    let flows = both.map(|n| sends("bob", n, size));
    let mut over = false;
    for (one, two) in flows[0].iter().zip(&flows[1]).skip(1) {
        over |= rig.commit(vec![one.clone(), two.clone()]).contains(&Verdict::DiskFull);
    }
    assert!(over);
    assert_eq!(rig.commit(both.map(|n| discard(u64::from(n))).into()), [KEPT, KEPT]);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (0, 0, 0));
    assert_eq!(rig.whole("bob", "bob"), []);
    // There is room again, for one body at a time.
    assert_eq!(send(&mut rig, "bob", 2, size), stored(1, 1));
}

#[test]
fn discarded_without_room_are_gone_later() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { store_bytes_max: 3 << 20, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.commit(sends("bob", 1, 20 * PART).into_iter().take(20).collect());
    let large = append(message("alice", "bob", 9, 4 << 20));
    let outcomes = rig.commit(vec![large, discard(1), part(1, bytes(1, PART))]);
    assert_eq!(outcomes, [Verdict::DiskFull, KEPT, Verdict::DiskFull]);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (0, 0, 0));
    assert_eq!(send(&mut rig, "bob", 2, 28 * PART), stored(1, 1));
}

#[test]
fn keep_the_log_of_writes_short() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let writes = sends("bob", 1, 48 << 20);
    for batch in writes.chunks(16) {
        rig.commit(batch.to_vec());
        let wal = fs::metadata(dir.path().join("store.db-wal")).unwrap().len();
        assert!(wal < 12 << 20, "{wal} bytes of WAL");
    }
    let size = fs::metadata(dir.path().join("store.db")).unwrap().len();
    assert!(size < 50 << 20, "{size} bytes of store");
}
