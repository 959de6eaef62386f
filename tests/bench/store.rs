//! The store alone, by `cargo bench -- store`: messages a second, single commits, long bodies;
//! checkpoints and syncs included.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qmsg::durable::{Found, Outcome, Quotas, Read, RequestId, StoredCursor, Swept, Upload, Write};
use qmsg::wire::{Bundle, CHUNK_LEN_MAX, Pin, RoomName, Target};
use tempfile::TempDir;

use super::filling::{BATCH, Filling, now_ms, user};
use super::row;

const LOGS: usize = 1_000;
const ONE_LOG_BATCHES: usize = 1_000;
const MANY_LOGS_BATCHES: usize = 100;
const PAGE_MESSAGES: u32 = 1024;
const PAGE_BYTES: u64 = 4 << 20;
const BODY_LEN: usize = 100;
const ONE_BY_ONE: usize = 2_000;
const LONG: usize = 4;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

struct Bench(Filling);

/// Measures appends, pages and acks: one log and many, one sender and many, with old ids.
pub(crate) fn all() {
    let quotas = Quotas { log_messages_max: u64::MAX, ..Quotas::default() };
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), quotas);
    let now = now_ms();
    bench.appends("append to one log", ONE_LOG_BATCHES, |_| (0, 0, now_ms()));
    bench.pages("pages of one log", 0, PAGE_MESSAGES, ONE_LOG_BATCHES * BATCH);
    bench.pages("pages of 32 of it", 0, 32, ONE_LOG_BATCHES * BATCH / 8);
    bench.acks();
    bench.appends("append to 1,000 logs", MANY_LOGS_BATCHES, |n| (0, n % LOGS, now_ms()));
    bench.appends("  by 1,000 senders", MANY_LOGS_BATCHES, |n| (n % LOGS, n % LOGS, now_ms()));
    bench.appends("  with old ids", MANY_LOGS_BATCHES, |n| {
        let back_ms = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % (6 * 24 * 60 * 60 * 1000);
        (n % LOGS, n % LOGS, now - back_ms)
    });
    bench.pages("pages of one of 1,000 logs", 5, PAGE_MESSAGES, MANY_LOGS_BATCHES);
    bench.0.close();
    let size = std::fs::metadata(dir.path().join("store.db")).unwrap().len();
    let messages = (ONE_LOG_BATCHES + 3 * MANY_LOGS_BATCHES) * BATCH;
    row("bytes of file a message", &format!("{}", size / messages as u64));

    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Quotas::default());
    bench.room("append to a room at its quota");
    bench.0.close();

    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), quotas);
    bench.one_by_one();
    bench.long_bodies();
    bench.0.close();
    let start = Instant::now();
    Filling::open(dir.path(), quotas).close();
    row("opening and closing that", &format!("{:.1} ms", start.elapsed().as_secs_f64() * 1e3));
}

impl Bench {
    fn open(dir: &Path, quotas: Quotas) -> Self {
        let mut filling = Filling::open(dir, quotas);
        filling.claim((0..LOGS).map(user), Pin([1; 32]));
        Self(filling)
    }

    /// Appends batches. `of` gives sender, target and id time of a message by its number.
    fn appends(&mut self, what: &str, batches: usize, of: impl Fn(usize) -> (usize, usize, u64)) {
        let start = Instant::now();
        for batch in 0..batches {
            let writes = (batch * BATCH..(batch + 1) * BATCH).map(|n| {
                let (from, to, id_ms) = of(n);
                let to = Target::User(user(to));
                (RequestId(n as u64), self.0.message(&user(from), &to, id_ms, BODY_LEN))
            });
            let writes = writes.collect();
            self.0.commit(writes);
        }
        self.0.finish();
        rate(what, batches * BATCH, start);
    }

    fn pages(&mut self, what: &str, log: usize, messages: u32, expected: usize) {
        let start = Instant::now();
        let (mut seen, mut after) = (0, 0);
        while seen < expected {
            let logs = vec![(Target::User(user(log)), after)];
            let (reader, bytes) = (user(log), PAGE_BYTES);
            let page = self.0.read(Read::Page { logs, reader, messages, bytes });
            let Found::Page(page) = page else { panic!("no page") };
            seen += page.items.len();
            after = page.through;
        }
        rate(what, seen, start);
    }

    /// Moves each of 1,000 cursors on by one message, 100 times.
    fn acks(&mut self) {
        let start = Instant::now();
        for round in 1..=MANY_LOGS_BATCHES as u64 {
            let ack = |n| {
                let (user, log) = (user(n), Target::User(user(n)));
                let cursor = StoredCursor { through: round, ordinal: round, above: vec![] };
                (
                    RequestId(0),
                    Write::Ack { user, log, cursor, messages: 1, bytes: 100, verdicts: Vec::new() },
                )
            };
            self.0.commit((0..LOGS).map(ack).collect());
            self.0.finish();
        }
        rate("acks of 1,000 logs", MANY_LOGS_BATCHES * LOGS, start);
    }

