//! Messages whose time to live was over before they were handed out.

use std::collections::BTreeMap;

use crate::durable::{Disposition, Record, Write};
use crate::wire::{Bundle, Seq, Span, Target, UserId};

use super::io::{LinkId, Output};
use super::pending::PendingAck;
use super::router::Hub;
use super::watching::Acked;

/// What of a log has expired and is to be written down.
#[derive(Default)]
pub(super) struct Expired {
    messages: u64,
    bytes: u64,
    verdicts: Vec<(Seq, Disposition, u64)>,
    /// It held up what is behind it.
    clears: bool,
}

impl Hub {
    /// Whether messages are not to be handed out any more: those of a bundle are alike.
    pub(super) fn is_expired(&self, bundle: &Bundle) -> bool {
        let expires_ms = bundle.first.headers.expires_ms(bundle.first.time_ms);
        expires_ms.is_some_and(|expires_ms| expires_ms <= self.now.unix_ms)
    }

    /// Settles these messages for a user, but for those that a reader has already.
    pub(super) fn expire(&mut self, user: &UserId, record: &Record) {
        let (span, log) = (record.span(), &record.bundle.first.to);
        let Some(place) = self.mailboxes.get(user).and_then(|m| m.places.get(log)) else { return };
        let waiting = place.unacked(span);
        self.go_by(user, record, (span.first, span.last + 1), &waiting);
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let Some(place) = mailbox.places.get_mut(log) else { return };
        let mut free = waiting;
        for link in &mailbox.links {
            let reader = self.links.get(link).and_then(|link| link.reader.as_ref());
            let Some(reader) = reader else { continue };
            free = free.into_iter().flat_map(|span| reader.offers.missing(span)).collect();
        }
        if free.is_empty() {
            return;
        }
        let (crowded, weights) = (place.is_crowded(), record.bundle.weights());
        let new: Vec<Span> = free.into_iter().flat_map(|span| place.ack(span)).collect();
        let clears = crowded && !place.is_crowded();
        let expired = mailbox.expired.entry(log.clone()).or_default();
        expired.clears |= clears;
        for span in new {
            expired.messages += span.count();
            expired.bytes += weights.len_bytes(span.first - record.seq, span.count());
            let seqs = span.first..=span.last;
            expired.verdicts.extend(seqs.map(|seq| (seq, Disposition::Expired, self.now.unix_ms)));
        }
    }

    /// Has what has expired written down, which nobody waits for.
    pub(super) fn settle_expired(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        let all: BTreeMap<Target, Expired> = std::mem::take(&mut mailbox.expired);
        let mut clears = false;
        for (log, expired) in all {
            let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
            let Some(place) = mailbox.places.get(&log) else { continue };
            clears |= expired.clears;
            let Expired { messages, bytes, verdicts, .. } = expired;
            let (user, cursor) = (user.clone(), place.to_stored());
            mailbox.settling += 1;
            let spans = verdicts.iter().map(|(seq, ..)| Span::one(*seq)).collect();
            let (said, at_ms) = (verdicts.clone(), self.now.unix_ms);
            let covered = Acked { log: log.clone(), spans, verdicts: said, at_ms };
            let reader = user.clone();
            let ack = PendingAck { link: id, user: reader, messages: 0, bytes: 0, covered };
            let ticket = self.ask(|pending| &mut pending.acks, ack);
            let write = Write::Ack { user, log, cursor, messages, bytes, verdicts };
            out.push(Output::Write(ticket, write));
        }
        if clears {
            let links = self.mailboxes.get(user).map(|mailbox| mailbox.links.clone());
            for link in links.unwrap_or_default() {
                self.pump(link, user, out);
            }
        }
    }
}
