//! The store alone, by `cargo bench -- store`: messages a second, checkpoints and syncs included.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Instant;

use jiff::Timestamp;
use qmsg::durable::{Cursor, Found, Outcome, Quotas, Read, Ticket, Write};
use qmsg::store::{Done, Store};
use qmsg::wire::{Body, Headers, Message, MsgId, Pin, Target, UserId};
use tempfile::TempDir;

use super::row;

const BATCH: usize = 1024;
const LOGS: usize = 1_000;
const ONE_LOG_BATCHES: usize = 1_000;
const MANY_LOGS_BATCHES: usize = 100;
const PAGE_MESSAGES: u32 = 1024;
const PAGE_BYTES: u64 = 4 << 20;
/// Batches that are under way while the next is made.
const AHEAD: usize = 2;

struct Bench {
    store: Store,
    done: Receiver<Done>,
    ids: u64,
}

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
    bench.store.close();
    let size = std::fs::metadata(dir.path().join("store.db")).unwrap().len();
    let messages = (ONE_LOG_BATCHES + 3 * MANY_LOGS_BATCHES) * BATCH;
    row("bytes of file a message", &format!("{}", size / messages as u64));

    let dir = TempDir::new().unwrap();
    let mut bench = Bench::open(dir.path(), Quotas::default());
    bench.room("append to a room at its quota");
}

impl Bench {
    fn open(dir: &Path, quotas: Quotas) -> Self {
        let (tell, done) = sync_channel(AHEAD);
        let store = Store::open(dir, quotas, move |done| drop(tell.send(done))).unwrap();
        let mut bench = Self { store, done, ids: 0 };
        let key = Pin([1; 32]);
        let claim = |n| {
            let id = user(n);
            (Ticket(0), Write::Claim { id, key, code_needed: false, code: None, now_ms: 0 })
        };
        bench.store.commit((0..LOGS).map(claim).collect());
        bench.answer();
        bench
    }

    fn answer(&mut self) -> Vec<(Ticket, Outcome)> {
        match self.done.recv().unwrap() {
            Done::Durable(answers) => answers,
            other => panic!("{other:?}"),
        }
    }

    fn message(&mut self, from: UserId, to: Target, id_ms: u64) -> Write {
        self.ids += 1;
        let mut random = [7; 10];
        // In no order within a millisecond, as those that clients make.
        random[..8].copy_from_slice(&self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let (id, time_ms) = (MsgId::new(id_ms, random), id_ms);
        let (headers, body) = (Headers::default(), Body(vec![b'x'; 100].into()));
        let size = body.len() as u64;
        let message = Message { id, from, to, time_ms, headers, size, body };
        Write::Append { message: Arc::new(message), upload: None }
    }

    /// Sender, target and time of the id of each message by its number.
    fn appends(&mut self, what: &str, batches: usize, of: impl Fn(usize) -> (usize, usize, u64)) {
        let start = Instant::now();
        for batch in 0..batches {
            let writes = (batch * BATCH..(batch + 1) * BATCH).map(|n| {
                let (from, to, id_ms) = of(n);
                (Ticket(n as u64), self.message(user(from), Target::User(user(to)), id_ms))
            });
            let writes = writes.collect();
            self.store.commit(writes);
            if batch >= AHEAD {
                self.expect_stored();
            }
        }
        for _ in 0..AHEAD.min(batches) {
            self.expect_stored();
        }
        rate(what, batches * BATCH, start);
    }

    fn expect_stored(&mut self) {
        let answers = self.answer();
        assert!(answers.iter().all(|(_, outcome)| matches!(outcome, Outcome::Stored { .. })));
    }

    fn pages(&mut self, what: &str, log: usize, messages: u32, expected: usize) {
        let start = Instant::now();
        let (mut seen, mut after) = (0, 0);
        while seen < expected {
            let logs = vec![(Target::User(user(log)), after)];
            let (reader, bytes) = (user(log), PAGE_BYTES);
            self.store.read(Ticket(0), Read::Page { logs, reader, messages, bytes });
            let Done::Found(_, Found::Page(page)) = self.done.recv().unwrap() else { panic!() };
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
            self.store.commit((0..LOGS).map(settle).collect());
            self.answer();
        }
        rate("settles of 1,000 logs", MANY_LOGS_BATCHES * LOGS, start);
    }

    fn room(&mut self, what: &str) {
        let room = "ops".parse().unwrap();
        self.store.commit(vec![(Ticket(0), Write::Enter { user: user(0), room })]);
        self.answer();
        for (what, batch, batches) in [(what, BATCH, 300), ("  one a batch", 1, 1000)] {
            let start = Instant::now();
            for _ in 0..batches {
                let to = || "@ops".parse().unwrap();
                let writes = (0..batch).map(|_| (Ticket(0), self.message(user(0), to(), now_ms())));
                let writes = writes.collect();
                self.store.commit(writes);
                self.expect_stored();
            }
            rate(what, batch * batches, start);
        }
    }
}

fn user(n: usize) -> UserId {
    format!("user-{n}").parse().unwrap()
}

fn now_ms() -> u64 {
    Timestamp::now().as_millisecond() as u64
}

fn rate(what: &str, messages: usize, start: Instant) {
    let each = start.elapsed() / messages as u32;
    let second = messages as f64 / start.elapsed().as_secs_f64() / 1e3;
    row(what, &format!("{second:.0} k/s, {:.2} us each", each.as_secs_f64() * 1e6));
}
