//! The store alone, by `cargo bench -- store`: messages a second, checkpoints and syncs included.

use std::path::Path;
use std::time::Instant;

use qmsg::durable::{Cursor, Found, Quotas, Read, Ticket, Write};
use qmsg::wire::{Pin, RoomName, Target};
use tempfile::TempDir;

use super::filling::{BATCH, Filling, now_ms, user};
use super::row;

const LOGS: usize = 1_000;
const ONE_LOG_BATCHES: usize = 1_000;
const MANY_LOGS_BATCHES: usize = 100;
const PAGE_MESSAGES: u32 = 1024;
const PAGE_BYTES: u64 = 4 << 20;
const BODY_LEN: usize = 100;

struct Bench(Filling);

/// Appends, pages and settles of one log, of many, by one sender, by many, with old ids.
pub(crate) fn all() {
    let quotas = Quotas { log_messages_max: u64::MAX, ..Quotas::default() };
    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), quotas);
    let now = now_ms();
    bench.appends("append to one log", ONE_LOG_BATCHES, |_| (0, 0, now_ms()));
    bench.pages("pages of one log", 0, PAGE_MESSAGES, ONE_LOG_BATCHES * BATCH);
    bench.pages("pages of 32 of it", 0, 32, ONE_LOG_BATCHES * BATCH / 8);
    bench.settles();
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
}

impl Bench {
    fn open(dir: &Path, quotas: Quotas) -> Self {
        let mut filling = Filling::open(dir, quotas);
        filling.claim((0..LOGS).map(user), Pin([1; 32]));
        Self(filling)
    }

    /// Sender, target and time of the id of each message by its number.
    fn appends(&mut self, what: &str, batches: usize, of: impl Fn(usize) -> (usize, usize, u64)) {
        let start = Instant::now();
        for batch in 0..batches {
            let writes = (batch * BATCH..(batch + 1) * BATCH).map(|n| {
                let (from, to, id_ms) = of(n);
                let to = Target::User(user(to));
                (Ticket(n as u64), self.0.message(&user(from), &to, id_ms, BODY_LEN))
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

    /// Every reader of 1,000 moves on by one message, 100 times.
    fn settles(&mut self) {
        let start = Instant::now();
        for round in 1..=MANY_LOGS_BATCHES as u64 {
            let settle = |n| {
                let (user, log) = (user(n), Target::User(user(n)));
                let cursor = Cursor { through: round, ordinal: round, above: vec![] };
                (Ticket(0), Write::Settle { user, log, cursor, messages: 1, bytes: 100 })
            };
            self.0.commit((0..LOGS).map(settle).collect());
            self.0.finish();
        }
        rate("settles of 1,000 logs", MANY_LOGS_BATCHES * LOGS, start);
    }

    fn room(&mut self, what: &str) {
        let (user, room): (_, RoomName) = (user(0), "ops".parse().unwrap());
        self.0.write_all([Write::Enter { user: user.clone(), room: room.clone() }].into_iter());
        let room = Target::Room(room);
        for (what, batch, batches) in [(what, BATCH, 300), ("  one a batch", 1, 1000)] {
            let start = Instant::now();
            for _ in 0..batches {
                let message = |_| (Ticket(0), self.0.message(&user, &room, now_ms(), BODY_LEN));
                let writes = (0..batch).map(message).collect();
                self.0.commit(writes);
                self.0.finish();
            }
            rate(what, batch * batches, start);
        }
    }
}

fn rate(what: &str, messages: usize, start: Instant) {
    let each = start.elapsed() / messages as u32;
    let second = messages as f64 / start.elapsed().as_secs_f64() / 1e3;
    row(what, &format!("{second:.0} k/s, {:.2} us each", each.as_secs_f64() * 1e6));
}
