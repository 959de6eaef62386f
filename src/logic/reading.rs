//! The reading half of the hub: who is given which message when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::durable::{Cursor, Item, Page, Read, Record};
use crate::wire::{Bundle, CloseCode, FromServer, Message, Seq, Span, Target, UserId};

use super::exchange::{LinkId, Output};
use super::hub::{Ask, Hub};
use super::link::{Mode, Reader};
use super::offers::Offer;
use super::place::{Mark, Place};
use super::relaying::Passage;
use super::spans::Spans;
use super::streaming::Streaming;

/// A log that somebody reads.
#[derive(Default)]
pub(super) struct Log {
    /// The last message that became durable while somebody read it.
    pub(super) head: Seq,
    pub(super) links: BTreeSet<LinkId>,
    /// Of one user's own log: volatile messages for readers who have no room. Bounded by what their
    /// senders may leave unanswered.
    pub(super) held: VecDeque<(LinkId, Arc<Bundle>, Option<Passage>)>,
}

/// What came of handing something to a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handed {
    /// It has all of it now, or has dealt with it.
    All,
    /// It has no room for what is behind this seq.
    Until(Seq),
}

/// Messages of rooms and of `@all` are not for the one who sent them.
pub(super) fn is_for(reader: &UserId, record: &Record) -> bool {
    let Message { from, to, .. } = &record.bundle.first;
    matches!(to, Target::User(_)) || from != reader
}

impl Hub {
    pub(super) fn attach(
        &mut self,
        id: LinkId,
        user: &UserId,
        (messages, bytes): (u32, u64),
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.reader.is_some() {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        link.reader = Some(Reader::new(messages, bytes, &self.limits));
        let known = self.mailboxes.contains_key(user);
        let mailbox = self.mailboxes.entry(user.clone()).or_default();
        mailbox.links.insert(id);
        if mailbox.loaded {
            self.start(id, user, out);
        } else if !known {
            let ticket = self.ask(Ask::Mailbox { user: user.clone() });
            out.push(Output::Read(ticket, Read::Mailbox { user: user.clone() }));
        }
    }

    /// A reader's link is gone: nothing more is for it. What it held unprocessed is handed out
    /// again to the next reader, or to those that are there: they have it too, unless it was gone
    /// from the log when they came to it.
    pub(super) fn detach(
        &mut self,
        id: LinkId,
        user: &UserId,
        gone: &Reader,
        out: &mut Vec<Output>,
    ) {
        self.release_held(id, user, out);
        if let Some(Streaming::Passed(passage)) = gone.streaming {
            self.relay(passage, out);
        }
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        mailbox.links.remove(&id);
        for target in mailbox.places.keys() {
            unsubscribe(&mut self.logs, target, id);
        }
        let mut waiting = Spans::default();
        for (span, offer) in gone.offers.iter() {
            let place = mailbox.places.get(&offer.log);
            for span in place.map(|place| place.unprocessed(span)).unwrap_or_default() {
                waiting.insert(span);
            }
        }
        let others: Vec<LinkId> = mailbox.links.iter().copied().collect();
        for other in others {
            let reader = self.links.get_mut(&other).and_then(|link| link.reader.as_mut());
            let Some(reader) = reader else { continue };
            let mut passed = waiting.within(Span { first: 0, last: reader.position });
            if let Some(span) =
                passed.find_map(|span| reader.offers.uncovered(span).into_iter().next())
            {
                reader.rewind(span.first - 1);
                self.pump(other, user, out);
            }
        }
        self.tidy(user);
    }

    /// Forgets a mailbox that nobody reads and that is written down. One that is being loaded stays
    /// until it is.
    pub(super) fn tidy(&mut self, user: &UserId) {
        if let Some(mailbox) = self.mailboxes.get(user)
            && mailbox.loaded
            && mailbox.links.is_empty()
            && mailbox.settling == 0
        {
            self.mailboxes.remove(user);
        }
    }

    pub(super) fn loaded(
        &mut self,
        user: &UserId,
        logs: Vec<(Target, Cursor)>,
        out: &mut Vec<Output>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        mailbox.loaded = true;
        for (target, cursor) in logs {
            mailbox.places.entry(target).or_insert_with(|| cursor.into());
        }
        for left in std::mem::take(&mut mailbox.left) {
            mailbox.places.remove(&left);
        }
        let links: Vec<LinkId> = mailbox.links.iter().copied().collect();
        for id in links {
            self.start(id, user, out);
        }
        self.tidy(user);
    }

    fn start(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let Some(mailbox) = self.mailboxes.get(user) else { return };
        for target in mailbox.places.keys() {
            self.logs.entry(target.clone()).or_default().links.insert(id);
        }
        // It has room, which the user's other readers may not have had.
        self.pass_held(user, out);
        self.pump(id, user, out);
    }

    /// Reads on for a reader that is behind and has room.
    pub(super) fn pump(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let Some(mailbox) = self.mailboxes.get(user).filter(|mailbox| mailbox.loaded) else {
            return;
        };
        let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut()) else {
            return;
        };
        if reader.mode != Mode::Waiting {
            return;
        }
        let Some((messages, bytes)) = reader.page_size() else { return };
        reader.mode = Mode::Paging;
        let position = reader.position;
        let after = |(log, place): (&Target, &Place)| (log.clone(), place.after(position));
        let logs = mailbox.places.iter().map(after).collect();
        let ticket = self.ask(Ask::Page { link: id });
        out.push(Output::Read(ticket, Read::Page { logs, reader: user.clone(), messages, bytes }));
    }

