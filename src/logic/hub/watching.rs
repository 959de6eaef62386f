//! How far messages have come with their recipients, for those who sent them and ask.
//!
//! A link is noted as watching before the store is asked how far the message has come; so what
//! changes behind the store's answer is told besides, and nothing is missed.

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::{Disposition, Read};
use crate::wire::{
    CloseCode, DeliveryState, FromServer, MsgId, Note, RecipientStatus, Seq, Span, Target, UserId,
};

use super::io::{LinkId, Output};
use super::pending::PendingRecipients;
use super::router::Hub;
use crate::logic::seqs::set::SeqSet;

/// Messages that are watched, by their log and seq.
#[derive(Default)]
pub(super) struct Tracking(BTreeMap<Target, BTreeMap<Seq, Watched>>);

pub(super) struct Watched {
    id: MsgId,
    links: BTreeSet<LinkId>,
    /// When its time to live is over.
    expires_ms: Option<u64>,
}

/// What a link asks to be told of: a message by its log and its id, and where to go on.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) id: MsgId,
    pub(super) to: Target,
    pub(super) after: Option<UserId>,
}

/// What a move of a cursor means for senders.
#[derive(Clone)]
pub(super) struct Acked {
    pub(super) log: Target,
    /// Messages that were not covered before.
    pub(super) spans: Vec<Span>,
    /// What was said of some of them besides.
    pub(super) verdicts: Vec<(Seq, Disposition, u64)>,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

/// The seq of a message, and when its time to live is over.
pub(super) type Cursor = (Seq, Option<u64>);

/// How far a message has come with somebody: the state, since when, and what was said.
pub(super) type News = (DeliveryState, u64, Option<Note>);

impl Tracking {
    fn insert(&mut self, log: &Target, (seq, expires_ms): Cursor, id: MsgId, link: LinkId) {
        let of_log = self.0.entry(log.clone()).or_default();
        let new = || Watched { id, links: BTreeSet::new(), expires_ms };
        of_log.entry(seq).or_insert_with(new).links.insert(link);
    }

    /// A link watches it no more. When it expires, if nobody does.
    fn remove(&mut self, log: &Target, seq: Seq, link: LinkId) -> Option<u64> {
        let of_log = self.0.get_mut(log)?;
        let watched = of_log.get_mut(&seq)?;
        watched.links.remove(&link);
        let gone = if watched.links.is_empty() { of_log.remove(&seq) } else { None };
        if of_log.is_empty() {
            self.0.remove(log);
        }
        gone?.expires_ms
    }

    fn get(&self, log: &Target, seq: Seq) -> Option<&Watched> {
        self.0.get(log)?.get(&seq)
    }

    /// When a message expires that is watched.
    pub(super) fn expires_ms(&self, log: &Target, seq: Seq) -> Option<u64> {
        self.get(log, seq)?.expires_ms
    }

    /// One of those who watch it.
    pub(super) fn watcher(&self, log: &Target, seq: Seq) -> Option<LinkId> {
        self.get(log, seq)?.links.first().copied()
    }

    /// What of a span of a log is watched.
    pub(super) fn within(&self, log: &Target, span: Span) -> Vec<Seq> {
        // Mostly nobody watches anything.
        let of_log = if self.0.is_empty() { None } else { self.0.get(log) };
        let watched = of_log.map(|of_log| of_log.range(span.first..=span.last));
        watched.into_iter().flatten().map(|(seq, _)| *seq).collect()
    }
}

impl Hub {
    /// A sender wants to know how far a message has come.
    pub(super) fn watch(&mut self, id: LinkId, user: &UserId, asked: Asked, out: &mut Vec<Output>) {
        let sends_max = self.limits.sends_max as usize;
        let Some(link) = self.links.get_mut(&id) else { return };
        match link.watches.get(&asked.id) {
            Some(Some((log, seq))) if *log == asked.to => {
                let seq = *seq;
                return self.read_standings(id, user, asked, seq, out);
            }
            Some(_) => {}
            None if link.watches.len() >= sends_max => {
                return self.close(id, CloseCode::OverLimit, out);
            }
            None => drop(link.watches.insert(asked.id, None)),
        }
        let (to, from) = (asked.to.clone(), user.clone());
        let read = Read::FindMessage { to, id: asked.id, from };
        let ticket = self.ask(|pending| &mut pending.located, (id, asked));
        out.push(Output::Read(ticket, read));
    }

    /// The store has said where the message is.
    pub(super) fn located(
        &mut self,
        id: LinkId,
        asked: Asked,
        place: Option<Cursor>,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some((seq, expires_ms)) = place else { return self.not_there(id, asked.id, out) };
        // Unless it was told meanwhile that enough is known.
        if let Some(at @ None) = link.watches.get_mut(&asked.id) {
            *at = Some((asked.to.clone(), seq));
            self.watching.insert(&asked.to, (seq, expires_ms), asked.id, id);
            if let Some(expires_ms) = expires_ms {
                self.lapses.add(self.now, (expires_ms, asked.to.clone(), seq));
            }
            self.prove_offered(&asked.to, seq);
        }
        self.read_standings(id, &user, asked, seq, out);
    }

