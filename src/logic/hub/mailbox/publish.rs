//! Newly stored messages: go straight to the readers that are live.

use crate::durable::Record;

use super::deliver::{is_for, offer};
use super::{Mailbox, fetch_page};
use crate::logic::hub::io::LinkId;
use crate::logic::hub::turn::Turn;

impl Mailbox {
    /// Takes messages that became durable in one of the user's logs. Adds to `links` the readers
    /// that get all of them; the caller delivers to these. Other readers fetch the messages from
    /// the store.
    pub(crate) fn publish(&mut self, turn: &mut Turn, record: &Record, links: &mut Vec<LinkId>) {
        let Some(cursor) = self.cursors.get_mut(&record.bundle.first.to) else { return };
        if !self.is_loaded {
            return;
        }
        let (span, is_for) = (record.span(), is_for(&self.user, &record.bundle));
        self.head = span.last;
        // Another reader of this user may have acked it already, from an earlier page.
        let is_unacked = cursor.is_wholly_unacked(span) && !record.bundle.first.is_long();
        let mut sharing = false;
        let mut behind = Vec::new();
        for (link, reader) in &mut self.readers {
            if !reader.is_live_before(record.seq) {
                continue;
            }
            if !is_for {
                reader.advance(span.last);
            } else if reader.shares() {
                sharing = true;
            } else if is_unacked
                && reader.is_new(span)
                && !reader.is_downloading()
                && reader.admits(&record.bundle, turn.budget()) == span.count()
                && offer(cursor, reader, record, turn.budget_mut()) == span.count()
            {
                reader.advance(span.last);
                links.push(*link);
            } else {
                reader.fall_behind();
                behind.push(*link);
            }
        }
        if sharing {
            self.publish_shared(turn, record);
        }
        for link in behind {
            self.fetch(turn, link);
        }
    }

    /// Delivers newly stored messages among the live readers that share. Messages that none of them
    /// takes are fetched from the store.
    fn publish_shared(&mut self, turn: &mut Turn, record: &Record) {
        let span = record.span();
        let cursor = self.cursors.get(&record.bundle.first.to);
        let is_new = cursor.is_some_and(|cursor| cursor.is_wholly_unacked(span))
            && self.unshared(span) == [span];
        let is_whole = is_new
            && !record.bundle.first.is_long()
            && self.share(turn, record) == record.bundle.count();
        for reader in self.readers.values_mut() {
            if !reader.shares() || !reader.is_live_before(record.seq) {
                continue;
            }
            if is_whole {
                reader.advance(span.last);
            } else {
                reader.fall_behind();
                fetch_page(turn, &self.user, &self.cursors, reader);
            }
        }
    }
}