    pub(super) fn paged(&mut self, id: LinkId, page: Page, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some(reader) = link.reader.as_mut() else { return };
        if reader.streaming.is_some() {
            reader.parked = Some(page);
            return;
        }
        let Page { items, through, complete } = page;
        let mut items = items.into_iter();
        let mut reached = through;
        let mut whole = true;
        while let Some(item) = items.next() {
            let last = item.last();
            if let Handed::Until(seq) = self.hand_out(id, &user, item, out) {
                (reached, whole) = (seq, false);
                break;
            }
            if self.is_streaming(id) {
                return self.park(id, last, Page { items: items.collect(), through, complete });
            }
        }
        let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut()) else {
            return;
        };
        reader.mode = Mode::Waiting;
        let rewound = std::mem::take(&mut reader.rewound);
        if !rewound {
            reader.position = reader.position.max(reached);
        }
        if whole && complete && !rewound {
            self.go_live(id, &user, out);
        }
        // When the next message did not fit, only one that is dealt with makes room.
        if whole {
            self.pump(id, &user, out);
        }
    }

    /// A reader has read to the end: it has caught up. If nothing became durable meanwhile, it is
    /// live.
    fn go_live(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let Some(mailbox) = self.mailboxes.get(user) else { return };
        let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut()) else {
            return;
        };
        if !std::mem::replace(&mut reader.told, true) {
            out.push(Output::Frame { link: id, frame: FromServer::CaughtUp });
        }
        let mut heads = mailbox.places.keys().filter_map(|target| self.logs.get(target));
        if heads.all(|log| log.head <= reader.position) {
            reader.mode = Mode::Live;
        }
    }

    /// Gives one thing of a page to its reader.
    fn hand_out(&mut self, id: LinkId, user: &UserId, item: Item, out: &mut Vec<Output>) -> Handed {
        match item {
            Item::Messages(record) => {
                let log = &record.bundle.first.to;
                let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
                // Not a member any more.
                let Some(place) = place else { return Handed::All };
                if is_for(user, &record) {
                    return self.hand_out_messages(id, user, &record, out);
                }
                let at = Mark { seq: record.seq, ordinal: record.ordinal };
                place.pass(at, record.bundle.count());
                Handed::All
            }
            Item::Removed { log, seq, ordinal } => {
                self.hand_out_loss(id, user, &log, Mark { seq, ordinal }, out);
                Handed::All
            }
            Item::Rotten { log, seq, ordinal } => {
                let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(&log));
                let Some(place) = place else { return Handed::All };
                let reader = self.links.get(&id).and_then(|link| link.reader.as_ref());
                let held = reader.is_some_and(|reader| reader.offers.contains(seq));
                if !held && !place.is_processed(seq) {
                    place.offer(Mark { seq, ordinal }, 1);
                    self.notice(id, seq, Offer::notice(seq, log, true), 1, out);
                }
                Handed::All
            }
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
        let waiting = place.unprocessed(span);
        let new = waiting.iter().flat_map(|span| reader.offers.uncovered(*span));
        let new: Vec<Span> = new.collect();
        let mut next = span.first;
        for new in new {
            self.go_by(user, record, (next, new.first), &waiting);
            let piece = record.slice(new.first - record.seq, new.count());
            let count = self.offer(id, user, &piece);
            if count > 0 {
                self.deliver(id, piece.slice(0, count), out);
            }
            next = new.first + count;
            if next <= new.last {
                return Handed::Until(next - 1);
            }
        }
        self.go_by(user, record, (next, span.last + 1), &waiting);
        Handed::All
    }

    /// These of the messages need no delivery on a link: they are processed, or were delivered on
    /// it, which the place of a room that was left and entered again does not know of yet.
    fn go_by(
        &mut self,
        user: &UserId,
        record: &Record,
        (first, end): (Seq, Seq),
        waiting: &[Span],
    ) {
        let log = &record.bundle.first.to;
        let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
        let Some(place) = place.filter(|_| first < end) else { return };
        let mark = |seq| Mark { seq, ordinal: record.ordinal + (seq - record.seq) };
        for span in waiting {
            let (from, to) = (span.first.max(first), span.last.min(end - 1));
            if from <= to {
                place.offer(mark(from), to - from + 1);
            }
        }
        place.pass(mark(first), end - first);
    }

    fn hand_out_loss(
        &mut self,
        id: LinkId,
        user: &UserId,
        log: &Target,
        at: Mark,
        out: &mut Vec<Output>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let mut held = Spans::default();
        for link in &mailbox.links {
            let reader = self.links.get(link).and_then(|link| link.reader.as_ref());
            let offers = reader.into_iter().flat_map(|reader| reader.offers.iter());
            for (span, _) in offers.filter(|(_, offer)| offer.log == *log) {
                held.insert(span);
            }
        }
        let Some(place) = mailbox.places.get_mut(log) else { return };
        let notices = place.removed(at, &held);
        self.removed(user, log, at.seq, &held, out);
        for (seq, count) in notices {
            self.notice(id, seq, Offer::notice(seq, log.clone(), false), count, out);
        }
    }

    /// Tells a reader of lost messages. Notices are few and small: the window does not stop them.
    pub(super) fn notice(
        &mut self,
        id: LinkId,
        seq: Seq,
        offer: Offer,
        count: u64,
        out: &mut Vec<Output>,
    ) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let Some(reader) = reader else { return };
        let to = offer.log.clone();
        reader.offer(seq, offer);
        out.push(Output::Frame { link: id, frame: FromServer::Lost { seq, to, count } });
    }

    /// Notes that messages go out on a link, as far as they fit: how many of them, from the first
    /// on. They are new to it and to be processed.
    pub(super) fn offer(&mut self, id: LinkId, user: &UserId, record: &Record) -> u64 {
        let log = &record.bundle.first.to;
        let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let (Some(place), Some(reader)) = (place, reader) else { return 0 };
        if place.is_crowded() && place.is_new(record.seq) {
            return 0;
        }
        let count = reader.admits(&record.bundle, 0);
        if count > 0 {
            place.offer(Mark { seq: record.seq, ordinal: record.ordinal }, count);
            let span = Span::of(record.seq, count);
            let offer = Offer::messages(span, log.clone(), record.bundle.weights());
            reader.offer(record.seq, offer);
        }
        count
    }
}

/// A link reads a log no more.
pub(super) fn unsubscribe(logs: &mut BTreeMap<Target, Log>, target: &Target, link: LinkId) {
    if let Some(log) = logs.get_mut(target) {
        log.links.remove(&link);
        if log.links.is_empty() {
            logs.remove(target);
        }
    }
}
