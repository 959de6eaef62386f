//! Readers that begin elsewhere than with what is not processed.
//!
//! Such a reader goes through its logs like any other, from the first message that is not processed
//! or from its start, what comes first. What is before its start goes by, for others; what is
//! behind it and processed is replayed, until the reader has caught up: delivered, and reported
//! like everything, which changes no cursor.

use crate::durable::{Read, Record};
use crate::wire::{Seq, Span, Start, UserId};

use super::io::{LinkId, Output};
use super::link::{Mode, Reader};
use super::router::Hub;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::set::missing;
use crate::logic::seqs::unacked::Delivery;

impl Reader {
    /// Behind which seq it goes on reading in a log.
    pub(super) fn after(&self, place: &Cursor) -> Seq {
        let unprocessed = place.resume_after(0);
        self.position.max(self.replay.map_or(unprocessed, |replay| replay.min(unprocessed)))
    }

    /// What of a span is processed and to be delivered all the same.
    pub(super) fn replays(&self, span: Span, unprocessed: &[Span]) -> Vec<Span> {
        let Some(first) = self.replay.map(|replay| span.first.max(replay + 1)) else {
            return Vec::new();
        };
        if first > span.last {
            return Vec::new();
        }
        let again = missing(
            Span { first, last: span.last },
            unprocessed.iter().filter(|span| span.last >= first).copied(),
        );
        again.into_iter().flat_map(|span| self.lacks(span)).collect()
    }

    /// All up to here has been replayed.
    pub(super) fn has_replayed(&mut self, through: Seq) {
        if let Some(replay) = &mut self.replay {
            *replay = (*replay).max(through);
        }
    }
}

impl Hub {
    /// Looks up where a reader begins that does not begin with what is not processed. Whether there
    /// is something to look up.
    pub(super) fn look_up_start(
        &mut self,
        id: LinkId,
        user: &UserId,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(mailbox) = self.mailboxes.get(user) else { return false };
        let logs = mailbox.places.keys().cloned().collect();
        let Some(reader) = self.reader(id) else { return false };
        let start = std::mem::take(&mut reader.start);
        if start == Start::Unacked {
            return false;
        }
        reader.mode = Mode::Beginning;
        let ticket = self.ask(|pending| &mut pending.start_positions, id);
        out.push(Output::Read(ticket, Read::StartPosition { logs, start }));
        true
    }

    /// A reader begins behind this seq, or, if there is none, as if it had asked for nothing.
    pub(super) fn starts(&mut self, id: LinkId, behind: Option<Seq>, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some(reader) = link.reader.as_mut() else { return };
        reader.mode = Mode::Waiting;
        reader.floor = behind.unwrap_or_default();
        reader.replay = behind;
        self.pump(id, &user, out);
    }

    /// Delivers messages that are processed as far as they fit: how many of them, from the first
    /// on.
    pub(super) fn replay(&mut self, id: LinkId, record: &Record, out: &mut Vec<Output>) -> u64 {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let Some(reader) = reader else { return 0 };
        let count = reader.admits(&record.bundle, &self.flight);
        if count > 0 {
            let span = Span::of(record.seq, count);
            let (log, weights) = (record.bundle.first.to.clone(), record.bundle.weights());
            let offer = Delivery::messages(span, log, weights);
            reader.offer(record.seq, offer, &mut self.flight);
            self.deliver(id, record.slice(0, count), out);
        }
        count
    }
}
