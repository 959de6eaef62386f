//! Long bodies: written and read chunk by chunk.

use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use qmsg::durable::{Found, Missing, PageItem, Quotas, Read, Record, Upload, Write};
use qmsg::wire::{Body, CHUNK_LEN_MAX, Message};
use tempfile::TempDir;

use super::Verdict;
use super::{NOW_MS, Rig, append, cursor, database, message, settle, stored, sweep, with};

pub(super) const PART: usize = CHUNK_LEN_MAX;
pub(super) const KEPT: Verdict = Verdict::ChunkStored;

/// Makes a body in which no two chunks are equal.
pub(super) fn bytes(n: u32, size: usize) -> Bytes {
    let mut bytes = vec![n as u8; size];
    for (no, part) in bytes.chunks_mut(PART).enumerate() {
        let half = part.len() / 2;
        part[half..].fill((no * 31) as u8 ^ n as u8);
    }
    bytes.into()
}

/// Makes a long message with its first chunk.
pub(super) fn long(to: &str, n: u32, size: usize) -> Message {
    let body = Body(bytes(n, PART.min(size)));
    with(message("alice", to, n, 0), |message| (message.size, message.body) = (size as u64, body))
}

pub(super) fn begin(upload: u64, message: Message) -> Write {
    Write::BeginUpload { upload: Upload(upload), bundle: Arc::new(message.into()) }
}

pub(super) fn part(upload: u64, bytes: Bytes) -> Write {
    Write::AppendChunk { upload: Upload(upload), body: Body(bytes) }
}

pub(super) fn discard(upload: u64) -> Write {
    Write::DiscardUpload { upload: Upload(upload) }
}

pub(super) fn finish(upload: u64, message: Message) -> Write {
    Write::Append { bundle: Arc::new(message.into()), upload: Some(Upload(upload)) }
}

/// Makes all writes that store a long message, in order: upload `n` of message `n`.
pub(super) fn sends(to: &str, n: u32, size: usize) -> Vec<Write> {
    let (whole, upload) = (bytes(n, size), u64::from(n));
    let rest = (PART..size).step_by(PART).map(|at| whole.slice(at..size.min(at + PART)));
    let mut writes = vec![begin(upload, long(to, n, size))];
    writes.extend(rest.map(|rest| part(upload, rest)));
    writes.push(finish(upload, long(to, n, size)));
    writes
}

/// Stores a long message in one batch; returns the last outcome.
pub(super) fn send(rig: &mut Rig, to: &str, n: u32, size: usize) -> Verdict {
    let mut outcomes = rig.commit(sends(to, n, size));
    let last = outcomes.pop().unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome == KEPT), "{outcomes:?}");
    last
}

pub(super) fn read(rig: &mut Rig, at: u64) -> Result<Body, Missing> {
    match rig.read(Read::Chunk { at }) {
        Found::Chunk(part) => part,
        other => panic!("{other:?}"),
    }
}

pub(super) fn records(rig: &mut Rig, log: &str) -> Vec<Record> {
    let record = |item| match item {
        PageItem::Messages(record) => Some(record),
        _ => None,
    };
    rig.whole("bob", log).into_iter().filter_map(record).collect()
}

/// Returns the whole body of a record.
pub(crate) fn body(rig: &mut Rig, record: &Record) -> Vec<u8> {
    let count = record.bundle.first.size.div_ceil(PART as u64);
    let parts = (0..count).map(|part| read(rig, record.parts + part).unwrap().0);
    parts.flatten().collect()
}

/// Counts the rows of chunks, of uploads, and of ranges to be removed.
pub(super) fn rows(dir: &TempDir) -> (i64, i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM part), (SELECT count(*) FROM upload),
        (SELECT count(*) FROM loose)";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    database(dir.path()).query_row(sql, [], row).unwrap()
}

/// Sweeps until nothing is left to remove.
pub(super) fn sweep_all(rig: &mut Rig, now_ms: u64) {
    while rig.one(sweep(now_ms)) == (Verdict::Swept { more: true }) {}
}

const SIZES: [usize; 6] = [PART + 1, 2 * PART, 2 * PART + 1, 3 * PART - 1, 5 * PART, 70 * PART + 7];

