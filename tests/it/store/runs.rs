//! Segments: messages of one log and one batch share a row.

use qmsg::durable::{PageItem, Quotas};
use rusqlite::Connection;
use tempfile::TempDir;

use super::Verdict;
use super::{
    DAY_MS, NOW_MS, Rig, append, counts, cursor, database, each, enter, message, seqs, settle,
    stored, sweep, target,
};

const ALL: u64 = u64::MAX;

/// Returns the last seq and the number of messages of each segment.
fn runs(db: &Connection) -> Vec<(u64, u64)> {
    let mut rows = db.prepare("SELECT last, messages FROM run ORDER BY last").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    rows.unwrap().map(|row| row.map(|(last, n)| (last as u64, n as u64)).unwrap()).collect()
}

#[test]
fn are_cut_by_count_by_bytes_and_by_batch() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit((1..=300).map(|n| append(message("alice", "bob", n, 10))).collect());
    rig.commit((301..=303).map(|n| append(message("alice", "bob", n, 30_000))).collect());
    // The large message is alone, and the next one starts a new segment.
    let lengths = [(304, 5), (305, 1 << 20), (306, 5), (307, 5)];
    rig.commit(lengths.map(|(n, length)| append(message("alice", "bob", n, length))).into());
    let cut = [(256, 256), (300, 44), (302, 2), (303, 1), (304, 1), (305, 1), (307, 2)];
    assert_eq!(runs(&database(dir.path())), cut);
    let items = each(rig.whole("bob", "bob"));
    assert_eq!(seqs(&items), (1..=307).collect::<Vec<_>>());
    for item in items {
        let PageItem::Messages(record) = item else { panic!("{item:?}") };
        let n = record.seq as u32;
        assert_eq!(record.ordinal, record.seq);
        let length = record.bundle.first.body.len();
        assert_eq!(record.bundle.first, message("alice", "bob", n, length));
    }
}

#[test]
fn of_interleaved_logs_are_read_from_any_place() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    rig.commit(vec![enter("bob", "ops"), enter("carol", "ops")]);
    // To bob, to the room by carol, to the room by bob, to everyone, …
    let senders = ["alice", "carol", "bob", "carol"];
    let targets = ["bob", "@ops", "@ops", "@all"];
    let send = |n: u32| {
        let kind = (n % 4) as usize;
        append(message(senders[kind], targets[kind], n, 10))
    };
    for batch in 0..3 {
        rig.commit((batch * 500..(batch + 1) * 500).map(send).collect());
    }
    let expected = |after| (after + 1..=1500).filter(|seq| seq % 4 != 3).collect::<Vec<_>>();
    for after in [0, 1, 2, 3, 255, 256, 257, 499, 500, 501, 777, 1498, 1499, 1500] {
        for messages in [1, 7, 32, 2000] {
            let (mut seen, mut from) = (Vec::new(), after);
            loop {
                let logs = [("bob", from), ("@ops", from), ("@all", from)];
                let page = rig.page("bob", &logs, messages, ALL);
                seen.extend(seqs(&page.items));
                from = page.through;
                if page.complete || seen.len() > 100 && messages < 32 {
                    break;
                }
            }
            assert_eq!(seen, expected(after)[..seen.len()], "{after} {messages}");
            assert!(messages < 32 || seen.len() == expected(after).len());
        }
    }
}

#[test]
fn rot_of_one_message_is_its_own() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    for batch in 0..2 {
        let sends = (1..=5).map(|n| append(message("alice", "bob", batch * 5 + n, 50)));
        rig.commit(sends.collect());
    }
    rig.store.close();
    let db = database(dir.path());
    let records = |last: u64| -> Vec<u8> {
        let sql = "SELECT records FROM run WHERE last = ?1";
        db.query_row(sql, [last as i64], |row| row.get(0)).unwrap()
    };
    let mut first = records(5);
    let each = first.len() / 5;
    // One bit of the second record is flipped; the third is overwritten by the fourth; in the other
    // segment the last one is cut short.
    first[each + each / 2] ^= 1;
    first.copy_within(each * 3..each * 4, each * 2);
    let mut second = records(10);
    second.truncate(each * 4 + 3);
    for (last, records) in [(5, first), (10, second)] {
        db.execute("UPDATE run SET records = ?2 WHERE last = ?1", (last, records)).unwrap();
    }
    drop(db);
    let mut rig = Rig::open(dir.path(), Quotas::default());
    let rotten = |seq| PageItem::Corrupt { log: target("bob"), seq, ordinal: seq };
    let items = rig.whole("bob", "bob");
    assert_eq!(seqs(&items), (1..=10).collect::<Vec<_>>());
    let expected = [rotten(2), rotten(3), rotten(10)];
    let found: Vec<_> =
        items.into_iter().filter(|i| matches!(i, PageItem::Corrupt { .. })).collect();
    assert_eq!(found, expected);
    // Moving a damaged record does not repair it.
    rig.commit(vec![settle("bob", "bob", cursor(1, 1, &[6, 9]), 3, 3), sweep(NOW_MS + DAY_MS)]);
    let items = rig.whole("bob", "bob");
    assert_eq!(seqs(&items), [2, 3, 4, 5, 7, 8, 10]);
    let found: Vec<_> =
        items.into_iter().filter(|i| matches!(i, PageItem::Corrupt { .. })).collect();
    assert_eq!(found, expected);
}

