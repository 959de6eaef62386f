//! Delivery of pages: each item is delivered, reported as lost, or skipped.

use crate::durable::{Page, PageItem, Record};
use crate::wire::{Bundle, FromServer, Seq, Span, Target, UserId};

use super::Mailbox;
use crate::logic::hub::budget::DeliveryBudget;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::reader::Reader;
use crate::logic::hub::todo::Todo;
use crate::logic::hub::turn::Turn;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::position::Position;
use crate::logic::seqs::set::SeqSet;
use crate::logic::seqs::unacked::Delivery;

/// True if messages are for this user: a sender does not receive its own messages to a room or to
/// `@all`.
pub(super) fn is_for(user: &UserId, bundle: &Bundle) -> bool {
    matches!(bundle.first.to, Target::User(_)) || bundle.first.from != *user
}

/// Adds the first messages of a record to a reader's window, as far as they fit. All must be
/// unacked and new to it. Returns their number.
pub(super) fn offer(
    cursor: &mut Cursor,
    reader: &mut Reader,
    record: &Record,
    budget: &mut DeliveryBudget,
) -> u64 {
    if cursor.is_crowded() && cursor.is_past_acked(record.seq) {
        return 0;
    }
    let count = reader.admits(&record.bundle, budget);
    if count > 0 {
        cursor.deliver(Position::new(record.seq, record.ordinal), count);
        reader.add_delivery(record.seq, delivery_of(record, count), budget);
    }
    count
}

/// Returns the delivery of the first `count` messages of a record.
pub(super) fn delivery_of(record: &Record, count: u64) -> Delivery {
    let span = Span::starting_at(record.seq, count);
    Delivery::messages(span, record.bundle.first.to.clone(), record.bundle.weights())
}

/// Moves a cursor past the messages from `first` to `end`, which need no delivery: they are acked,
/// or not for this user, or were already delivered on the link. The last happens after a room was
/// left and joined again: the new cursor does not know of the delivery.
pub(super) fn read_past(
    cursor: &mut Cursor,
    record: &Record,
    (first, end): (Seq, Seq),
    unacked: &[Span],
) {
    if first >= end {
        return;
    }
    let position = |seq| Position::new(seq, record.ordinal + (seq - record.seq));
    for span in unacked {
        let (from, to) = (span.first.max(first), span.last.min(end - 1));
        if from <= to {
            cursor.deliver(position(from), to - from + 1);
        }
    }
    cursor.read_past(position(first), end - first);
}

impl Mailbox {
    /// Delivers a page to the reader that asked for it.
    pub(crate) fn deliver_page(&mut self, turn: &mut Turn, link: LinkId, page: Page) {
        let Some(reader) = self.readers.get_mut(&link) else { return };
        if reader.is_downloading() {
            return reader.pause_for_body(None, page, turn.budget_mut());
        }
        reader.begin_page(turn.budget_mut());
        let Page { items, through, complete } = page;
        let mut items = items.into_iter();
        let mut reached = through;
        let mut whole = true;
        while let Some(item) = items.next() {
            let last = item.last();
            if let Some(seq) = self.deliver_item(turn, link, item) {
                (reached, whole) = (seq, false);
                break;
            }
            let reader = self.readers.get_mut(&link);
            if let Some(reader) = reader.filter(|reader| reader.is_downloading()) {
                let rest = Page { items: items.collect(), through, complete };
                reader.pause_for_body(Some(last), rest, turn.budget_mut());
                return self.write_expired(turn, link);
            }
        }
        let Some(reader) = self.readers.get_mut(&link) else { return };
        let is_stale = reader.end_page(reached);
        if whole && complete && !is_stale {
            self.catch_up(turn, link);
        }
        // If the next message did not fit, only an ack makes room.
        if whole {
            self.fetch(turn, link);
        }
        self.write_expired(turn, link);
    }

    /// Continues with a page that waited for a long body, unless a long body is still on its way.
    pub(crate) fn resume_page(&mut self, turn: &mut Turn, link: LinkId) {
        let Some(reader) = self.readers.get_mut(&link) else { return };
        if reader.is_downloading() {
            return;
        }
        match reader.take_rest() {
            Some(page) => self.deliver_page(turn, link, page),
            None => self.fetch(turn, link),
        }
    }

    /// Notes that a reader has read to the end. It becomes live unless a message became durable
    /// meanwhile.
    fn catch_up(&mut self, turn: &mut Turn, link: LinkId) {
        let Some(reader) = self.readers.get_mut(&link) else { return };
        if reader.catch_up() {
            self.acks.add_caught_up(link);
        }
        if self.head <= reader.position() {
            reader.go_live();
        }
        self.send_caught_up(turn);
    }