    /// Commits one append at a time, beside the least time that the disk needs for that.
    fn one_by_one(&mut self) {
        let (from, to) = (user(0), Target::User(user(1)));
        let mut times = Vec::new();
        for _ in 0..ONE_BY_ONE {
            let write = self.0.message(&from, &to, now_ms(), BODY_LEN);
            let start = Instant::now();
            self.0.commit(vec![(RequestId(0), write)]);
            self.0.finish();
            times.push(start.elapsed());
        }
        let bare = append_and_sync();
        for (what, mut times) in [("append, one a batch", times), ("  4 KiB and fdatasync", bare)] {
            times.sort_unstable();
            let us = |at: usize| times[at].as_secs_f64() * 1e6;
            let (median, p95) = (us(ONE_BY_ONE / 2), us(ONE_BY_ONE * 95 / 100));
            row(what, &format!("median {median:.0} us p95 {p95:.0} us"));
        }
    }

    /// Writes, reads and deletes bodies of 64 MiB.
    fn long_bodies(&mut self) {
        const CHUNKS: usize = 1024;
        let (from, to) = (user(0), Target::User(user(2)));
        let mib = |start: Instant| (LONG * CHUNKS / 16) as f64 / start.elapsed().as_secs_f64();
        let start = Instant::now();
        for upload in (0..LONG as u64).map(Upload) {
            let Write::Append { bundle, .. } = self.0.message(&from, &to, now_ms(), CHUNK_LEN_MAX)
            else {
                panic!("no message")
            };
            let (mut message, body) = (bundle.first.clone(), bundle.first.body.clone());
            message.size = (CHUNKS * CHUNK_LEN_MAX) as u64;
            let bundle: Arc<Bundle> = Arc::new(message.into());
            let mut writes = vec![Write::BeginUpload { upload, bundle: Arc::clone(&bundle) }];
            writes.extend((1..CHUNKS).map(|_| Write::AppendChunk { upload, body: body.clone() }));
            writes.push(Write::Append { bundle, upload: Some(upload) });
            for batch in writes.chunks(16) {
                self.0.outcomes(batch.iter().cloned());
            }
        }
        row("64 MiB bodies in", &format!("{:.0} MiB/s", mib(start)));
        let start = Instant::now();
        for at in 1..=(LONG * CHUNKS) as u64 {
            assert!(matches!(self.0.read(Read::Chunk { at }), Found::Chunk(Ok(_))));
        }
        row("  and out", &format!("{:.0} MiB/s", mib(start)));
        let start = Instant::now();
        let through = (ONE_BY_ONE + LONG) as u64;
        let cursor = StoredCursor { through, ordinal: LONG as u64, above: vec![] };
        let (user, messages, bytes) = (user(2), LONG as u64, u64::MAX);
        let ack = Write::Ack { user, log: to, cursor, messages, bytes, verdicts: Vec::new() };
        self.0.outcomes([ack].into_iter());
        let sweep = Write::Sweep { now_ms: now_ms() + 2 * DAY_MS };
        let more = [Outcome::Sweep(Swept { more: true })];
        while self.0.outcomes([sweep.clone()].into_iter()) == more {}
        row("  and removed", &format!("{:.0} MiB/s", mib(start)));
    }

    fn room(&mut self, what: &str) {
        let (user, room): (_, RoomName) = (user(0), "ops".parse().unwrap());
        self.0.write_all([Write::JoinRoom { user: user.clone(), room: room.clone() }].into_iter());
        let room = Target::Room(room);
        for (what, batch, batches) in [(what, BATCH, 300), ("  one a batch", 1, 1000)] {
            let start = Instant::now();
            for _ in 0..batches {
                let message = |_| (RequestId(0), self.0.message(&user, &room, now_ms(), BODY_LEN));
                let writes = (0..batch).map(message).collect();
                self.0.commit(writes);
                self.0.finish();
            }
            rate(what, batch * batches, start);
        }
    }
}

fn append_and_sync() -> Vec<Duration> {
    let mut file = tempfile::tempfile().unwrap();
    let append = |_| {
        let start = Instant::now();
        file.write_all(&[b'x'; 4096]).unwrap();
        file.sync_data().unwrap();
        start.elapsed()
    };
    (0..ONE_BY_ONE).map(append).collect()
}

fn rate(what: &str, messages: usize, start: Instant) {
    let each = start.elapsed() / messages as u32;
    let second = messages as f64 / start.elapsed().as_secs_f64() / 1e3;
    row(what, &format!("{second:.0} k/s, {:.2} us each", each.as_secs_f64() * 1e6));
}
