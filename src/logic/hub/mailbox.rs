//! Mailbox of one user: the cursors in the logs that the user reads, and the user's readers.

mod ack;
mod deliver;
mod download;
mod expire;
mod publish;
mod replay;
mod rooms;
mod share;
mod volatile;

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::{Read, StoredCursor};
use crate::wire::{Features, FromServer, Seq, Span, Target, UserId};

use super::acks::{AckProgress, LogAck};
use super::io::LinkId;
use super::reader::Reader;
use super::todo::Todo;
use super::turn::Turn;
use crate::logic::prefetch::Prefetch;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::set::SeqSet;

/// Cursors and readers of one user. In memory while a link reads, or while an ack is being written.
pub(super) struct Mailbox {
    user: UserId,
    is_loaded: bool,
    cursors: BTreeMap<Target, Cursor>,
    /// Rooms that the user left while the mailbox was being loaded. The store may have read the
    /// mailbox before that.
    left: BTreeSet<Target>,
    /// Cursors removed by the answer to a leave while a later join of the same room is being
    /// written. If the mailbox was read after both writes, such a cursor belongs to the new
    /// membership.
    rejoining: BTreeMap<Target, Cursor>,
    readers: BTreeMap<LinkId, Reader>,
    /// Deliveries of sharing readers whose links were taken over, keyed by the link that may resume
    /// them.
    kept: BTreeMap<LinkId, SeqSet>,
    /// Expired messages of the page that is being delivered.
    expired: BTreeMap<Target, LogAck>,
    /// True when the ack of an expired message has uncrowded a cursor.
    is_uncrowded: bool,
    acks: AckProgress,
    /// Seq of the last message that became durable in one of the logs while the user read them.
    head: Seq,
}