#[test]
fn rot_of_a_head_is_that_of_its_run() {
    let damages = [
        "UPDATE run SET head = x'' WHERE last = 7",
        "UPDATE run SET head = substr(head, 1, 20) WHERE last = 7",
        "UPDATE run SET head = (SELECT head FROM run WHERE last = 4) WHERE last = 7",
        "UPDATE run SET head = CAST(substr(head, 1, 25) || x'ff' || substr(head, 27) AS BLOB)
            WHERE last = 7",
    ];
    for damage in damages {
        let dir = TempDir::new().unwrap();
        let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
        for (from, to) in [(1, 4), (5, 7), (8, 9)] {
            rig.commit((from..=to).map(|n| append(message("alice", "bob", n, 50))).collect());
        }
        database(dir.path()).execute_batch(damage).unwrap();
        let items = each(rig.whole("bob", "bob"));
        assert_eq!(seqs(&items), [1, 2, 3, 4, 7, 8, 9], "{damage}");
        assert_eq!(items[4], PageItem::Corrupt { log: target("bob"), seq: 7, ordinal: 7 });
        // Reading from the middle of the segment finds it too: nobody knows its messages.
        assert_eq!(seqs(&rig.page("bob", &[("bob", 6)], 9, ALL).items), [7, 8, 9]);
        // The segment is removed as a whole, when its last message would be.
        let partly = settle("bob", "bob", cursor(6, 6, &[]), 6, 300);
        rig.commit(vec![partly, sweep(NOW_MS + DAY_MS)]);
        assert_eq!(counts(dir.path()).0, 5);
        rig.one(settle("bob", "bob", cursor(7, 7, &[]), 1, 50));
        rig.one(sweep(NOW_MS + DAY_MS));
        assert_eq!(seqs(&rig.whole("bob", "bob")), [8, 9]);
    }
}

#[test]
fn a_room_drops_part_of_a_run() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 100, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    rig.one(enter("bob", "ops"));
    let mut sent = 0;
    for count in [90, 30, 1, 1, 500, 1, 99, 100, 1] {
        let sends = (sent + 1..=sent + count).map(|n| append(message("alice", "@ops", n, 1)));
        rig.commit(sends.collect());
        sent += count;
        let gone = u64::from(sent).saturating_sub(100);
        let mut expected: Vec<_> = (gone + 1..=u64::from(sent)).collect();
        if gone > 0 {
            expected.insert(0, gone);
        }
        assert_eq!(seqs(&rig.whole("bob", "@ops")), expected);
        // Less than a segment is stored beyond the quota.
        assert!(counts(dir.path()).0 < 100 + 256);
    }
    // Dropped messages are not subtracted a second time when their row is deleted.
    rig.one(settle("bob", "@ops", cursor(u64::from(sent), u64::from(sent), &[]), 1, 1));
    rig.one(sweep(NOW_MS + DAY_MS));
    assert_eq!(counts(dir.path()).0, 0);
    let sends = (sent + 1..=sent + 100).map(|n| append(message("alice", "@ops", n, 1)));
    let outcomes = rig.commit(sends.collect());
    assert_eq!(outcomes.last(), Some(&stored(u64::from(sent) + 100, u64::from(sent) + 100)));
    assert_eq!(seqs(&rig.whole("bob", "@ops")).len(), 101);
}

#[test]
fn a_sweep_takes_messages_out_of_a_run() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let sends =
        (1..=200).map(|n| append(message("alice", if n % 2 == 0 { "bob" } else { "@all" }, n, 9)));
    rig.commit(sends.collect());
    let (through, above) = (50, [60, 62, 198, 200]);
    rig.one(settle("bob", "bob", cursor(through, 25, &above), 29, 29 * 9));
    assert_eq!(rig.one(sweep(NOW_MS + DAY_MS)), Verdict::Swept { more: false });
    let left = |log: u64| {
        let kept = move |seq: &u64| log == 1 || *seq > through && !above.contains(seq);
        (1..=200).filter(move |seq| seq % 2 == log).filter(kept).collect::<Vec<_>>()
    };
    assert_eq!(seqs(&rig.whole("bob", "bob")), left(0));
    assert_eq!(seqs(&rig.whole("bob", "@all")), left(1));
    assert_eq!(counts(dir.path()).0 as usize, left(0).len() + left(1).len());
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    let PageItem::Messages(record) = &each(rig.whole("bob", "bob"))[30] else { panic!() };
    assert_eq!(record.ordinal * 2, record.seq);
    assert_eq!(record.bundle.first, message("alice", "bob", record.seq as u32, 9));
    // After a month unread the rest is removed, and the reader is told up to where.
    rig.one(sweep(NOW_MS + 30 * DAY_MS));
    let removed = |log, seq, ordinal| PageItem::Removed { log: target(log), seq, ordinal };
    assert_eq!(rig.whole("bob", "bob"), [removed("bob", 196, 98)]);
    assert_eq!(rig.whole("bob", "@all"), [removed("@all", 199, 100)]);
}
