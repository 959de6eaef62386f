//! The durable log, driven as the server drives it: batches and reads in, answers by callback.

mod bundles;
mod damage;
mod drawers;
mod duplicates;
mod durability;
mod expiry;
mod model;
mod old_formats;
mod pages;
mod parts;
mod room;
mod runs;
mod scheduling;
mod standings;
mod starts;
mod sweeping;
mod tail;
mod uploads;
mod verdict;
mod wal;
mod writes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use qmsg::durable::{
    AckedRange, Found, Outcome, Page, PageItem, Quotas, Read, RequestId, StoredCursor, Write,
};
use qmsg::store::{Done, OpenError, Store};
use qmsg::wire::{Body, Bundle, Envelope, Headers, Message, MsgId, Pin, Seq, Span, Target};
use rusqlite::Connection;
use tempfile::TempDir;
pub(crate) use uploads::body;
use verdict::{Verdict, answers};

const DEADLINE: Duration = Duration::from_secs(20);
/// Answers that wait for the test.
const DONE_MAX: usize = 256;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// "Now" in most tests.
const NOW_MS: u64 = 1_800_000_000_000;

/// A store, and what it says.
pub(crate) struct Rig {
    store: Store,
    done: Receiver<Done>,
    tickets: u64,
    /// Writes that are not answered.
    asked: BTreeMap<RequestId, Write>,
}

impl Rig {
    pub(crate) fn open(dir: &Path, quotas: Quotas) -> Self {
        Self::try_open(dir, quotas).unwrap()
    }

    fn try_open(dir: &Path, quotas: Quotas) -> Result<Self, OpenError> {
        let (tell, done) = sync_channel(DONE_MAX);
        let store = qmsg::store::open(dir, quotas, move |done| drop(tell.send(done)))?;
        Ok(Self { store, done, tickets: 0, asked: BTreeMap::new() })
    }

    /// A new store with these users.
    fn with(dir: &TempDir, quotas: Quotas, users: &[&str]) -> Self {
        let mut rig = Self::open(dir.path(), quotas);
        rig.commit(users.iter().map(|user| claim(user)).collect());
        rig
    }

    fn ticket(&mut self) -> RequestId {
        self.tickets += 1;
        RequestId(self.tickets)
    }

    fn next(&self) -> Done {
        self.done.recv_timeout(DEADLINE).unwrap()
    }

    /// Commits one batch and gives the answers as they come, with the batch's tickets.
    fn commit_raw(&mut self, writes: Vec<Write>) -> (Vec<RequestId>, Vec<(RequestId, Verdict)>) {
        let batch: Vec<_> = writes.into_iter().map(|write| (self.ticket(), write)).collect();
        self.asked.extend(batch.iter().cloned());
        let tickets = batch.iter().map(|(ticket, _)| *ticket).collect();
        self.store.commit(batch);
        match self.next() {
            Done::Durable(outcomes) => (tickets, self.checked(outcomes)),
            other => panic!("{other:?}"),
        }
    }

    /// Answers, each of the kind of the write that it is for.
    fn checked(&mut self, outcomes: Vec<(RequestId, Outcome)>) -> Vec<(RequestId, Verdict)> {
        let checked = |(ticket, outcome): (RequestId, Outcome)| {
            let write = self.asked.remove(&ticket).unwrap();
            assert!(answers(&outcome, &write), "{outcome:?} for {write:?}");
            (ticket, outcome.into())
        };
        outcomes.into_iter().map(checked).collect()
    }

    /// Commits one batch of which every write is answered.
    fn commit(&mut self, writes: Vec<Write>) -> Vec<Verdict> {
        let (tickets, answers) = self.commit_raw(writes);
        let (answered, outcomes): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        assert_eq!(answered, tickets);
        outcomes
    }

