//! Expirations of tracked messages: their sender is told, even if no recipient reads.
//!
//! Costs one look-up in the store for each tracked message, when it expires. Messages that nobody
//! tracks cost nothing here.

use std::collections::BTreeSet;

use crate::logic::limits::{CLOCK_LOOK_MS_MAX, EXPIRED_LOOKUPS_MAX, Time};
use crate::wire::{Seq, Target};

/// Time at which a message expires, in milliseconds since 1970, with its log and seq.
pub(super) type Expiration = (u64, Target, Seq);

/// Tracked messages that expire.
#[derive(Default)]
pub(super) struct Expirations {
    /// Messages in order of their expiration.
    due: BTreeSet<Expiration>,
    /// Number of messages whose recipients are being looked up.
    lookups: usize,
    /// Time on the monotonic clock at which to look at the wall clock.
    look_at_ms: Option<u64>,
}

impl Expirations {
    pub(super) fn deadline(&self) -> Option<u64> {
        self.look_at_ms
    }

    pub(super) fn is_due(&self, now: Time) -> bool {
        self.look_at_ms.is_some_and(|at_ms| at_ms <= now.mono_ms)
    }

    pub(super) fn add(&mut self, now: Time, expiration: Expiration) {
        self.due.insert(expiration);
        self.set_look(now);
    }

    pub(super) fn remove(&mut self, expiration: &Expiration) {
        self.due.remove(expiration);
        if self.due.is_empty() {
            self.look_at_ms = None;
        }
    }

    /// Sets the time of the next look at the wall clock.
    pub(super) fn set_look(&mut self, now: Time) {
        let next = self.due.first().filter(|_| self.lookups < EXPIRED_LOOKUPS_MAX);
        let wait_ms = |at_ms: u64| at_ms.saturating_sub(now.unix_ms).min(CLOCK_LOOK_MS_MAX);
        self.look_at_ms = next.map(|(at_ms, ..)| now.mono_ms + wait_ms(*at_ms));
    }

    /// Returns the next message that has expired. The caller must look up its recipients.
    pub(super) fn begin_lookup(&mut self, now: Time) -> Option<(Target, Seq)> {
        if self.lookups >= EXPIRED_LOOKUPS_MAX || self.due.first()?.0 > now.unix_ms {
            return None;
        }
        let (_, log, seq) = self.due.pop_first()?;
        self.lookups += 1;
        Some((log, seq))
    }

    /// Notes that all recipients of a message were looked up.
    pub(super) fn end_lookup(&mut self, now: Time) {
        self.lookups -= 1;
        self.set_look(now);
    }
}