    /// Delivers one item of a page. If it does not fit as a whole, returns the last seq delivered.
    fn deliver_item(&mut self, turn: &mut Turn, link: LinkId, item: PageItem) -> Option<Seq> {
        match item {
            PageItem::Messages(record) => {
                // Without a cursor the user is no longer a member.
                let cursor = self.cursors.get_mut(&record.bundle.first.to)?;
                if !is_for(&self.user, &record.bundle) {
                    let at = Position::new(record.seq, record.ordinal);
                    cursor.read_past(at, record.bundle.count());
                    return None;
                }
                if turn.is_expired(&record.bundle) {
                    self.expire(turn, &record);
                    return None;
                }
                let stopped = self.deliver_messages(turn, link, &record);
                if let Some(reader) = self.readers.get_mut(&link) {
                    reader.advance_replay(stopped.unwrap_or(record.span().last));
                }
                stopped
            }
            PageItem::Removed { log, seq, ordinal } => {
                self.deliver_gap(turn, link, &log, Position::new(seq, ordinal));
                None
            }
            PageItem::Corrupt { log, seq, ordinal } => {
                self.deliver_corrupt(turn, link, log, Position::new(seq, ordinal));
                None
            }
        }
    }

    /// Delivers the messages of a record that are unacked, or replayed, and new to the reader. If
    /// not all fit, returns the last seq delivered.
    fn deliver_messages(&mut self, turn: &mut Turn, link: LinkId, record: &Record) -> Option<Seq> {
        let (span, log) = (record.span(), &record.bundle.first.to);
        let (cursor, reader) = (self.cursors.get(log)?, self.readers.get(&link)?);
        let (unacked, share) = (cursor.unacked(span), reader.shares());
        let new = unacked.iter().flat_map(|span| match share {
            true => self.unshared(*span),
            false => reader.undelivered(*span),
        });
        let mut new: Vec<(Span, bool)> = new.map(|span| (span, true)).collect();
        if reader.is_replaying() {
            new.extend(reader.replayed(span, &unacked).into_iter().map(|span| (span, false)));
            new.sort_unstable();
        }
        let mut next = span.first;
        for (Span { mut first, last }, is_unacked) in new {
            while first <= last {
                read_past(self.cursors.get_mut(log)?, record, (next, first), &unacked);
                let piece = record.slice(first - record.seq, last - first + 1);
                let count = match (is_unacked, share) {
                    (false, _) => self.replay(turn, link, &piece),
                    (true, true) => self.share(turn, &piece),
                    (true, false) => self.deliver_to(turn, link, &piece),
                };
                next = first + count;
                if next > last {
                    break;
                }
                // Skips messages that belong to other sharing readers, so that they hold up
                // nothing.
                match self.kept_from(link, Span { first: next, last }) {
                    Some(kept) => first = kept + 1,
                    None => return Some(next - 1),
                }
            }
        }
        read_past(self.cursors.get_mut(log)?, record, (next, span.last + 1), &unacked);
        None
    }

    /// Delivers messages to a reader as far as they fit. Returns their number.
    pub(super) fn deliver_to(&mut self, turn: &mut Turn, link: LinkId, record: &Record) -> u64 {
        let cursor = self.cursors.get_mut(&record.bundle.first.to);
        let (Some(cursor), Some(reader)) = (cursor, self.readers.get_mut(&link)) else { return 0 };
        let count = offer(cursor, reader, record, turn.budget_mut());
        if count > 0 {
            reader.deliver(turn, record.slice(0, count));
        }
        count
    }

    /// Tells a reader that messages up to `at` were removed from a log before the user acked them.
    fn deliver_gap(&mut self, turn: &mut Turn, link: LinkId, log: &Target, at: Position) {
        let mut held = SeqSet::default();
        for reader in self.readers.values() {
            let unacked = reader.unacked().iter();
            unacked.filter(|(_, it)| it.log() == log).for_each(|(span, _)| held.insert(span));
        }
        let Some(cursor) = self.cursors.get_mut(log) else { return };
        let Some(reader) = self.readers.get(&link) else { return };
        let mut notices = cursor.remove_through(at, &held);
        notices.retain(|(seq, _)| {
            let one = Span::one(*seq);
            let is_new = !reader.undelivered(one).is_empty();
            if !is_new {
                cursor.release(one);
            }
            is_new
        });
        for (seq, count) in notices {
            self.notify(turn, link, (seq, Delivery::notice(seq, log.clone(), false)), count);
        }
        let (user, log) = (self.user.clone(), log.clone());
        turn.note(Todo::TrackRemoved { user, log, through: at.seq(), held });
    }

    /// Tells a reader of a message whose stored bytes do not match their checksum.
    fn deliver_corrupt(&mut self, turn: &mut Turn, link: LinkId, log: Target, at: Position) {
        let one = Span::one(at.seq());
        let is_new = self.readers.get(&link).is_some_and(|reader| {
            let is_free = !reader.shares() || !self.unshared(one).is_empty();
            is_free && !reader.undelivered(one).is_empty()
        });
        let Some(cursor) = self.cursors.get_mut(&log) else { return };
        if cursor.is_acked(at.seq()) {
            return;
        }
        cursor.deliver(at, 1);
        if is_new {
            self.notify(turn, link, (at.seq(), Delivery::notice(at.seq(), log, true)), 1);
        }
    }

    /// Sends a gap notice for `count` lost messages. Notices are few and small, so they ignore the
    /// window.
    pub(super) fn notify(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        (seq, notice): (Seq, Delivery),
        count: u64,
    ) {
        if let Some(reader) = self.readers.get_mut(&link) {
            let to = notice.log().clone();
            reader.add_delivery(seq, notice, turn.budget_mut());
            turn.send(link, FromServer::Gap { seq, to, count });
        }
    }
}
