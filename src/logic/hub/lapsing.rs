//! Messages whose time to live is over while somebody watches them: their sender is told, whether
//! or not anybody reads.
//!
//! Costs one look into the store for each message that is watched, when its time is over. Messages
//! that nobody watches are gone past when they are read, and cost nothing here.

use std::collections::BTreeSet;

use crate::durable::Read;
use crate::wire::{DeliveryState, RecipientStatus, Seq, Span, Target, UserId};

use super::io::{LinkId, Output};
use super::link::Reader;
use super::pending::PendingRecipients;
use super::router::Hub;
use crate::logic::limits::Time;

/// How long at most the clock is not looked at. It may have been set meanwhile.
const LOOK_MS_MAX: u64 = 60_000;
/// Most looks into the store at a time.
const READING_MAX: usize = 64;

/// When a message expires, and where it is.
pub(super) type Expiration = (u64, Target, Seq);

/// What is watched and expires.
#[derive(Default)]
pub(super) struct Expirations {
    /// In the order of their times, in milliseconds since 1970.
    due: BTreeSet<Expiration>,
    /// Of how many it is being looked up whom they have not reached.
    reading: usize,
    /// When to look at the clock, in the monotonic one.
    at_ms: Option<u64>,
}

impl Expirations {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.at_ms
    }

    pub(super) fn add(&mut self, now: Time, lapse: Expiration) {
        self.due.insert(lapse);
        self.aim(now);
    }

    pub(super) fn remove(&mut self, lapse: &Expiration) {
        self.due.remove(lapse);
        if self.due.is_empty() {
            self.at_ms = None;
        }
    }

    fn aim(&mut self, now: Time) {
        let next = self.due.first().filter(|_| self.reading < READING_MAX);
        let wait_ms = |at_ms: u64| at_ms.saturating_sub(now.unix_ms).min(LOOK_MS_MAX);
        self.at_ms = next.map(|(at_ms, ..)| now.mono_ms + wait_ms(*at_ms));
    }

    /// The next that has expired, of which it is to be looked up whom it has not reached.
    fn next(&mut self, now: Time) -> Option<(Target, Seq)> {
        let is_over = self.reading < READING_MAX && self.due.first()?.0 <= now.unix_ms;
        let (_, log, seq) = if is_over { self.due.pop_first()? } else { return None };
        self.reading += 1;
        Some((log, seq))
    }
}

impl Hub {
    /// Looks up whom messages have not reached that have expired, if it is time.
    pub(super) fn lapse(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.lapses.at_ms.is_none_or(|at_ms| at_ms > now.mono_ms) {
            return;
        }
        while let Some((log, seq)) = self.lapses.next(now) {
            self.look_up_unreached(now, (log, seq), None, out);
        }
        self.lapses.aim(now);
    }

    fn look_up_unreached(
        &mut self,
        now: Time,
        (to, seq): (Target, Seq),
        after: Option<UserId>,
        out: &mut Vec<Output>,
    ) {
        let link = self.watching.watcher(&to, seq).and_then(|link| self.links.get(&link));
        // Who watches a message is its sender.
        let Some(from) = link.and_then(|link| link.user()).cloned() else {
            self.lapses.reading -= 1;
            return self.lapses.aim(now);
        };
        let expire = PendingRecipients::Expire { log: to.clone(), seq };
        let ticket = self.ask(|pending| &mut pending.recipients, expire);
        out.push(Output::Read(ticket, Read::Recipients { to, seq, from, after }));
    }

    /// The store has said how far an expired message has come with some.
    pub(super) fn lapsed(
        &mut self,
        now: Time,
        (log, seq): (Target, Seq),
        standings: Vec<RecipientStatus>,
        more: bool,
        out: &mut Vec<Output>,
    ) {
        let last = standings.last().map(|standing| standing.user.clone()).filter(|_| more);
        for mut standing in standings {
            self.note_lapse((&log, seq), &mut standing);
            if standing.state == DeliveryState::Gone {
                let RecipientStatus { user, state, time_ms, note } = standing;
                self.stands((&log, seq), &user, &(state, time_ms, note), out);
            }
        }
        if last.is_some() {
            return self.look_up_unreached(now, (log, seq), last, out);
        }
        self.lapses.reading -= 1;
        self.lapses.aim(now);
    }

    /// A message that the store holds for unread is gone if it is watched and has expired, unless a
    /// reader has it.
    pub(super) fn note_lapse(&self, (log, seq): (&Target, Seq), standing: &mut RecipientStatus) {
        let over = self.watching.expires_ms(log, seq).filter(|at_ms| *at_ms <= self.now.unix_ms);
        if let (Some(at_ms), DeliveryState::Accepted) = (over, standing.state)
            && !self.is_taken(&standing.user, log, seq)
        {
            (standing.state, standing.time_ms) = (DeliveryState::Gone, at_ms);
        }
    }

    /// A reader has let go of these without having processed them: tells those who watch what of
    /// them has expired.
    pub(super) fn let_go(
        &mut self,
        user: &UserId,
        log: &Target,
        span: Span,
        out: &mut Vec<Output>,
    ) {
        for seq in self.watching.within(log, span) {
            let (user, state) = (user.clone(), DeliveryState::Accepted);
            let mut standing = RecipientStatus { user, state, time_ms: 0, note: None };
            self.note_lapse((log, seq), &mut standing);
            if standing.state == DeliveryState::Gone {
                let news = (DeliveryState::Gone, standing.time_ms, None);
                self.stands((log, seq), &standing.user, &news, out);
            }
        }
    }

    /// Whether one of the user's readers has a message, or has processed it, which may not be on
    /// disk yet.
    fn is_taken(&self, user: &UserId, log: &Target, seq: Seq) -> bool {
        let Some(mailbox) = self.mailboxes.get(user) else { return false };
        let reader = |link: &LinkId| self.links.get(link)?.reader.as_ref();
        let has = |reader: &Reader| {
            reader.offers.within(Span::one(seq)).next().is_some() || reader.holds.contains(seq)
        };
        mailbox.places.get(log).is_some_and(|place| place.is_acked(seq))
            || mailbox.links.iter().filter_map(reader).any(has)
    }
}
