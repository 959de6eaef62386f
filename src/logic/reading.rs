//! The reading half of the hub: who is given which message when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::durable::{Cursor, Item, Page, Read, Record};
use crate::wire::{CloseCode, FromServer, Message, Seq, Target, UserId};

use super::exchange::{LinkId, Output};
use super::hub::{Ask, Hub};
use super::link::{Mode, Offer, Reader};
use super::mailbox::{Mark, Place};
use super::relaying::Passage;
use super::streaming::Streaming;

/// A log that somebody reads.
#[derive(Default)]
pub(super) struct Log {
    /// The last message that became durable while somebody read it.
    head: Seq,
    pub(super) links: BTreeSet<LinkId>,
    /// Of one user's own log: volatile messages for readers who have no room. Bounded by what their
    /// senders may leave unanswered.
    pub(super) held: VecDeque<(LinkId, Arc<Message>, Option<Passage>)>,
}

/// What came of handing a message to a reader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offered {
    Yes,
    /// It has it, or has dealt with it.
    Before,
    NoRoom,
}

/// Messages of rooms and of `@all` are not for the one who sent them.
pub(super) fn is_for(reader: &UserId, record: &Record) -> bool {
    matches!(record.message.to, Target::User(_)) || record.message.from != *reader
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
        let waits = |(seq, offer): &(&Seq, &Offer)| {
            mailbox.places.get(&offer.log).is_some_and(|place| !place.is_processed(**seq))
        };
        let waiting = gone.offers.iter().filter(waits).map(|(seq, _)| *seq);
        let waiting: BTreeSet<Seq> = waiting.collect();
        let others: Vec<LinkId> = mailbox.links.iter().copied().collect();
        for other in others {
            let reader = self.links.get_mut(&other).and_then(|link| link.reader.as_mut());
            let Some(reader) = reader else { continue };
            let mut passed = waiting.range(..=reader.position);
            if let Some(seq) = passed.find(|seq| !reader.offers.contains_key(seq)) {
                reader.rewind(seq - 1);
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
        let mut reached = None;
        let mut whole = true;
        while let Some(item) = items.next() {
            let seq = item.seq();
            whole = self.hand_out(id, &user, item, out);
            if !whole {
                break;
            }
            reached = Some(seq);
            if self.is_streaming(id) {
                return self.park(id, seq, Page { items: items.collect(), through, complete });
            }
        }
        let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut()) else {
            return;
        };
        reader.mode = Mode::Waiting;
        let rewound = std::mem::take(&mut reader.rewound);
        if !rewound {
            let reached = if whole { Some(through) } else { reached };
            reader.position = reader.position.max(reached.unwrap_or_default());
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

    /// Gives one thing of a page to its reader. `false`: the window is shut.
    fn hand_out(&mut self, id: LinkId, user: &UserId, item: Item, out: &mut Vec<Output>) -> bool {
        match item {
            Item::Message(record) => {
                let log = &record.message.to;
                let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
                // Not a member any more.
                let Some(place) = place else { return true };
                let at = Mark { seq: record.seq, ordinal: record.ordinal };
                if place.is_processed(at.seq) || !is_for(user, &record) {
                    place.pass(at);
                    return true;
                }
                match self.offer(id, user, &record) {
                    Offered::Yes => self.deliver(id, record, out),
                    Offered::Before => {}
                    Offered::NoRoom => return false,
                }
                true
            }
            Item::Removed { log, seq, ordinal } => {
                self.hand_out_loss(id, user, &log, Mark { seq, ordinal }, out);
                true
            }
            Item::Rotten { log, seq, ordinal } => {
                let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(&log));
                let Some(place) = place else { return true };
                let reader = self.links.get(&id).and_then(|link| link.reader.as_ref());
                let held = reader.is_some_and(|reader| reader.offers.contains_key(&seq));
                if !held && !place.is_processed(seq) {
                    place.offer(Mark { seq, ordinal });
                    self.notice(id, seq, Offer { log, bytes: 0, counts: true }, 1, out);
                }
                true
            }
        }
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
        let mut held = BTreeSet::new();
        for link in &mailbox.links {
            let reader = self.links.get(link).and_then(|link| link.reader.as_ref());
            let offers = reader.into_iter().flat_map(|reader| reader.offers.range(..=at.seq));
            held.extend(offers.filter(|(_, offer)| offer.log == *log).map(|(seq, _)| *seq));
        }
        let Some(place) = mailbox.places.get_mut(log) else { return };
        for (seq, count) in place.removed(at, &held) {
            self.notice(id, seq, Offer { log: log.clone(), bytes: 0, counts: false }, count, out);
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

    /// Notes that a message goes out on a link, if it has not yet and fits.
    fn offer(&mut self, id: LinkId, user: &UserId, record: &Record) -> Offered {
        let log = &record.message.to;
        let bytes = record.message.len_bytes();
        let place = self.mailboxes.get_mut(user).and_then(|m| m.places.get_mut(log));
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let (Some(place), Some(reader)) = (place, reader) else { return Offered::Before };
        if place.is_processed(record.seq) {
            return Offered::Before;
        }
        let at = Mark { seq: record.seq, ordinal: record.ordinal };
        if reader.offers.contains_key(&record.seq) {
            // The place of a room that was left and entered again does not know of it yet.
            place.offer(at);
            return Offered::Before;
        }
        if !reader.admits(bytes) || place.is_crowded() && place.is_new(record.seq) {
            return Offered::NoRoom;
        }
        place.offer(at);
        reader.offer(record.seq, Offer { log: log.clone(), bytes, counts: true });
        Offered::Yes
    }

    /// A message has become durable: whoever reads its log and has nothing older to read first is
    /// given it at once.
    pub(super) fn publish(&mut self, record: Record, out: &mut Vec<Output>) {
        let Some(log) = self.logs.get_mut(&record.message.to) else { return };
        log.head = record.seq;
        let readers: Vec<LinkId> = log.links.iter().copied().collect();
        if record.message.is_long() {
            return self.announce(readers, &record, out);
        }
        let mut links = Vec::with_capacity(readers.len());
        for id in readers {
            if self.publish_to(id, &record) {
                links.push(id);
            }
        }
        if !links.is_empty() {
            out.push(Output::Deliver { links, record });
        }
    }

    fn publish_to(&mut self, id: LinkId, record: &Record) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let Some(user) = link.user().cloned() else { return false };
        let Some(reader) = link.reader.as_mut() else { return false };
        // A page that was read after the commit may have brought it already.
        if reader.mode != Mode::Live || record.seq <= reader.position {
            return false;
        }
        if !is_for(&user, record) {
            reader.position = record.seq;
            return false;
        }
        if reader.streaming.is_some() {
            reader.mode = Mode::Waiting;
            return false;
        }
        let offered = self.offer(id, &user, record);
        let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut()) else {
            return false;
        };
        match offered {
            Offered::NoRoom => reader.mode = Mode::Waiting,
            Offered::Yes | Offered::Before => reader.position = record.seq,
        }
        offered == Offered::Yes
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
