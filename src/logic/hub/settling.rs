//! What readers have dealt with, and which rooms they are in: cursors on their way to the disk.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::durable::{Disposition, RoomJoined, RoomLeft, RoomNotJoined, RoomNotLeft, Write};
use crate::wire::{CloseCode, FromServer, REASON_LEN_MAX, Seq, Span, Target, UserId};

use super::io::{LinkId, Output};
use super::pending::{PendingAck, PendingRoom};
use super::reading::{tell_caught_up, unsubscribe};
use super::router::Hub;
use super::watching::Acked;
use crate::logic::limits::Time;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::unacked::Delivery;

/// What a report moves in one log.
#[derive(Default)]
struct Moved {
    /// Messages and bytes that count in quotas.
    messages: u64,
    bytes: u64,
    spans: Vec<Span>,
    verdicts: Vec<(Seq, Disposition, u64)>,
}

impl Moved {
    /// These of a delivery, which began at `first`, are dealt with for the first time.
    fn add(
        &mut self,
        (first, offer): (Seq, &Delivery),
        new: Vec<Span>,
        said: Option<(Disposition, u64)>,
    ) {
        if offer.counts_in_quotas() {
            self.messages += new.iter().map(|new| new.count()).sum::<u64>();
            self.bytes += new.iter().map(|new| offer.len_bytes(first, *new)).sum::<u64>();
        }
        let Some(Span { first: seq, .. }) = new.first().filter(|_| offer.counts_in_quotas()) else {
            return;
        };
        self.verdicts.extend(said.map(|(verdict, at_ms)| (*seq, verdict, at_ms)));
        self.spans.extend(new);
    }
}

impl Hub {
    /// A reader has dealt with deliveries and has nothing else to say of them.
    pub(super) fn processed(
        &mut self,
        now: Time,
        id: LinkId,
        user: &UserId,
        spans: &[Span],
        out: &mut Vec<Output>,
    ) {
        self.dealt_with(now, id, user, (spans, None), out);
    }

