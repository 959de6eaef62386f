//! What readers have dealt with, and which rooms they are in: cursors on their way to the disk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::durable::{Outcome, Write};
use crate::wire::{CloseCode, FromServer, RoomName, Span, Target, UserId};

use super::exchange::{LinkId, Output};
use super::hub::{Ask, Hub};
use super::mailbox::Place;
use super::reading::unsubscribe;
use super::spans::Spans;

impl Hub {
    pub(super) fn processed(
        &mut self,
        id: LinkId,
        user: &UserId,
        spans: &[Span],
        out: &mut Vec<Output>,
    ) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let (Some(reader), Some(mailbox)) = (reader, self.mailboxes.get_mut(user)) else {
            return self.close(id, CloseCode::OutOfTurn, out);
        };
        let mut distinct = Spans::default();
        let offered = spans.iter().all(|span| {
            let new = distinct.within(*span).next().is_none();
            distinct.insert(*span);
            new && reader.offers.uncovered(*span).is_empty()
        });
        if spans.is_empty() || !offered {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        let mut moved: BTreeMap<Target, (u64, u64)> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        let mut cleared = false;
        for (first, offer) in spans.iter().flat_map(|span| reader.offers.take(*span)) {
            let span = Span { first, last: offer.last };
            messages += span.count() as u32;
            bytes += offer.len_bytes(first, span);
            let Some(place) = mailbox.places.get_mut(&offer.log) else { continue };
            let crowded = place.is_crowded();
            let new = place.processed(span);
            cleared |= crowded && !place.is_crowded();
            let counted = new.iter().filter(|_| offer.counts);
            let counted = counted.map(|new| (new.count(), offer.len_bytes(first, *new)));
            let (count, len) = counted.fold((0, 0), |sum, new| (sum.0 + new.0, sum.1 + new.1));
            let sums = moved.entry(offer.log).or_default();
            *sums = (sums.0 + count, sums.1 + len);
        }
        if moved.is_empty() {
            // All from rooms that were left since. Writing the own cursor once more keeps one way
            // for confirmations, and their order.
            moved.insert(Target::User(user.clone()), (0, 0));
        }
        let links: Vec<LinkId> =
            if cleared { mailbox.links.iter().copied().collect() } else { Vec::new() };
        self.settle(id, user, moved, (messages, bytes), out);
        for link in links {
            self.pump(link, user, out);
        }
    }

    /// Asks for cursors to be written; the last answer confirms the whole report.
    fn settle(
        &mut self,
        id: LinkId,
        user: &UserId,
        moved: BTreeMap<Target, (u64, u64)>,
        report: (u32, u64),
        out: &mut Vec<Output>,
    ) {
        let last = moved.len() - 1;
        for (index, (log, (messages, bytes))) in moved.into_iter().enumerate() {
            let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
            let cursor = mailbox.places.get(&log).map(Place::cursor).unwrap_or_default();
            mailbox.settling += 1;
            let (confirmed, freed) = if index == last { report } else { (0, 0) };
            let ask =
                Ask::Settle { link: id, user: user.clone(), messages: confirmed, bytes: freed };
            let ticket = self.ask(ask);
            let user = user.clone();
            out.push(Output::Write(
                ticket,
                Write::Settle { user, log, cursor, messages, bytes, verdicts: Vec::new() },
            ));
        }
    }

    pub(super) fn settled(
        &mut self,
        id: LinkId,
        user: &UserId,
        messages: u32,
        bytes: u64,
        out: &mut Vec<Output>,
    ) {
        if let Some(mailbox) = self.mailboxes.get_mut(user) {
            mailbox.settling = mailbox.settling.saturating_sub(1);
        }
        if messages > 0
            && let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut())
        {
            reader.settled(messages, bytes);
            let frame = FromServer::Settled { count: messages };
            out.push(Output::Frame { link: id, frame });
            self.pump(id, user, out);
        }
        self.tidy(user);
    }

    pub(super) fn entered(
        &mut self,
        id: LinkId,
        user: &UserId,
        room: RoomName,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let Outcome::Member { changed, cursor } = outcome else {
            return self.reply(id, FromServer::RoomRefused { room }, out);
        };
        self.reply(id, FromServer::Entered { room: room.clone(), changed }, out);
        let Some(mailbox) = self.mailboxes.get_mut(user).filter(|_| changed) else { return };
        let target = Target::Room(room);
        mailbox.left.remove(&target);
        // There is a place if the mailbox was read after the write and before its answer: it may
        // be further on by now.
        let Entry::Vacant(place) = mailbox.places.entry(target.clone()) else { return };
        let through = cursor.through;
        place.insert(cursor.into());
        if !mailbox.loaded {
            return;
        }
        let links: Vec<LinkId> = mailbox.links.iter().copied().collect();
        for link in links {
            self.logs.entry(target.clone()).or_default().links.insert(link);
            if let Some(reader) = self.links.get_mut(&link).and_then(|link| link.reader.as_mut()) {
                reader.rewind(through);
                self.pump(link, user, out);
            }
        }
    }

    pub(super) fn left(
        &mut self,
        id: LinkId,
        user: &UserId,
        room: RoomName,
        outcome: &Outcome,
        out: &mut Vec<Output>,
    ) {
        let &Outcome::Member { changed, .. } = outcome else {
            return self.reply(id, FromServer::RoomRefused { room }, out);
        };
        self.reply(id, FromServer::Left { room: room.clone(), changed }, out);
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let target = Target::Room(room);
        mailbox.places.remove(&target);
        if !mailbox.loaded {
            mailbox.left.insert(target.clone());
        }
        for link in &mailbox.links {
            unsubscribe(&mut self.logs, &target, *link);
        }
    }

    /// Answers a request that is not a send.
    fn reply(&mut self, id: LinkId, frame: FromServer, out: &mut Vec<Output>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.requests = link.requests.saturating_sub(1);
            out.push(Output::Frame { link: id, frame });
        }
    }
}