impl Mailbox {
    pub(super) fn new(user: UserId) -> Self {
        Self {
            user,
            is_loaded: false,
            cursors: BTreeMap::new(),
            left: BTreeSet::new(),
            rejoining: BTreeMap::new(),
            readers: BTreeMap::new(),
            kept: BTreeMap::new(),
            expired: BTreeMap::new(),
            is_uncrowded: false,
            acks: AckProgress::default(),
            head: 0,
        }
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    /// True if the mailbox may be dropped: it has no readers, and the store has all its acks. A
    /// mailbox that is being loaded is kept.
    pub(super) fn is_idle(&self) -> bool {
        self.is_loaded && self.readers.is_empty() && self.kept.is_empty() && self.acks.is_idle()
    }

    /// Logs that the user reads.
    pub(super) fn logs(&self) -> impl Iterator<Item = &Target> {
        self.cursors.keys()
    }

    pub(super) fn links(&self) -> impl Iterator<Item = LinkId> {
        self.readers.keys().copied()
    }

    pub(super) fn has_readers(&self) -> bool {
        !self.readers.is_empty()
    }

    pub(super) fn reader(&self, link: LinkId) -> Option<&Reader> {
        self.readers.get(&link)
    }

    pub(super) fn reader_mut(&mut self, link: LinkId) -> Option<&mut Reader> {
        self.readers.get_mut(&link)
    }

    /// Links of the readers that were delivered a whole message and have not acked it.
    pub(super) fn links_with(&self, seq: Seq) -> impl Iterator<Item = LinkId> {
        let readers = self.readers.values();
        readers.filter(move |reader| reader.has_whole_message(seq)).map(Reader::link)
    }

    /// True if a message of a log is delivered and not acked.
    pub(super) fn is_unacked(&self, log: &Target, seq: Seq) -> bool {
        self.cursors.get(log).is_some_and(|cursor| !cursor.is_acked(seq))
    }

    /// True if a reader has a message, or has acked it; the ack need not be on disk yet.
    pub(super) fn has_taken(&self, log: &Target, seq: Seq) -> bool {
        self.cursors.get(log).is_some_and(|cursor| cursor.is_acked(seq))
            || self.readers.values().any(|reader| reader.holds(seq))
    }

    /// Adds a reader. It resumes those deliveries that no other sharing reader has claimed: a
    /// message that several links were given in turn belongs to the first that claims it.
    pub(super) fn attach(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        (prefetch, features): (&Prefetch, Features),
        mut resumed: SeqSet,
    ) {
        for reader in self.readers.values().filter(|reader| reader.shares()) {
            reader.resumed().iter().for_each(|span| resumed.remove(span));
        }
        let reader = Reader::new(link, (prefetch, features), resumed, turn.limits());
        self.readers.insert(link, reader);
    }

    /// Takes the cursors from the store.
    pub(super) fn load(&mut self, logs: Vec<(Target, StoredCursor)>) {
        self.is_loaded = true;
        for (log, cursor) in logs {
            self.cursors.entry(log).or_insert_with(|| cursor.into());
        }
        for room in std::mem::take(&mut self.left) {
            self.cursors.remove(&room);
        }
    }

    /// Starts a reader of a loaded mailbox.
    pub(super) fn start(&mut self, turn: &mut Turn, link: LinkId) {
        let Some(reader) = self.readers.get_mut(&link) else { return };
        if let Some(start) = reader.take_start() {
            reader.wait_to_start();
            let logs = self.cursors.keys().cloned().collect();
            let read = Read::StartPosition { logs, start };
            turn.read(|pending| &mut pending.start_positions, link, read);
            return;
        }
        reader.begin();
        // The new reader has room; the user's other readers may have had none.
        turn.note(Todo::DeliverVolatile { user: self.user.clone() });
        self.fetch(turn, link);
    }

    /// Removes the reader of a link that is gone. Its unacked deliveries go to the next reader, or
    /// again to the readers that are there: these were given the same messages, except any that the
    /// log no longer had when they came to it.
    pub(super) fn detach(&mut self, turn: &mut Turn, link: LinkId) -> Option<Reader> {
        let gone = self.readers.remove(&link)?;
        gone.free_budget(turn.budget_mut());
        let mut waiting = SeqSet::default();
        for (span, delivery) in gone.unacked().iter() {
            let Some(cursor) = self.cursors.get_mut(delivery.log()) else { continue };
            cursor.mark_shown(span);
            cursor.unacked(span).into_iter().for_each(|span| waiting.insert(span));
        }
        gone.resumed().iter().for_each(|span| waiting.insert(span));
        self.read_again(turn, &waiting, |_| true);
        Some(gone)
    }

    /// Rewinds the readers that have gone past messages which another reader has given up.
    fn read_again(&mut self, turn: &mut Turn, waiting: &SeqSet, wanted: impl Fn(&Reader) -> bool) {
        for reader in self.readers.values_mut().filter(|reader| wanted(reader)) {
            let mut passed = waiting.within(Span { first: 0, last: reader.position() });
            if let Some(span) = passed.find_map(|span| reader.undelivered(span).into_iter().next())
            {
                reader.rewind(span.first - 1);
                fetch_page(turn, &self.user, &self.cursors, reader);
            }
        }
    }

    /// Fetches a page for a reader that is not live and has room.
    pub(super) fn fetch(&mut self, turn: &mut Turn, link: LinkId) {
        if let Some(reader) = self.readers.get_mut(&link) {
            fetch_page(turn, &self.user, &self.cursors, reader);
        }
    }

    /// Fetches pages for all readers that are not live and have room.
    fn fetch_all(&mut self, turn: &mut Turn) {
        for reader in self.readers.values_mut() {
            fetch_page(turn, &self.user, &self.cursors, reader);
        }
    }

    /// Tells readers that they have caught up, once all earlier acks are recorded.
    fn send_caught_up(&mut self, turn: &mut Turn) {
        while let Some(link) = self.acks.next_caught_up() {
            if self.readers.contains_key(&link) {
                turn.send(link, FromServer::CaughtUp);
            }
        }
    }
}

fn fetch_page(
    turn: &mut Turn,
    user: &UserId,
    cursors: &BTreeMap<Target, Cursor>,
    reader: &mut Reader,
) {
    let Some((messages, bytes)) = reader.begin_fetch(turn.budget_mut()) else { return };
    let logs = cursors.iter().map(|(log, cursor)| (log.clone(), reader.fetch_after(cursor)));
    let read = Read::Page { logs: logs.collect(), reader: user.clone(), messages, bytes };
    turn.read(|pending| &mut pending.pages, reader.link(), read);
}
