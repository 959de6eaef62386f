//! The reading half of the hub: who is given which message when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::durable::{Page, Read, StoredCursor};
use crate::wire::{Bundle, CloseCode, FromServer, Seq, Span, Target, UserId};

use super::handing::Handed;
use super::io::{LinkId, Output};
use super::link::{Link, Mode, Reader};
use super::mailbox::Mailbox;
use super::relaying::VolatileId;
use super::router::Hub;
use super::streaming::Download;
use crate::logic::prefetch::Prefetch;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::set::SeqSet;

/// A log that somebody reads.
#[derive(Default)]
pub(super) struct Log {
    /// The last message that became durable while somebody read it.
    pub(super) head: Seq,
    pub(super) links: BTreeSet<LinkId>,
    /// Volatile messages for readers who have no room; of a room long ones, and those that came
    /// after them. Bounded by what their senders may leave unanswered.
    pub(super) held: VecDeque<(LinkId, Arc<Bundle>, Option<VolatileId>)>,
}

impl Hub {
    pub(super) fn attach(
        &mut self,
        id: LinkId,
        user: &UserId,
        window: &Prefetch,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.reader.is_some() {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        let holds = std::mem::take(&mut link.holds);
        let heir_of = link.heir_of.take();
        let mut reader = Reader::new(window, &self.limits);
        reader.holds = self.unclaimed(user, &holds);
        if let Some(link) = self.links.get_mut(&id) {
            link.reader = Some(reader);
        }
        let known = self.mailboxes.contains_key(user);
        let mailbox = self.mailboxes.entry(user.clone()).or_default();
        mailbox.links.insert(id);
        if mailbox.loaded {
            self.start(id, user, out);
        } else if !known {
            let ticket = self.ask(|pending| &mut pending.mailboxes, user.clone());
            out.push(Output::Read(ticket, Read::Mailbox { user: user.clone() }));
        }
        self.bequeath(id, heir_of, out);
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
        let held_back = self.held_back(user);
        held_back.iter().for_each(|log| self.release_held_of(id, log, out));
        if let Some(Download::Passed(passage)) = gone.streaming {
            self.relay(passage, out);
        }
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        mailbox.links.remove(&id);
        for target in mailbox.places.keys() {
            unsubscribe(&mut self.logs, target, id);
        }
        let mut waiting = SeqSet::default();
        for (span, offer) in gone.offers.iter() {
            let place = mailbox.places.get_mut(offer.log());
            let Some(place) = place else { continue };
            place.mark_shown(span);
            place.unacked(span).into_iter().for_each(|span| waiting.insert(span));
        }
        gone.holds.iter().for_each(|span| waiting.insert(span));
        held_back.iter().for_each(|log| self.pass_held_of(log, out));
        let Some(mailbox) = self.mailboxes.get(user) else { return };
        let others: Vec<LinkId> = mailbox.links.iter().copied().collect();
        self.read_again(&others, user, &waiting, out);
        for (span, offer) in gone.offers.iter() {
            self.let_go(user, offer.log(), span, out);
        }
        self.tidy(user);
    }

    /// Something unprocessed is with another reader no more: those of these readers who have gone
    /// past it read it again.
    pub(super) fn read_again(
        &mut self,
        readers: &[LinkId],
        user: &UserId,
        waiting: &SeqSet,
        out: &mut Vec<Output>,
    ) {
        for id in readers {
            let reader = self.links.get_mut(id).and_then(|link| link.reader.as_mut());
            let Some(reader) = reader else { continue };
            let mut passed = waiting.within(Span { first: 0, last: reader.position });
            if let Some(span) = passed.find_map(|span| reader.lacks(span).into_iter().next()) {
                reader.rewind(span.first - 1);
                self.pump(*id, user, out);
            }
        }
    }

    /// Forgets a mailbox that nobody reads and that is written down. One that is being loaded stays
    /// until it is.
    pub(super) fn tidy(&mut self, user: &UserId) {
        if let Some(mailbox) = self.mailboxes.get(user)
            && mailbox.loaded
            && mailbox.links.is_empty()
            && mailbox.kept.is_empty()
            && mailbox.settling == 0
        {
            self.mailboxes.remove(user);
        }
    }

    pub(super) fn loaded(
        &mut self,
        user: &UserId,
        logs: Vec<(Target, StoredCursor)>,
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

    pub(super) fn start(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let Some(mailbox) = self.mailboxes.get(user) else { return };
        for target in mailbox.places.keys() {
            self.logs.entry(target.clone()).or_default().links.insert(id);
        }
        if self.gathers(id) || self.look_up_start(id, user, out) {
            return;
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
        let Some((messages, bytes)) = reader.page_size(&self.flight) else { return };
        reader.mode = Mode::Paging;
        let reader = &*reader;
        let after = |(log, place): (&Target, &Cursor)| (log.clone(), reader.after(place));
        let logs = mailbox.places.iter().map(after).collect();
        let ticket = self.ask(|pending| &mut pending.pages, id);
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
                self.settle_expired(id, &user, out);
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
        self.settle_expired(id, &user, out);
    }

    /// A reader has read to the end: it has caught up. If nothing became durable meanwhile, it is
    /// live.
    fn go_live(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut()) else {
            return;
        };
        reader.replay = None;
        if !std::mem::replace(&mut reader.told, true) {
            mailbox.telling.push_back((mailbox.settled + mailbox.settling, id));
        }
        let mut heads = mailbox.places.keys().filter_map(|target| self.logs.get(target));
        if heads.all(|log| log.head <= reader.position) {
            reader.mode = Mode::Live;
        }
        tell_caught_up(&self.links, mailbox, out);
    }
}

/// Tells readers that they have caught up, if what was processed before that is on disk.
pub(super) fn tell_caught_up(
    links: &BTreeMap<LinkId, Link>,
    mailbox: &mut Mailbox,
    out: &mut Vec<Output>,
) {
    while let Some(&(_, link)) = mailbox.telling.front().filter(|(at, _)| *at <= mailbox.settled) {
        mailbox.telling.pop_front();
        if links.contains_key(&link) {
            out.push(Output::Frame { link, frame: FromServer::CaughtUp });
        }
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
