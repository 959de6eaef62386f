//! Messages are stored once, in whatever order the ids of a sender come.

use std::fs;
use std::sync::Arc;

use qmsg::durable::{Quotas, Write};
use qmsg::wire::{Message, MsgId};
use rusqlite::Connection;
use tempfile::TempDir;

use super::Verdict;
use super::tail::killed;
use super::uploads::{PART, begin, bytes, finish, long, part, rows, sweep_all};
use super::{
    DAY_MS, NOW_MS, Rig, append, counts, cursor, database, message, message_at, settle, stored,
    sweep, with,
};

/// Makes a message whose id is the `n`th made at `ms`.
fn made(ms: u64, n: u32) -> Write {
    let mut sent = message("alice", "bob", n, 1);
    sent.id = message_at(ms, "alice", "bob", n, 1).id;
    append(sent)
}

fn expect(outcomes: &[Verdict], new: bool) {
    for outcome in outcomes {
        assert_eq!(matches!(outcome, Verdict::Stored { .. }), new, "{outcome:?}");
        assert!(new || *outcome == Verdict::Duplicate, "{outcome:?}");
    }
}

#[test]
fn are_found_in_the_same_batch_a_later_one_and_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let all = || (0..1000).map(|n| made(NOW_MS, n));
    let outcomes = rig.commit(all().chain(all()).collect());
    expect(&outcomes[..1000], true);
    expect(&outcomes[1000..], false);
    expect(&rig.commit(all().rev().collect()), false);
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    expect(&rig.commit(all().collect()), false);
    expect(&rig.commit(vec![made(NOW_MS, 1000), made(NOW_MS - 1, 0), made(NOW_MS + 1, 0)]), true);
    assert_eq!(counts(dir.path()), (1003, 1003));
}

#[test]
fn are_found_after_the_message_was_swept() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let all = || (0..300).map(|n| made(NOW_MS + u64::from(n % 2), n)).collect::<Vec<_>>();
    expect(&rig.commit(all()), true);
    rig.commit(vec![settle("bob", "bob", cursor(300, 300, &[]), 300, 300), sweep(NOW_MS + DAY_MS)]);
    assert_eq!(counts(dir.path()), (0, 300));
    expect(&rig.commit(all()), false);
    rig.one(sweep(NOW_MS + 7 * DAY_MS));
    expect(&rig.commit(all()), false);
    // Exactly the ids from before the window are forgotten.
    rig.one(sweep(NOW_MS + 7 * DAY_MS + 1));
    assert_eq!(counts(dir.path()), (0, 150));
    expect(&rig.commit((0..300).step_by(2).map(|n| made(NOW_MS, n)).collect()), true);
    expect(&rig.commit(all()), false);
}

#[test]
fn are_found_when_two_processes_of_a_sender_interleave() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    // One user sends messages made an hour ago, the other messages made now.
    let hour = NOW_MS - 60 * 60 * 1000;
    let batch = |from: u32| {
        let pair = |n| [made(hour + u64::from(n), n), made(NOW_MS + u64::from(n / 9), n ^ 5)];
        (from..from + 100).flat_map(pair).collect::<Vec<_>>()
    };
    for from in (0..3000).step_by(100) {
        expect(&rig.commit(batch(from)), true);
    }
    for from in (0..2900).step_by(50) {
        expect(&rig.commit(batch(from)), false);
    }
    assert_eq!(counts(dir.path()), (6000, 6000));
}

/// Returns the length of the longest row of ids and the number of rows. Checks that they are
/// ascending and do not overlap.
fn leaves(db: &Connection) -> (i64, i64) {
    let mut rows = db.prepare("SELECT begin, ids FROM sent ORDER BY begin").unwrap();
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let rows: Vec<(Vec<u8>, Vec<u8>)> = rows.map(Result::unwrap).collect();
    let mut last = Vec::new();
    for (begin, ids) in &rows {
        assert!(*begin > last);
        for key in ids.chunks(24) {
            assert!(*key >= begin[..] && *key > last[..], "{key:?} {last:?}");
            last = key.to_vec();
        }
    }
    (rows.iter().map(|(_, ids)| ids.len() as i64).max().unwrap() / 24, rows.len() as i64)
}

