//! Tracker: tells senders who ask how far their messages have come with each recipient.
//!
//! A link counts as tracking before the store is asked how far the message has come. Later changes
//! are sent after the store's answer, so that none is missed.

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::{Disposition, Read};
use crate::wire::{
    CloseCode, DeliveryState, FromServer, MsgId, Note, RecipientStatus, Seq, Span, Target, UserId,
};

use super::confirmations::{Confirmations, Confirmed};
use super::expirations::Expirations;
use crate::logic::hub::acks::AckedMessages;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::pending::{PendingRecipients, PendingTrack};
use crate::logic::hub::todo::Todo;
use crate::logic::hub::turn::Turn;

/// State of a message with one recipient, its time in milliseconds since 1970, and the note of the
/// ack.
type StateChange = (DeliveryState, u64, Option<Note>);

/// Tracked messages, and the links that have something to confirm.
#[derive(Default)]
pub(crate) struct Tracking {
    messages: BTreeMap<Target, BTreeMap<Seq, Tracked>>,
    links: BTreeMap<LinkId, TrackingLink>,
    expirations: Expirations,
    /// Links that may need a `Ping` at the end of the turn.
    to_ping: BTreeSet<LinkId>,
}

/// A tracked message.
struct Tracked {
    id: MsgId,
    /// Sender of the message. All links that track it act as this user.
    from: UserId,
    links: BTreeSet<LinkId>,
    /// Time at which the message expires, in milliseconds since 1970.
    expires_ms: Option<u64>,
}

/// Messages that one link tracks, and its confirmations.
#[derive(Default)]
struct TrackingLink {
    /// Tracked messages by id, each with its log and seq once these are known.
    tracked: BTreeMap<MsgId, Option<(Target, Seq)>>,
    confirmations: Confirmations,
}

