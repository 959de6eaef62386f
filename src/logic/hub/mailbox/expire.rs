//! Messages that expired before they were delivered.

use crate::durable::Record;
use crate::wire::Span;

use super::Mailbox;
use super::deliver::read_past;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::turn::Turn;

impl Mailbox {
    /// Acks expired messages for the user, except those that a reader already has.
    pub(super) fn expire(&mut self, turn: &Turn, record: &Record) {
        let (span, log) = (record.span(), &record.bundle.first.to);
        let Some(cursor) = self.cursors.get_mut(log) else { return };
        let mut free = cursor.unacked(span);
        read_past(cursor, record, (span.first, span.last + 1), &free);
        for reader in self.readers.values() {
            let unacked = reader.unacked();
            free = free.into_iter().flat_map(|span| unacked.missing(span)).collect();
        }
        if free.is_empty() {
            return;
        }
        let was_crowded = cursor.is_crowded();
        let new: Vec<Span> = free.into_iter().flat_map(|span| cursor.ack(span)).collect();
        self.is_uncrowded |= was_crowded && !cursor.is_crowded();
        let expired = self.expired.entry(log.clone()).or_default();
        let weights = record.bundle.weights();
        for span in new {
            let bytes = weights.len_bytes(span.first - record.seq, span.count());
            expired.add_expired(span, bytes, turn.now().unix_ms);
        }
    }

    /// Asks the store to write the acks of expired messages. No client waits for the answer.
    pub(super) fn write_expired(&mut self, turn: &mut Turn, link: LinkId) {
        let mut expired = std::mem::take(&mut self.expired);
        expired.retain(|log, _| self.cursors.contains_key(log));
        self.write_acks(turn, link, expired, (0, 0));
        if std::mem::take(&mut self.is_uncrowded) {
            self.fetch_all(turn);
        }
    }
}
