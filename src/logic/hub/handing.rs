//! What is done with each thing of a page: handed out, told of, or gone past.

use crate::durable::{PageItem, Record};
use crate::wire::{FromServer, Seq, Span, Target, UserId};

use super::io::{LinkId, Output};
use super::router::Hub;
use crate::logic::seqs::position::Position;
use crate::logic::seqs::set::SeqSet;
use crate::logic::seqs::unacked::Delivery;

/// What came of handing something to a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handed {
    /// It has all of it now, or has dealt with it.
    All,
    /// It has no room for what is behind this seq.
    Until(Seq),
}

/// Messages of rooms and of `@all` are not for the one who sent them.
pub(super) fn is_for(reader: &UserId, record: &Record) -> bool {
    let (from, to) = (&record.bundle.first.from, &record.bundle.first.to);
    matches!(to, Target::User(_)) || from != reader
}

impl Hub {
    /// Gives one thing of a page to its reader.
    pub(super) fn hand_out(
        &mut self,
        id: LinkId,
        user: &UserId,
        item: PageItem,
        out: &mut Vec<Output>,
    ) -> Handed {
        match item {
            PageItem::Messages(record) => {
                let log = &record.bundle.first.to;
                let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
                // Not a member any more.
                let Some(place) = place else { return Handed::All };
                if is_for(user, &record) {
                    if self.is_expired(&record.bundle) {
                        self.expire(user, &record);
                        return Handed::All;
                    }
                    let handed = self.hand_out_messages(id, user, &record, out);
                    let last = record.span().last;
                    let reached = if let Handed::Until(seq) = handed { seq } else { last };
                    if let Some(reader) = self.reader(id) {
                        reader.has_replayed(reached);
                    }
                    return handed;
                }
                let at = Position::new(record.seq, record.ordinal);
                place.read_past(at, record.bundle.count());
                Handed::All
            }
            PageItem::Removed { log, seq, ordinal } => {
                self.hand_out_loss(id, user, &log, Position::new(seq, ordinal), out);
                Handed::All
            }
            PageItem::Corrupt { log, seq, ordinal } => {
                self.hand_out_damage(id, user, log, Position::new(seq, ordinal), out);
                Handed::All
            }
        }
    }

