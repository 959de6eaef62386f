//! Fills a store without a server, which is quicker than sending messages to one.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use bytes::Bytes;
use jiff::Timestamp;
use qmsg::durable::{AppendOutcome, Found, Outcome, Quotas, Read, RequestId, Write};
use qmsg::store::{Done, Store};
use qmsg::wire::{Body, Envelope, Headers, Message, MsgId, Pin, Target, UserId};

/// Writes that are committed together.
pub(crate) const BATCH: usize = 1024;
/// Body bytes that are committed together.
const BATCH_BYTES: usize = 16 << 20;
/// Batches under way while the next one is prepared.
const AHEAD: usize = 2;

/// An open store that batches of writes go to.
pub(crate) struct Filling {
    store: Store,
    done: Receiver<Done>,
    /// Batches that have no answer yet.
    unanswered: usize,
    ids: u64,
    /// Body of the last message; the next message shares it if it has the same length.
    body: Bytes,
}

impl Filling {
    pub(crate) fn open(dir: &Path, quotas: Quotas) -> Self {
        let (tell, done) = sync_channel(AHEAD);
        let store = qmsg::store::open(dir, quotas, move |done| drop(tell.send(done))).unwrap();
        Self { store, done, unanswered: 0, ids: 0, body: Bytes::new() }
    }

    /// Waits for all writes and closes the store.
    pub(crate) fn close(mut self) {
        self.finish();
        self.store.close();
    }

    /// Registers ids as belonging to a key.
    pub(crate) fn claim(&mut self, ids: impl Iterator<Item = UserId>, key: Pin) {
        let code_needed = false;
        let claim = |id| Write::Claim { id, key, code_needed, code: None, now_ms: 0 };
        self.write_all(ids.map(claim));
    }

    /// Commits the writes in batches of [`BATCH`], and returns when all are durable.
    pub(crate) fn write_all(&mut self, writes: impl Iterator<Item = Write>) {
        let mut writes = writes.peekable();
        while writes.peek().is_some() {
            self.commit(writes.by_ref().take(BATCH).map(|write| (RequestId(0), write)).collect());
        }
        self.finish();
    }

    /// Appends `count` messages of `len` bytes from one user, to the targets in turn.
    pub(crate) fn append_all(&mut self, from: &UserId, to: &[Target], count: usize, len: usize) {
        let (batch, mut targets) = (BATCH.min(BATCH_BYTES / len), to.iter().cycle());
        for start in (0..count).step_by(batch) {
            let messages = targets.by_ref().take(batch.min(count - start));
            let writes = messages.map(|to| (RequestId(0), self.message(from, to, now_ms(), len)));
            let writes = writes.collect();
            self.commit(writes);
        }
        self.finish();
    }

    /// Append of one message, with a new id of the time `id_ms`.
    pub(crate) fn message(&mut self, from: &UserId, to: &Target, id_ms: u64, len: usize) -> Write {
        self.ids += 1;
        if self.body.len() != len {
            self.body = vec![b'x'; len].into();
        }
        let mut random = [7; 10];
        // Ids of one millisecond come in no order, as those of real clients do.
        random[..8].copy_from_slice(&self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let message = Message {
            from: from.clone(),
            time_ms: id_ms,
            envelope: Envelope {
                id: MsgId::new(id_ms, random),
                to: to.clone(),
                headers: Headers::default(),
                size: len as u64,
                body: Body(self.body.clone()),
            },
        };
        Write::Append { bundle: Arc::new(message.into()), upload: None }
    }

    /// Commits a batch, and waits until at most [`AHEAD`] batches have no answer.
    pub(crate) fn commit(&mut self, batch: Vec<(RequestId, Write)>) {
        self.store.commit(batch);
        self.unanswered += 1;
        if self.unanswered > AHEAD {
            self.answered();
        }
    }

    /// Waits until every batch has its answer.
    pub(crate) fn finish(&mut self) {
        while self.unanswered > 0 {
            self.answered();
        }
    }

    /// Commits one batch and returns its outcomes. No other batch may be under way.
    pub(crate) fn outcomes(&mut self, batch: impl Iterator<Item = Write>) -> Vec<Outcome> {
        self.store.commit(batch.map(|write| (RequestId(0), write)).collect());
        let Done::Durable(answers) = self.done.recv().unwrap() else { panic!("no batch") };
        answers.into_iter().map(|(_, outcome)| outcome).collect()
    }

    fn answered(&mut self) {
        let Done::Durable(answers) = self.done.recv().unwrap() else { panic!("no batch") };
        self.unanswered -= 1;
        for (_, outcome) in answers {
            let done = matches!(
                outcome,
                Outcome::Append(AppendOutcome::All(Ok(_)))
                    | Outcome::Claim(Ok(_))
                    | Outcome::Ack
                    | Outcome::JoinRoom(Ok(_))
            );
            assert!(done, "{outcome:?}");
        }
    }

    /// Reads from the store. No batch may be under way.
    pub(crate) fn read(&mut self, read: Read) -> Found {
        self.store.read(RequestId(0), read);
        match self.done.recv().unwrap() {
            Done::Found(_, found) => found,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn user(number: usize) -> UserId {
    format!("user-{number}").parse().unwrap()
}

pub(crate) fn now_ms() -> u64 {
    Timestamp::now().as_millisecond() as u64
}
