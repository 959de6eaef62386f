//! After a start of the server: those who share come back first, and say what they have.
//!
//! Whoever shares goes on with what it had when the link was lost, with a command that runs for
//! instance. Until the others have had time to say so nothing is given to anybody who shares;
//! otherwise it would be done twice.

use std::collections::BTreeSet;

use crate::wire::{CloseCode, Span, UserId};

use super::io::{LinkId, Output};
use super::link::{Link, Mode};
use super::router::Hub;
use crate::logic::limits::Time;
use crate::logic::seqs::set::SeqSet;

/// Readers that wait for others, until then.
#[derive(Default)]
pub(super) struct ResumeGrace {
    /// `None`: not begun.
    until_ms: Option<u64>,
    readers: BTreeSet<LinkId>,
}

impl ResumeGrace {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.until_ms.filter(|_| !self.readers.is_empty())
    }
}

impl Hub {
    /// Notes what a future reader has from an earlier link. Once: so it is bounded by a frame.
    pub(super) fn holds(&mut self, id: LinkId, spans: &[Span], out: &mut Vec<Output>) {
        let is_first = |link: &&mut Link| link.reader.is_none() && link.holds.is_empty();
        let link = self.links.get_mut(&id).filter(is_first);
        let Some(link) = link else { return self.close(id, CloseCode::OutOfTurn, out) };
        spans.iter().for_each(|span| link.holds.insert(*span));
    }

    /// What of this nobody else has said to have. One that was given to several, each time on a new
    /// link, is the first one's.
    pub(super) fn unclaimed(&self, user: &UserId, holds: &SeqSet) -> SeqSet {
        let mut left = holds.clone();
        for (_, reader) in self.sharers(user) {
            reader.holds.iter().for_each(|span| left.remove(span));
        }
        left
    }

    /// Whether a reader has to wait for others.
    pub(super) fn gathers(&mut self, id: LinkId) -> bool {
        let Time { mono_ms, .. } = self.now;
        // The first tick comes at once.
        let until_ms = self.gathering.until_ms.unwrap_or(mono_ms);
        let Some(reader) = self.reader(id).filter(|reader| reader.share) else { return false };
        if until_ms <= mono_ms {
            return false;
        }
        reader.mode = Mode::Beginning;
        self.gathering.readers.insert(id);
        true
    }

    /// The others have had their time.
    pub(super) fn gathered(&mut self, now: Time, out: &mut Vec<Output>) {
        let resume_grace_ms = self.limits.resume_grace_ms;
        let until_ms = *self.gathering.until_ms.get_or_insert(now.mono_ms + resume_grace_ms);
        if now.mono_ms < until_ms {
            return;
        }
        for id in std::mem::take(&mut self.gathering.readers) {
            let Some(user) = self.links.get(&id).and_then(|link| link.user().cloned()) else {
                continue;
            };
            if let Some(reader) = self.reader(id) {
                reader.mode = Mode::Waiting;
                self.start(id, &user, out);
            }
        }
    }
}