    fn hand_out_damage(
        &mut self,
        id: LinkId,
        user: &UserId,
        log: Target,
        at: Position,
        out: &mut Vec<Output>,
    ) {
        let one = Span::one(at.seq());
        let reader = self.links.get(&id).and_then(|link| link.reader.as_ref());
        let new = reader.is_some_and(|reader| {
            let free = !reader.share || !self.unshared(user, one).is_empty();
            free && !reader.lacks(one).is_empty()
        });
        let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(&log));
        let Some(place) = place.filter(|place| !place.is_acked(at.seq())) else { return };
        place.deliver(at, 1);
        if new {
            self.notice(id, at.seq(), Delivery::notice(at.seq(), log, true), 1, out);
        }
    }

    /// Gives those of these messages to a reader that it has not dealt with and has not got.
    fn hand_out_messages(
        &mut self,
        id: LinkId,
        user: &UserId,
        record: &Record,
        out: &mut Vec<Output>,
    ) -> Handed {
        let (span, log) = (record.span(), &record.bundle.first.to);
        let place = self.mailboxes.get(user).and_then(|m| m.places.get(log));
        let reader = self.links.get(&id).and_then(|link| link.reader.as_ref());
        let (Some(place), Some(reader)) = (place, reader) else { return Handed::All };
        let (waiting, share) = (place.unacked(span), reader.share);
        let new = waiting.iter().flat_map(|span| match share {
            true => self.unshared(user, *span),
            false => reader.lacks(*span),
        });
        let mut new: Vec<(Span, bool)> = new.map(|span| (span, true)).collect();
        if reader.replay.is_some() {
            new.extend(reader.replays(span, &waiting).into_iter().map(|span| (span, false)));
            new.sort_unstable();
        }
        let mut next = span.first;
        for (Span { mut first, last }, fresh) in new {
            while first <= last {
                self.go_by(user, record, (next, first), &waiting);
                let piece = record.slice(first - record.seq, last - first + 1);
                let count = match (fresh, share) {
                    (false, _) => self.replay(id, &piece, out),
                    (true, true) => self.share_out(user, &piece, out),
                    (true, false) => self.give(id, user, &piece, out),
                };
                next = first + count;
                if next > last {
                    break;
                }
                // What is kept from one of those who share does not hold it up.
                let Some(kept) = self.kept_from(id, next, last) else {
                    return Handed::Until(next - 1);
                };
                first = kept + 1;
            }
        }
        self.go_by(user, record, (next, span.last + 1), &waiting);
        Handed::All
    }

    /// Delivers messages on a link as far as they fit: how many of them, from the first on.
    pub(super) fn give(
        &mut self,
        id: LinkId,
        user: &UserId,
        record: &Record,
        out: &mut Vec<Output>,
    ) -> u64 {
        let count = self.offer(id, user, record);
        if count > 0 {
            self.deliver(id, record.slice(0, count), out);
        }
        count
    }

    /// These of the messages need no delivery on a link: they are processed, or not for this
    /// reader, or were delivered on it, which the place of a room that was left and entered again
    /// does not know of yet.
    pub(super) fn go_by(
        &mut self,
        user: &UserId,
        record: &Record,
        (first, end): (Seq, Seq),
        waiting: &[Span],
    ) {
        let log = &record.bundle.first.to;
        let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
        let Some(place) = place.filter(|_| first < end) else { return };
        let mark = |seq| Position::new(seq, record.ordinal + (seq - record.seq));
        for span in waiting {
            let (from, to) = (span.first.max(first), span.last.min(end - 1));
            if from <= to {
                place.deliver(mark(from), to - from + 1);
            }
        }
        place.read_past(mark(first), end - first);
    }

    fn hand_out_loss(
        &mut self,
        id: LinkId,
        user: &UserId,
        log: &Target,
        at: Position,
        out: &mut Vec<Output>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let mut held = SeqSet::default();
        for link in &mailbox.links {
            let reader = self.links.get(link).and_then(|link| link.reader.as_ref());
            let offers = reader.into_iter().flat_map(|reader| reader.offers.iter());
            for (span, _) in offers.filter(|(_, offer)| offer.log() == log) {
                held.insert(span);
            }
        }
        let Some(place) = mailbox.places.get_mut(log) else { return };
        let reader = self.links.get(&id).and_then(|link| link.reader.as_ref());
        let Some(reader) = reader else { return };
        let mut notices = place.remove_through(at, &held);
        notices.retain(|(seq, _)| {
            let one = Span::one(*seq);
            let told = !reader.lacks(one).is_empty();
            if !told {
                place.release(one);
            }
            told
        });
        self.removed(user, log, at.seq(), &held, out);
        for (seq, count) in notices {
            self.notice(id, seq, Delivery::notice(seq, log.clone(), false), count, out);
        }
    }

    /// Tells a reader of lost messages. Notices are few and small: the window does not stop them.
    pub(super) fn notice(
        &mut self,
        id: LinkId,
        seq: Seq,
        offer: Delivery,
        count: u64,
        out: &mut Vec<Output>,
    ) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let Some(reader) = reader else { return };
        let to = offer.log().clone();
        reader.offer(seq, offer, &mut self.flight);
        out.push(Output::Frame { link: id, frame: FromServer::Gap { seq, to, count } });
    }

    /// Notes that messages go out on a link, as far as they fit: how many of them, from the first
    /// on. They are new to it and to be processed.
    pub(super) fn offer(&mut self, id: LinkId, user: &UserId, record: &Record) -> u64 {
        let log = &record.bundle.first.to;
        let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let (Some(place), Some(reader)) = (place, reader) else { return 0 };
        if place.is_crowded() && place.is_past_acked(record.seq) {
            return 0;
        }
        let count = reader.admits(&record.bundle, &self.flight);
        if count > 0 {
            place.deliver(Position::new(record.seq, record.ordinal), count);
            let span = Span::of(record.seq, count);
            let offer = Delivery::messages(span, log.clone(), record.bundle.weights());
            reader.offer(record.seq, offer, &mut self.flight);
        }
        count
    }
}