#[test]
fn come_back_as_they_were() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.one(append(message("alice", "bob", 1, PART)));
    for (n, size) in (2..).zip(SIZES) {
        let seq = u64::from(n);
        if n % 2 == 0 {
            assert_eq!(send(&mut rig, "bob", n, size), stored(seq, seq));
        } else {
            // Each write comes alone, as from a network.
            for write in sends("bob", n, size) {
                let outcome = rig.one(write);
                assert!(outcome == KEPT || outcome == stored(seq, seq), "{outcome:?}");
            }
        }
    }
    for _ in 0..2 {
        let found = records(&mut rig, "bob");
        assert_eq!((found[0].parts, found[0].bundle.first.size), (0, PART as u64));
        for (record, (n, size)) in found[1..].iter().zip((2..).zip(SIZES)) {
            assert_eq!(record.bundle.first, long("bob", n, size));
            assert_eq!(body(&mut rig, record), bytes(n, size));
        }
        rig.store.close();
        rig = Rig::open(dir.path(), Quotas::default());
    }
    let parts = SIZES.iter().map(|size| size.div_ceil(PART) as i64).sum();
    assert_eq!(rows(&dir), (parts, 0, 0));
}

#[test]
fn may_be_on_their_way_at_once() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let mut flows: Vec<_> = (1..=6).zip(SIZES).map(|(n, size)| sends("bob", n, size)).collect();
    while flows.iter().any(|flow| !flow.is_empty()) {
        let some = flows.iter_mut().filter(|flow| !flow.is_empty());
        let batch: Vec<_> = some.map(|flow| flow.remove(0)).collect();
        rig.commit(batch);
    }
    let found = records(&mut rig, "bob");
    assert_eq!(found.len(), 6);
    for record in found {
        let size = record.bundle.first.size as usize;
        let n = 1 + SIZES.iter().position(|s| *s == size).unwrap() as u32;
        assert_eq!(body(&mut rig, &record), bytes(n, size));
    }
}

#[test]
fn leave_nothing_when_the_rest_does_not_come() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let unfinished = |n, size| {
        let mut writes = sends("bob", n, size);
        writes.pop();
        writes
    };
    rig.commit(unfinished(1, 90 * PART));
    rig.commit(unfinished(2, 3 * PART));
    assert_eq!(rows(&dir), (93, 2, 0));
    assert_eq!(rig.commit(vec![discard(1), discard(1), discard(7)]), [KEPT, KEPT, KEPT]);
    // Nothing is kept of a discarded upload, and it becomes no message.
    assert_eq!(rig.one(part(1, bytes(1, PART))), KEPT);
    assert_eq!(rig.one(finish(1, long("bob", 1, 90 * PART))), Verdict::DiskFull);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (3, 1, 0));
    // The other upload ends with the process; its number can be used again.
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(rig.one(finish(2, long("bob", 2, 3 * PART))), Verdict::DiskFull);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (0, 0, 0));
    assert_eq!(send(&mut rig, "bob", 2, 3 * PART), stored(1, 1));
    assert_eq!(rig.whole("bob", "bob").len(), 1);
}