    /// Commits one batch of which every write is answered; the answers with their kinds.
    fn outcomes(&mut self, writes: Vec<Write>) -> Vec<Outcome> {
        let batch: Vec<_> = writes.into_iter().map(|write| (self.ticket(), write)).collect();
        self.store.commit(batch);
        match self.next() {
            Done::Durable(outcomes) => outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn one(&mut self, write: Write) -> Verdict {
        self.commit(vec![write]).remove(0)
    }

    fn read(&mut self, read: Read) -> Found {
        let ticket = self.ticket();
        self.store.read(ticket, read);
        match self.next() {
            Done::Found(answered, found) => {
                assert_eq!(answered, ticket);
                found
            }
            other => panic!("{other:?}"),
        }
    }

    fn page(&mut self, reader: &str, logs: &[(&str, Seq)], messages: u32, bytes: u64) -> Page {
        let logs = logs.iter().map(|&(log, after)| (target(log), after)).collect();
        let reader = reader.parse().unwrap();
        match self.read(Read::Page { logs, reader, messages, bytes }) {
            Found::Page(page) => page,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn whole(&mut self, reader: &str, log: &str) -> Vec<PageItem> {
        let page = self.page(reader, &[(log, 0)], u32::MAX, u64::MAX);
        assert!(page.complete);
        page.items
    }

    /// Closes it.
    pub(crate) fn close(self) {
        self.store.close();
    }

    pub(crate) fn mailbox(&mut self, user: &str) -> Vec<(String, StoredCursor)> {
        match self.read(Read::Mailbox { user: user.parse().unwrap() }) {
            Found::Mailbox(logs) => logs.into_iter().map(|(to, c)| (to.to_string(), c)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

/// Another look at the file of a store.
pub(crate) fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("store.db")).unwrap()
}

/// Messages in the table, and ids remembered: those noted and those of later runs.
fn counts(dir: &Path) -> (i64, i64) {
    let sql = "SELECT (SELECT ifnull(sum(messages), 0) FROM run),
        (SELECT ifnull(sum(length(ids)) / 24, 0) FROM sent) + (SELECT ifnull(sum(messages), 0)
            FROM run WHERE last > (SELECT last_seq FROM state))";
    database(dir).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn claim(user: &str) -> Write {
    let id = user.parse().unwrap();
    Write::Claim { id, key: Pin([1; 32]), code_needed: false, code: None, now_ms: NOW_MS }
}

/// A message whose id is made of `n`, with a body of `length` times `n`.
/// The same message with another field.
fn with(mut message: Message, change: impl FnOnce(&mut Message)) -> Message {
    change(&mut message);
    message
}

fn message(from: &str, to: &str, n: u32, length: usize) -> Message {
    message_at(NOW_MS, from, to, n, length)
}

fn message_at(time_ms: u64, from: &str, to: &str, n: u32, length: usize) -> Message {
    let mut random = [7; 10];
    random[6..].copy_from_slice(&n.to_be_bytes());
    Message {
        from: from.parse().unwrap(),
        time_ms,
        envelope: Envelope {
            id: MsgId::new(time_ms, random),
            to: target(to),
            headers: Headers::default(),
            size: length as u64,
            body: Body(Bytes::from(vec![n as u8; length])),
        },
    }
}

fn append(message: Message) -> Write {
    append_all(message.into())
}

/// Messages that are alike and follow one another.
fn bundle(messages: impl IntoIterator<Item = Message>) -> Bundle {
    let messages: Vec<Message> = messages.into_iter().collect();
    let others = messages[1..].iter().map(|message| &message.body).collect();
    let bundle = Bundle { first: messages[0].clone(), others };
    assert!(bundle.messages().eq(messages), "not alike");
    bundle
}

fn append_all(bundle: Bundle) -> Write {
    Write::Append { bundle: Arc::new(bundle), upload: None }
}

fn cursor(through: Seq, ordinal: u64, above: &[Seq]) -> StoredCursor {
    StoredCursor { through, ordinal, above: above.iter().map(stretch).collect() }
}

fn stretch(seq: &Seq) -> AckedRange {
    AckedRange { span: Span::one(*seq), ordinal: 0, count: 1 }
}

fn settle(user: &str, log: &str, cursor: StoredCursor, messages: u64, bytes: u64) -> Write {
    Write::Ack {
        user: user.parse().unwrap(),
        log: target(log),
        cursor,
        messages,
        bytes,
        verdicts: Vec::new(),
    }
}

fn enter(user: &str, room: &str) -> Write {
    Write::JoinRoom { user: user.parse().unwrap(), room: room.parse().unwrap() }
}

fn leave(user: &str, room: &str) -> Write {
    Write::LeaveRoom { user: user.parse().unwrap(), room: room.parse().unwrap() }
}

fn sweep(now_ms: u64) -> Write {
    Write::Sweep { now_ms }
}

fn member(changed: bool, cursor: StoredCursor) -> Verdict {
    Verdict::Member { changed, cursor }
}

fn stored(seq: Seq, ordinal: u64) -> Verdict {
    Verdict::Stored { seq, ordinal }
}

fn seqs(items: &[PageItem]) -> Vec<Seq> {
    let span = |item: &PageItem| match item {
        PageItem::Messages(record) => record.span(),
        PageItem::Removed { seq, .. } | PageItem::Corrupt { seq, .. } => Span::one(*seq),
    };
    items.iter().map(span).flat_map(|span| span.first..=span.last).collect()
}

/// Each message of these items on its own.
pub(crate) fn each(items: Vec<PageItem>) -> Vec<PageItem> {
    let each = |item| match item {
        PageItem::Messages(record) => {
            let slice = |at| PageItem::Messages(record.slice(at, 1));
            (0..record.bundle.count()).map(slice).collect()
        }
        other => vec![other],
    };
    items.into_iter().flat_map(each).collect()
}
