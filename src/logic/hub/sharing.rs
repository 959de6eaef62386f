//! Readers of one user that share: each message goes to one of them, to that which has least to do.
//!
//! What one of them reads is for all: a page is handed out among those who have room, whoever asked
//! for it, and what is with one of them the others go past. So whatever a reader has gone past is
//! processed, or with one of them, or was skipped by them all; when one goes, or skips something,
//! the others read again from the first message that it had.

use std::collections::BTreeMap;

use crate::durable::Record;
use crate::wire::{Seq, Span, UserId};

use super::io::{LinkId, Output};
use super::link::{Mode, Reader};
use super::router::Hub;

impl Hub {
    /// All readers of a user that share.
    pub(super) fn sharers(&self, user: &UserId) -> impl Iterator<Item = (LinkId, &Reader)> {
        let links = self.mailboxes.get(user).into_iter().flat_map(|mailbox| &mailbox.links);
        let readers = links.filter_map(|id| Some((*id, self.links.get(id)?.reader.as_ref()?)));
        readers.filter(|(_, reader)| reader.share)
    }

    /// What of a span is with none of those who share.
    pub(super) fn unshared(&self, user: &UserId, span: Span) -> Vec<Span> {
        let mut free = vec![span];
        for (_, reader) in self.sharers(user) {
            free = free.into_iter().flat_map(|span| reader.offers.missing(span)).collect();
        }
        free
    }

    /// What of a span none of those who share has from an earlier link, but for one.
    fn unheld(&self, user: &UserId, id: LinkId, span: Span) -> Vec<Span> {
        let mut free = vec![span];
        for (other, reader) in self.sharers(user) {
            if other != id && !reader.holds.is_empty() {
                free = free.into_iter().flat_map(|span| reader.holds.missing(span)).collect();
            }
        }
        let kept = self.mailboxes.get(user).into_iter().flat_map(|mailbox| &mailbox.kept);
        for (_, kept) in kept.filter(|(heir, _)| **heir != id) {
            free = free.into_iter().flat_map(|span| kept.missing(span)).collect();
        }
        free
    }

    /// Delivers messages that are with none of those who share, as far as they have room: how many
    /// of them, from the first on.
    pub(super) fn share_out(
        &mut self,
        user: &UserId,
        record: &Record,
        out: &mut Vec<Output>,
    ) -> u64 {
        let (count, mut at) = (record.bundle.count(), 0);
        while at < count {
            let rest = record.slice(at, count - at);
            let Some((id, share)) = self.next_share(user, &rest) else { break };
            let given = self.give(id, user, &rest.slice(0, share), out);
            if given == 0 {
                break;
            }
            // It may meet these again further on in what is replayed to it.
            if let Some(reader) = self.reader(id).filter(|reader| reader.replay.is_some()) {
                reader.skipped.insert(Span::of(rest.seq, given));
            }
            at += given;
        }
        at
    }

    /// Who is to have the next of these messages, and how many of them: not all, if others have
    /// room as well.
    fn next_share(&self, user: &UserId, record: &Record) -> Option<(LinkId, u64)> {
        let wanting = |id: LinkId, reader: &Reader| {
            let ready = reader.mode != Mode::Beginning && reader.streaming.is_none();
            let wanted = self.unheld(user, id, record.span()).first().copied();
            let wanted = wanted.and_then(|span| reader.lacks(span).first().copied());
            let wanted = wanted.filter(|wanted| ready && wanted.first == record.seq)?;
            let room = reader.admits(&record.bundle, &self.flight).min(wanted.count());
            (room > 0).then_some(room)
        };
        let ready = self.sharers(user).filter_map(|(id, reader)| {
            let room = wanting(id, reader)?;
            Some((reader.load(), id, room))
        });
        let ready: Vec<_> = ready.collect();
        let (_, id, room) = ready.iter().min()?;
        Some((*id, record.bundle.count().div_ceil(ready.len() as u64).min(*room)))
    }

    /// How far from `seq` on, and not beyond `last`, what comes is kept from a reader, if it is.
    pub(super) fn kept_from(&self, id: LinkId, seq: Seq, last: Seq) -> Option<Seq> {
        let link = self.links.get(&id)?;
        let (user, reader) = (link.user()?, link.reader.as_ref()?);
        let free = self.unheld(user, id, Span { first: seq, last });
        match free.into_iter().flat_map(|span| reader.lacks(span)).next() {
            Some(span) if span.first == seq => None,
            Some(span) => Some(span.first - 1),
            None => Some(last),
        }
    }

    /// Messages have become durable, and these readers, who share, are live.
    pub(super) fn publish_shared(
        &mut self,
        sharing: &[LinkId],
        record: &Record,
        out: &mut Vec<Output>,
    ) {
        let mut groups: BTreeMap<UserId, Vec<LinkId>> = BTreeMap::new();
        for id in sharing {
            if let Some(user) = self.links.get(id).and_then(|link| link.user()) {
                groups.entry(user.clone()).or_default().push(*id);
            }
        }
        for (user, group) in groups {
            let whole = self.share_new(&user, record, out);
            for id in &group {
                match self.reader(*id) {
                    Some(reader) if whole => reader.position = record.span().last,
                    Some(reader) => reader.mode = Mode::Waiting,
                    None => {}
                }
            }
            if !whole {
                group.iter().for_each(|id| self.pump(*id, &user, out));
            }
        }
    }

    /// Gives messages that have just become durable to those who share. Whether all of it is with
    /// them; what is not they may read from the store.
    fn share_new(&mut self, user: &UserId, record: &Record, out: &mut Vec<Output>) -> bool {
        let span = record.span();
        let place = self.mailboxes.get(user).and_then(|m| m.places.get(&record.bundle.first.to));
        let new = place.is_some_and(|place| place.is_wholly_unacked(span))
            && self.unshared(user, span) == [span];
        new && !record.bundle.first.is_long()
            && self.share_out(user, record, out) == record.bundle.count()
    }
}