#[test]
fn cost_no_more_whatever_order_the_ids_come_in() {
    const COUNT: u64 = 20_000;
    let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (6 * DAY_MS);
    type Order = (&'static str, fn(u64, u64) -> u64);
    let orders: [Order; 4] = [
        ("descending", |n, _| NOW_MS - n),
        ("oldest and newest in turn", |n, _| if n % 2 == 0 { NOW_MS + n } else { NOW_MS - n }),
        ("anyhow", |_, spread| NOW_MS - spread),
        ("of one moment", |_, _| NOW_MS),
    ];
    for (what, order) in orders {
        let dir = TempDir::new().unwrap();
        let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
        let batch = |from: u64| {
            let made = |n| made(order(n, spread(n)), (n as u32).reverse_bits());
            (from..from + 1000).map(made).collect::<Vec<_>>()
        };
        for from in (0..COUNT).step_by(1000) {
            expect(&rig.commit(batch(from)), true);
            expect(&rig.commit(batch(from / 2)), false);
        }
        let (longest, rows) = leaves(&database(dir.path()));
        assert!(longest <= 128 && rows < COUNT as i64 / 48, "{what}: {longest} in {rows} rows");
    }
}

#[test]
fn are_found_in_a_copy_made_in_full_run() {
    let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let batch = |n: u32| (0..40).map(move |m| made(NOW_MS - u64::from(m % 7), n * 40 + m));
    for n in 0..60 {
        expect(&rig.commit(batch(n).collect()), true);
        if n % 20 == 7 {
            // No batch is being written, so the files do not change.
            for name in ["store.db", "store.db-wal"] {
                fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
            }
            let mut again = Rig::open(copy.path(), Quotas::default());
            expect(&again.commit((0..=n).flat_map(batch).collect()), false);
            expect(&again.commit(batch(n + 1).collect()), true);
            again.store.close();
            fs::remove_file(copy.path().join("store.db")).unwrap();
        }
    }
}

#[test]
fn are_ids_of_one_sender() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let id = MsgId::from_bytes([0xff; 16]);
    let by = |from: &str| {
        let mut sent = message(from, "bob", 1, 1);
        sent.id = id;
        append(sent)
    };
    expect(&rig.commit(vec![by("bob"), by("alice")]), true);
    expect(&rig.commit(vec![by("bob"), by("alice")]), false);
}

/// Makes a message whose id is made from a key, sent `later_ms` after [`NOW_MS`].
fn keyed(from: &str, key: u8, later_ms: u64) -> Write {
    let id = MsgId::keyed([key; 16]);
    append(with(message_at(NOW_MS + later_ms, from, "bob", key.into(), 1), |message| {
        message.id = id;
    }))
}

#[test]
fn are_had_for_a_while_when_made_of_a_key() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { duplicate_window_ms: DAY_MS, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let outcomes = rig.commit(vec![keyed("alice", 1, 0), keyed("alice", 1, 5), keyed("bob", 1, 5)]);
    expect(&[outcomes[0].clone(), outcomes[2].clone()], true);
    expect(&outcomes[1..2], false);
    // No other table has the ids.
    assert_eq!(
        database(dir.path()).query_row("SELECT count(*) FROM sent", [], |r| r.get(0)),
        Ok(0)
    );
    let copy = killed(dir.path());
    let mut rig = Rig::open(copy.path(), quotas);
    expect(&[rig.one(keyed("alice", 1, 10))], false);
    expect(&[rig.one(keyed("alice", 2, 10))], true);
    let due = Write::Schedule { message: keyed_message(3), due_ms: NOW_MS };
    assert_eq!(rig.commit(vec![due.clone(), due]), [Verdict::Scheduled, Verdict::Duplicate]);
    rig.one(Write::ReleaseDue { now_ms: NOW_MS });
    expect(&[rig.one(keyed("alice", 3, DAY_MS))], false);
    // Not swept yet, but older than the window.
    expect(&[rig.one(keyed("alice", 1, DAY_MS))], false);
    expect(&[rig.one(keyed("alice", 1, DAY_MS + 1))], true);
    expect(&[rig.one(keyed("alice", 1, DAY_MS + 2))], false);
    let rows = |dir: &TempDir| {
        let rows = "SELECT count(*) FROM keyed";
        database(dir.path()).query_row(rows, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(rows(&copy), 4);
    rig.one(sweep(NOW_MS + DAY_MS + 10));
    assert_eq!(rows(&copy), 2);
    expect(&[rig.one(keyed("alice", 1, DAY_MS + 10))], false);
    // Ids are forgotten a bounded number at a time, and the ids of a bundle one by one.
    let many = |key: u32| {
        let mut hash = [9; 16];
        hash[12..].copy_from_slice(&key.to_be_bytes());
        append(with(message("alice", "bob", key, 0), |message| message.id = MsgId::keyed(hash)))
    };
    expect(&rig.commit((0..1500).map(many).collect()), true);
    expect(&rig.commit((0..1500).map(many).collect()), false);
    assert_eq!(rig.one(sweep(NOW_MS + 3 * DAY_MS)), Verdict::Swept { more: true });
    assert_eq!(rows(&copy), 2 + 1500 - 1024);
    rig.one(sweep(NOW_MS + 3 * DAY_MS));
    assert_eq!(rows(&copy), 0);
}

fn keyed_message(key: u8) -> Arc<Message> {
    let Write::Append { bundle, .. } = keyed("alice", key, 0) else { unreachable!() };
    Arc::new(bundle.first.clone())
}

#[test]
fn are_had_by_long_bodies_too_when_made_of_a_key() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let id = MsgId::keyed([1; 16]);
    let named = |n| with(long("bob", n, 2 * PART), |message| message.id = id);
    let rest = |n: u64| part(n, bytes(n as u32, 2 * PART).slice(PART..));
    let outcomes = rig.commit(vec![
        begin(1, named(1)),
        begin(2, named(2)),
        rest(1),
        rest(2),
        finish(1, named(1)),
        finish(2, named(2)),
        begin(3, named(3)),
    ]);
    let ended = [stored(1, 1), Verdict::Duplicate, Verdict::Duplicate];
    assert_eq!(outcomes[4..], ended);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (2, 0, 0));
}