    /// A reader has answered a message.
    pub(super) fn judged(
        &mut self,
        now: Time,
        id: LinkId,
        user: &UserId,
        (seq, verdict): (Seq, Disposition),
        out: &mut Vec<Output>,
    ) {
        if let Disposition::Rejected { reason, .. } = &verdict
            && reason.body().len() > REASON_LEN_MAX
        {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        self.dealt_with(now, id, user, (&[Span::one(seq)], Some(verdict)), out);
    }

    fn dealt_with(
        &mut self,
        now: Time,
        id: LinkId,
        user: &UserId,
        (spans, verdict): (&[Span], Option<Disposition>),
        out: &mut Vec<Output>,
    ) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let (Some(reader), Some(mailbox)) = (reader, self.mailboxes.get_mut(user)) else {
            return self.close(id, CloseCode::OutOfTurn, out);
        };
        if !reader.offers.covers_each_once(spans) {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        let mut moved: BTreeMap<Target, Moved> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        let mut cleared = false;
        for (first, offer) in spans.iter().flat_map(|span| reader.offers.remove(*span)) {
            let span = Span { first, last: offer.last() };
            messages += span.count() as u32;
            bytes += offer.len_bytes(first, span);
            let Some(place) = mailbox.places.get_mut(offer.log()) else { continue };
            let crowded = place.is_crowded();
            let new = place.ack(span);
            cleared |= crowded && !place.is_crowded();
            // Nobody was given what a notice stands for.
            let said = if offer.is_notice() { Some(Disposition::Expired) } else { verdict.clone() };
            let said = said.map(|verdict| (verdict, now.unix_ms));
            moved.entry(offer.log().clone()).or_default().add((first, &offer), new, said);
        }
        if moved.is_empty() {
            // All from rooms that were left since. Writing the own cursor once more keeps one way
            // for confirmations, and their order.
            moved.insert(Target::User(user.clone()), Moved::default());
        }
        let links: Vec<LinkId> =
            if cleared { mailbox.links.iter().copied().collect() } else { Vec::new() };
        self.settle(now, (id, user), moved, (messages, bytes), out);
        for link in links {
            self.pump(link, user, out);
        }
    }

    /// Asks for cursors to be written; the last answer confirms the whole report.
    fn settle(
        &mut self,
        now: Time,
        (link, user): (LinkId, &UserId),
        moved: BTreeMap<Target, Moved>,
        report: (u32, u64),
        out: &mut Vec<Output>,
    ) {
        let last = moved.len() - 1;
        for (index, (log, moved)) in moved.into_iter().enumerate() {
            let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
            let cursor = mailbox.places.get(&log).map(Cursor::to_stored).unwrap_or_default();
            mailbox.settling += 1;
            let (confirmed, freed) = if index == last { report } else { (0, 0) };
            let Moved { messages, bytes, spans, verdicts } = moved;
            let (at_ms, said) = (now.unix_ms, verdicts.clone());
            let covered = Acked { log: log.clone(), spans, verdicts: said, at_ms };
            let (reader, user) = (user.clone(), user.clone());
            let ack = PendingAck { link, user: reader, messages: confirmed, bytes: freed, covered };
            let ticket = self.ask(|pending| &mut pending.acks, ack);
            let write = Write::Ack { user, log, cursor, messages, bytes, verdicts };
            out.push(Output::Write(ticket, write));
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
            mailbox.settled += 1;
            tell_caught_up(&self.links, mailbox, out);
        }
        if messages > 0
            && let Some(reader) = self.links.get_mut(&id).and_then(|link| link.reader.as_mut())
        {
            reader.settled(messages, bytes, &mut self.flight);
            let frame = FromServer::AckRecorded { count: messages };
            out.push(Output::Frame { link: id, frame });
            self.pump(id, user, out);
        }
        self.tidy(user);
    }

    pub(super) fn entered(
        &mut self,
        join: PendingRoom,
        outcome: Result<RoomJoined, RoomNotJoined>,
        out: &mut Vec<Output>,
    ) {
        let PendingRoom { link: id, user, room } = join;
        let user = &user;
        let target = Target::Room(room.clone());
        let mailbox = self.mailboxes.get_mut(user);
        let known = mailbox.and_then(|mailbox| mailbox.entering.remove(&target));
        let RoomJoined { changed, cursor } = match outcome {
            Ok(joined) => joined,
            Err(RoomNotJoined::UnknownUser | RoomNotJoined::Full | RoomNotJoined::DiskFull) => {
                return self.reply(id, FromServer::RoomRefused { room }, out);
            }
        };
        self.reply(id, FromServer::RoomJoined { room, changed }, out);
        let Some(mailbox) = self.mailboxes.get_mut(user).filter(|_| changed) else { return };
        mailbox.left.remove(&target);
        // There is a place if the mailbox was read after the write and before its answer: it may
        // be further on by now.
        let Entry::Vacant(place) = mailbox.places.entry(target.clone()) else { return };
        // The answer to leaving may have ended this membership in place of the one before.
        let known = known.filter(|known| known.has_read_beyond(cursor.through));
        let through = place.insert(known.unwrap_or_else(|| cursor.into())).resume_after(0);
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
        now: Time,
        leave: PendingRoom,
        outcome: Result<RoomLeft, RoomNotLeft>,
        out: &mut Vec<Output>,
    ) {
        let PendingRoom { link: id, user, room } = leave;
        let user = &user;
        let changed = match outcome {
            Ok(RoomLeft { changed }) => changed,
            Err(RoomNotLeft::UnknownRoom) => {
                return self.reply(id, FromServer::NoSuchRoom { room }, out);
            }
            Err(RoomNotLeft::DiskFull) => {
                return self.reply(id, FromServer::RoomRefused { room }, out);
            }
        };
        self.reply(id, FromServer::RoomLeft { room: room.clone(), changed }, out);
        let again = |join: &PendingRoom| (&join.user, &join.room) == (user, &room);
        let entering = self.pending.joins.values().any(again);
        let target = Target::Room(room);
        if changed {
            self.excused(user, &target, now.unix_ms, out);
        }
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        if let Some(place) = mailbox.places.remove(&target).filter(|_| entering) {
            mailbox.entering.insert(target.clone(), place);
        }
        if !mailbox.loaded {
            mailbox.left.insert(target.clone());
        }
        let links: Vec<LinkId> = mailbox.links.iter().copied().collect();
        for link in links {
            self.release_held_of(link, &target, out);
            unsubscribe(&mut self.logs, &target, link);
        }
        self.pass_held_of(&target, out);
    }

    /// Answers a request that is not a send.
    pub(super) fn reply(&mut self, id: LinkId, frame: FromServer, out: &mut Vec<Output>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.requests = link.requests.saturating_sub(1);
            out.push(Output::Frame { link: id, frame });
        }
    }
}