#[test]
fn leave_nothing_after_a_crash() {
    let (dir, copy) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    send(&mut rig, "bob", 1, 2 * PART);
    let writes = sends("bob", 2, 300 * PART);
    rig.commit(writes.into_iter().take(200).collect());
    // Copies the files as a kill would leave them. No batch is being written, so they do not
    // change.
    for name in ["store.db", "store.db-wal"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut again = Rig::open(copy.path(), Quotas::default());
    sweep_all(&mut again, NOW_MS);
    assert_eq!(rows(&copy), (2, 0, 0));
    let found = records(&mut again, "bob");
    assert_eq!(body(&mut again, &found[0]), bytes(1, 2 * PART));
    // The chunk numbers are not reused.
    send(&mut again, "bob", 3, 2 * PART);
    assert!(records(&mut again, "bob")[1].parts >= found[0].parts + 302);
}

#[test]
fn are_refused_before_they_are_sent() {
    let dir = TempDir::new().unwrap();
    let quotas =
        Quotas { log_bytes_max: 4 * PART as u64, store_bytes_max: 4 << 20, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    assert_eq!(send(&mut rig, "bob", 1, 2 * PART), stored(1, 1));
    let nobody = Message { from: "nobody".parse().unwrap(), ..long("bob", 2, 2 * PART) };
    let outcomes = rig.commit(vec![
        begin(2, long("bob", 1, 2 * PART)),
        begin(3, long("@void", 2, 2 * PART)),
        begin(4, nobody),
        begin(5, long("bob", 2, 3 * PART)),
        // An empty mailbox takes a message of any size for which the store has room.
        begin(6, long("alice", 3, 64 << 20)),
        begin(7, long("alice", 3, usize::MAX)),
        begin(8, long("alice", 3, 32 * PART)),
        discard(8),
    ]);
    let (full, unknown) = (Verdict::DiskFull, Verdict::UnknownTarget);
    let expected =
        [Verdict::Duplicate, unknown.clone(), unknown, Verdict::Full, full.clone(), full];
    assert_eq!(outcomes[..6], expected);
    assert_eq!(outcomes[6..], [KEPT, KEPT]);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (2, 0, 0));
}

#[test]
fn are_refused_at_the_end_too() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_bytes_max: 5 * PART as u64, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let first = sends("bob", 1, 3 * PART);
    let mut same = sends("bob", 1, 3 * PART);
    let mut other = sends("bob", 2, 3 * PART);
    for (upload, writes) in [(11, &mut same), (12, &mut other)] {
        for write in writes {
            match write {
                Write::Append { upload: Some(name), .. }
                | Write::BeginUpload { upload: name, .. }
                | Write::AppendChunk { upload: name, .. } => *name = Upload(upload),
                _ => {}
            }
        }
    }
    let ends: Vec<_> = [first, same, other]
        .into_iter()
        .map(|mut writes| {
            let end = writes.pop().unwrap();
            assert!(rig.commit(writes).iter().all(|outcome| *outcome == KEPT));
            end
        })
        .collect();
    assert_eq!(rows(&dir), (9, 3, 0));
    assert_eq!(rig.commit(ends), [stored(1, 1), Verdict::Duplicate, Verdict::Full]);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (3, 0, 0));
    // The id of the refused message was not remembered.
    rig.one(settle("bob", "bob", cursor(1, 1, &[]), 1, 3 * PART as u64));
    assert_eq!(send(&mut rig, "bob", 2, 3 * PART), stored(2, 2));
}

#[test]
fn do_no_harm_when_they_do_not_fit() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let size = 2 * PART + 5;
    let first = || begin(1, long("bob", 1, size));
    let rest = |from, to| part(1, bytes(1, size).slice(from..to));
    let end = || finish(1, long("bob", 1, size));
    let another_size = || finish(1, long("bob", 1, size - 1));
    let short = |length| {
        let body = Body(bytes(1, length));
        begin(1, with(long("bob", 1, size), |message| message.body = body))
    };
    let bad = [
        vec![first(), end()],
        vec![first(), rest(PART, 2 * PART), end()],
        vec![first(), rest(2 * PART, size), rest(PART, 2 * PART), end()],
        vec![first(), rest(PART, PART), rest(PART, 2 * PART - 1), rest(2 * PART, size), end()],
        vec![first(), rest(PART, 2 * PART), rest(2 * PART, size), another_size()],
        vec![short(0), rest(PART, 2 * PART), rest(2 * PART, size), end()],
        vec![short(PART + 1), rest(PART, 2 * PART), rest(2 * PART, size), end()],
        vec![end()],
        vec![append(long("bob", 1, size))],
    ];
    for writes in bad {
        assert_eq!(rig.commit(writes).pop(), Some(Verdict::DiskFull));
    }
    // Begun twice, and with a chunk too many.
    let more = rest(2 * PART, size);
    let writes =
        vec![first(), first(), rest(PART, 2 * PART), rest(2 * PART, size), more, end(), end()];
    assert_eq!(rig.commit(writes)[5..], [stored(1, 1), Verdict::DiskFull]);
    // A message that is not long needs no chunks.
    let small = message("alice", "bob", 2, 7);
    let writes = vec![begin(2, small.clone()), finish(2, small.clone())];
    assert_eq!(rig.commit(writes), [KEPT, stored(2, 2)]);
    sweep_all(&mut rig, NOW_MS);
    assert_eq!(rows(&dir), (3, 0, 0));
    let found = records(&mut rig, "bob");
    assert_eq!(body(&mut rig, &found[0]), bytes(1, size));
    assert_eq!((found[1].parts, &found[1].bundle.first), (0, &small));
}