impl Tracking {
    /// The next time at which the hub must be woken.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.expirations.deadline()
    }

    /// Takes a sender's request to track a message.
    pub(crate) fn track(&mut self, turn: &mut Turn, user: &UserId, query: PendingTrack) {
        let sends_max = turn.limits().sends_max as usize;
        let tracked = &mut self.links.entry(query.link).or_default().tracked;
        match tracked.get(&query.id) {
            Some(Some((log, seq))) if *log == query.to => {
                return read_recipients(turn, user, query, *seq);
            }
            Some(_) => {}
            None if tracked.len() >= sends_max => {
                return turn.close(query.link, CloseCode::OverLimit);
            }
            None => drop(tracked.insert(query.id, None)),
        }
        let read = Read::FindMessage { to: query.to.clone(), id: query.id, from: user.clone() };
        turn.read(|pending| &mut pending.located, query, read);
    }

    /// Takes the seq and expiration of a message from the store. Returns its log and seq if it is
    /// tracked from now on; readers may already have it.
    pub(crate) fn locate(
        &mut self,
        turn: &mut Turn,
        user: &UserId,
        query: PendingTrack,
        place: Option<(Seq, Option<u64>)>,
    ) -> Option<(Target, Seq)> {
        let Some((seq, expires_ms)) = place else {
            self.reply_unknown(turn, query.link, query.id);
            return None;
        };
        let link = self.links.get_mut(&query.link);
        let mut new = None;
        // The link may have sent `Untrack` meanwhile.
        if let Some(at @ None) = link.and_then(|link| link.tracked.get_mut(&query.id)) {
            *at = Some((query.to.clone(), seq));
            let in_log = self.messages.entry(query.to.clone()).or_default();
            let tracked = in_log.entry(seq).or_insert_with(|| {
                let (id, from) = (query.id, user.clone());
                Tracked { id, from, links: BTreeSet::new(), expires_ms }
            });
            tracked.links.insert(query.link);
            if let Some(expires_ms) = expires_ms {
                self.expirations.add(turn.now(), (expires_ms, query.to.clone(), seq));
            }
            new = Some((query.to.clone(), seq));
        }
        read_recipients(turn, user, query, seq);
        new
    }

    /// Takes a page of recipients from the store. `has_taken` returns whether a user's readers have
    /// a message.
    pub(crate) fn send_page(
        &mut self,
        turn: &mut Turn,
        query: &PendingTrack,
        (mut standings, more): (Vec<RecipientStatus>, bool),
        has_taken: impl Fn(&UserId, &Target, Seq) -> bool,
    ) {
        let (link, id) = (query.link, query.id);
        let at = self.links.get(&link).and_then(|link| link.tracked.get(&id));
        if let Some(Some((log, seq))) = at
            && let Some(at_ms) = self.expired_ms(turn, log, *seq)
        {
            for status in &mut standings {
                expire(status, at_ms, |user| has_taken(user, log, *seq));
            }
        }
        let is_one_user = matches!(query.to, Target::User(_));
        if is_one_user && standings.is_empty() && query.after.is_none() {
            // The message was removed since it was located.
            return self.reply_unknown(turn, link, id);
        }
        if is_one_user && standings.iter().any(|status| status.state.is_final()) {
            self.untrack(link, id);
        }
        let frame = FromServer::TrackPage { id, statuses: standings, more };
        turn.note(Todo::Reply { link, frame });
    }

    fn reply_unknown(&mut self, turn: &mut Turn, link: LinkId, id: MsgId) {
        self.untrack(link, id);
        turn.note(Todo::Reply { link, frame: FromServer::UnknownMessage { id } });
    }

    /// Ends the tracking of a message for a link.
    pub(crate) fn untrack(&mut self, link: LinkId, id: MsgId) {
        let place = self.links.get_mut(&link).and_then(|link| link.tracked.remove(&id));
        if let Some(Some((log, seq))) = place {
            self.end(log, seq, link);
        }
    }

    /// Forgets a link that is gone.
    pub(crate) fn forget_link(&mut self, link: LinkId) {
        let Some(gone) = self.links.remove(&link) else { return };
        for (log, seq) in gone.tracked.into_values().flatten() {
            self.end(log, seq, link);
        }
    }

    fn end(&mut self, log: Target, seq: Seq, link: LinkId) {
        let Some(in_log) = self.messages.get_mut(&log) else { return };
        let Some(tracked) = in_log.get_mut(&seq) else { return };
        tracked.links.remove(&link);
        if !tracked.links.is_empty() {
            return;
        }
        let expires_ms = tracked.expires_ms;
        in_log.remove(&seq);
        if in_log.is_empty() {
            self.messages.remove(&log);
        }
        if let Some(expires_ms) = expires_ms {
            self.expirations.remove(&(expires_ms, log, seq));
        }
    }

    /// Tracked messages within a span of a log.
    pub(crate) fn within(&self, log: &Target, span: Span) -> Vec<Seq> {
        // Common case: no message is tracked.
        let in_log = if self.messages.is_empty() { None } else { self.messages.get(log) };
        let tracked = in_log.map(|in_log| in_log.range(span.first..=span.last));
        tracked.into_iter().flatten().map(|(seq, _)| *seq).collect()
    }

    /// Returns the expiration time of a tracked message, if it has passed.
    pub(crate) fn expired_ms(&self, turn: &Turn, log: &Target, seq: Seq) -> Option<u64> {
        let expires_ms = self.messages.get(log)?.get(&seq)?.expires_ms;
        expires_ms.filter(|at_ms| *at_ms <= turn.now().unix_ms)
    }

    /// Tells senders of the messages that are acked by a cursor now on disk.
    pub(crate) fn acked(&mut self, turn: &mut Turn, user: &UserId, acked: &AckedMessages) {
        let AckedMessages { log, spans, dispositions, at_ms } = acked;
        let tracked = spans.iter().flat_map(|span| self.within(log, *span));
        for seq in tracked.collect::<Vec<Seq>>() {
            let disposition = dispositions.iter().find(|(of, ..)| *of == seq);
            let progress = match disposition.map(|(_, disposition, _)| disposition) {
                None => (DeliveryState::Processed, *at_ms, None),
                Some(Disposition::Replied(reply)) => {
                    (DeliveryState::Processed, *at_ms, Some(reply.clone()))
                }
                Some(Disposition::Rejected { reason, .. }) => {
                    (DeliveryState::Rejected, *at_ms, Some(reason.clone()))
                }
                Some(Disposition::Expired) => (DeliveryState::Gone, *at_ms, None),
            };
            self.update(turn, (log, seq), user, &progress);
        }
    }

    /// Tells the sender that a user will not receive a message.
    pub(crate) fn gone(
        &mut self,
        turn: &mut Turn,
        (log, seq): (&Target, Seq),
        user: &UserId,
        time_ms: u64,
    ) {
        self.update(turn, (log, seq), user, &(DeliveryState::Gone, time_ms, None));
    }

    /// Tells senders that a user no longer reads a room.
    pub(crate) fn left(&mut self, turn: &mut Turn, user: &UserId, room: &Target) {
        let now_ms = turn.now().unix_ms;
        for seq in self.within(room, Span { first: 0, last: Seq::MAX }) {
            self.gone(turn, (room, seq), user, now_ms);
        }
    }

    /// Tells the links that track a message about its new state with a user.
    fn update(
        &mut self,
        turn: &mut Turn,
        (log, seq): (&Target, Seq),
        user: &UserId,
        (state, time_ms, note): &StateChange,
    ) {
        let tracked = self.messages.get(log).and_then(|in_log| in_log.get(&seq));
        let Some(Tracked { id, from, links, .. }) = tracked else { return };
        let is_one_user = matches!(log, Target::User(_));
        // A message to a room is not for its sender.
        if from == user && !is_one_user {
            return;
        }
        let (id, links) = (*id, links.clone());
        for link in links {
            let (state, time_ms, note) = (*state, *time_ms, note.clone());
            let status = RecipientStatus { user: user.clone(), state, time_ms, note };
            self.send_update(turn, link, id, status);
            if is_one_user && state.is_final() {
                self.untrack(link, id);
            }
        }
    }

    /// Sends an update, now or as soon as the link has room for it.
    fn send_update(&mut self, turn: &mut Turn, link: LinkId, id: MsgId, status: RecipientStatus) {
        let Some(of_link) = self.links.get_mut(&link) else { return };
        let confirmations = &mut of_link.confirmations;
        if let Some(standing) = confirmations.admit(id, status) {
            turn.send(link, FromServer::TrackUpdate { id, status: standing });
        }
        if confirmations.wants_ping() {
            self.to_ping.insert(link);
        }
        if confirmations.is_over_limit() {
            turn.close(link, CloseCode::Busy);
        }
    }

    /// Asks a link to confirm a tracked message that was delivered on it.
    pub(crate) fn confirm(&mut self, turn: &Turn, link: LinkId, log: &Target, seq: Seq) {
        let most = turn.limits().prefetch_messages_max as usize;
        let confirmations = &mut self.links.entry(link).or_default().confirmations;
        if confirmations.add_delivery(log, seq, most) {
            self.to_ping.insert(link);
        }
    }

    /// Sends pings for unconfirmed frames, after all other frames of the turn.
    pub(crate) fn send_pings(&mut self, turn: &mut Turn) {
        while let Some(link) = self.to_ping.pop_first() {
            let Some(of_link) = self.links.get_mut(&link) else { continue };
            if of_link.confirmations.wants_ping() {
                let number = turn.new_number();
                of_link.confirmations.ping(number);
                turn.send(link, FromServer::Ping { number });
            }
        }
    }

    /// Takes the answer to a `Ping`: the client has received all frames before it.
    pub(crate) fn pong(&mut self, turn: &mut Turn, link: LinkId, user: &UserId, number: u64) {
        let of_link = self.links.get_mut(&link);
        let confirmed = of_link.and_then(|of_link| of_link.confirmations.pong(number));
        let Some(Confirmed { deliveries, held }) = confirmed else {
            return turn.close(link, CloseCode::OutOfTurn);
        };
        for (id, status) in held {
            self.send_update(turn, link, id, status);
        }
        let now_ms = turn.now().unix_ms;
        for (log, seq) in deliveries {
            self.update(turn, (&log, seq), user, &(DeliveryState::Delivered, now_ms, None));
        }
        self.to_ping.insert(link);
    }

    /// Looks up the recipients of expired messages, if it is time.
    pub(crate) fn expire_due(&mut self, turn: &mut Turn) {
        if !self.expirations.is_due(turn.now()) {
            return;
        }
        while let Some((log, seq)) = self.expirations.begin_lookup(turn.now()) {
            self.look_up_unreached(turn, (log, seq), None);
        }
        self.expirations.set_look(turn.now());
    }

    fn look_up_unreached(
        &mut self,
        turn: &mut Turn,
        (to, seq): (Target, Seq),
        after: Option<UserId>,
    ) {
        let Some(tracked) = self.messages.get(&to).and_then(|in_log| in_log.get(&seq)) else {
            return self.expirations.end_lookup(turn.now());
        };
        let waiting = PendingRecipients::Expire { log: to.clone(), seq };
        let read = Read::Recipients { to, seq, from: tracked.from.clone(), after };
        turn.read(|pending| &mut pending.recipients, waiting, read);
    }

    /// Takes a page of the recipients of an expired message. Recipients that it has not reached
    /// will not receive it.
    pub(crate) fn expire_recipients(
        &mut self,
        turn: &mut Turn,
        (log, seq): (Target, Seq),
        (standings, more): (Vec<RecipientStatus>, bool),
        has_taken: impl Fn(&UserId, &Target, Seq) -> bool,
    ) {
        let last = standings.last().map(|status| status.user.clone()).filter(|_| more);
        for mut status in standings {
            if let Some(at_ms) = self.expired_ms(turn, &log, seq) {
                expire(&mut status, at_ms, |user| has_taken(user, &log, seq));
            }
            if status.state == DeliveryState::Gone {
                let RecipientStatus { user, state, time_ms, note } = status;
                self.update(turn, (&log, seq), &user, &(state, time_ms, note));
            }
        }
        if last.is_some() {
            self.look_up_unreached(turn, (log, seq), last);
        } else {
            self.expirations.end_lookup(turn.now());
        }
    }
}

/// Marks a message that has expired, and that is unread in the store, as gone unless a reader has
/// it.
fn expire(status: &mut RecipientStatus, at_ms: u64, is_taken: impl Fn(&UserId) -> bool) {
    if status.state == DeliveryState::Accepted && !is_taken(&status.user) {
        (status.state, status.time_ms) = (DeliveryState::Gone, at_ms);
    }
}

fn read_recipients(turn: &mut Turn, user: &UserId, query: PendingTrack, seq: Seq) {
    let (to, from, after) = (query.to.clone(), user.clone(), query.after.clone());
    let read = Read::Recipients { to, seq, from, after };
    turn.read(|pending| &mut pending.recipients, PendingRecipients::Track(query), read);
}