    fn read_standings(
        &mut self,
        id: LinkId,
        user: &UserId,
        asked: Asked,
        seq: Seq,
        out: &mut Vec<Output>,
    ) {
        let (to, from, after) = (asked.to.clone(), user.clone(), asked.after.clone());
        let track = PendingRecipients::Track { link: id, asked };
        let ticket = self.ask(|pending| &mut pending.recipients, track);
        out.push(Output::Read(ticket, Read::Recipients { to, seq, from, after }));
    }

    /// The store has said how far it has come with some of the recipients.
    pub(super) fn found_standings(
        &mut self,
        id: LinkId,
        asked: &Asked,
        mut standings: Vec<RecipientStatus>,
        more: bool,
        out: &mut Vec<Output>,
    ) {
        let watch = self.links.get(&id).and_then(|link| link.watches.get(&asked.id));
        if let Some(Some((log, seq))) = watch {
            standings.iter_mut().for_each(|standing| self.note_lapse((log, *seq), standing));
        }
        let is_one_user = matches!(asked.to, Target::User(_));
        if is_one_user && standings.is_empty() && asked.after.is_none() {
            // Removed since it was located.
            return self.not_there(id, asked.id, out);
        }
        if is_one_user && standings.iter().any(|standing| standing.state.is_final()) {
            self.unwatch(id, asked.id);
        }
        self.reply(id, FromServer::TrackPage { id: asked.id, standings, more }, out);
    }

    fn not_there(&mut self, link: LinkId, id: MsgId, out: &mut Vec<Output>) {
        self.unwatch(link, id);
        self.reply(link, FromServer::UnknownMessage { id }, out);
    }

    /// A link is to hear no more of a message.
    pub(super) fn unwatch(&mut self, link: LinkId, id: MsgId) {
        let watch = self.links.get_mut(&link).and_then(|link| link.watches.remove(&id));
        if let Some(Some((log, seq))) = watch {
            self.end_watch((log, seq), link);
        }
    }

    fn end_watch(&mut self, (log, seq): (Target, Seq), link: LinkId) {
        if let Some(expires_ms) = self.watching.remove(&log, seq, link) {
            self.lapses.remove(&(expires_ms, log, seq));
        }
    }

    /// A link that watched these is gone.
    pub(super) fn unwatch_all(
        &mut self,
        link: LinkId,
        watches: BTreeMap<MsgId, Option<(Target, Seq)>>,
    ) {
        for at in watches.into_values().flatten() {
            self.end_watch(at, link);
        }
    }

    /// A cursor is on disk: tells those who watch what it covers.
    pub(super) fn covered(&mut self, user: &UserId, covered: &Acked, out: &mut Vec<Output>) {
        let Acked { log, spans, verdicts, at_ms } = covered;
        let watched = spans.iter().flat_map(|span| self.watching.within(log, *span));
        for seq in watched.collect::<Vec<Seq>>() {
            let verdict = verdicts.iter().find(|(of, ..)| *of == seq);
            let news = match verdict.map(|(_, verdict, _)| verdict) {
                None => (DeliveryState::Processed, *at_ms, None),
                Some(Disposition::Replied(reply)) => {
                    (DeliveryState::Processed, *at_ms, Some(reply.clone()))
                }
                Some(Disposition::Rejected { reason, .. }) => {
                    (DeliveryState::Rejected, *at_ms, Some(reason.clone()))
                }
                Some(Disposition::Expired) => (DeliveryState::Gone, *at_ms, None),
            };
            self.stands((log, seq), user, &news, out);
        }
    }

    /// All of a log up to a place is gone, but for what is with readers, of whom some have it.
    pub(super) fn removed(
        &mut self,
        user: &UserId,
        log: &Target,
        through: Seq,
        held: &SeqSet,
        out: &mut Vec<Output>,
    ) {
        let watched = self.watching.within(log, Span { first: 0, last: through });
        for seq in watched.into_iter().filter(|seq| !held.contains(*seq)) {
            let place = self.mailboxes.get(user).and_then(|mailbox| mailbox.places.get(log));
            if place.is_some_and(|place| !place.is_acked(seq)) {
                self.stands((log, seq), user, &(DeliveryState::Gone, 0, None), out);
            }
        }
    }

    /// A user reads a room no more.
    pub(super) fn excused(
        &mut self,
        user: &UserId,
        log: &Target,
        at_ms: u64,
        out: &mut Vec<Output>,
    ) {
        for seq in self.watching.within(log, Span { first: 0, last: Seq::MAX }) {
            self.stands((log, seq), user, &(DeliveryState::Gone, at_ms, None), out);
        }
    }

    /// Tells those who watch a message that it has come so far with somebody.
    pub(super) fn stands(
        &mut self,
        (log, seq): (&Target, Seq),
        user: &UserId,
        (state, time_ms, note): &News,
        out: &mut Vec<Output>,
    ) {
        let Some(Watched { id, links, .. }) = self.watching.get(log, seq) else { return };
        let is_one_user = matches!(log, Target::User(_));
        let (id, links) = (*id, links.clone());
        for link in links {
            // What goes to a room is not for its sender.
            let own = self.links.get(&link).and_then(|link| link.user()) == Some(user);
            if own && !is_one_user {
                continue;
            }
            let (state, time_ms, note) = (*state, *time_ms, note.clone());
            self.tell(link, id, RecipientStatus { user: user.clone(), state, time_ms, note }, out);
            if is_one_user && state.is_final() {
                self.unwatch(link, id);
            }
        }
    }
}
