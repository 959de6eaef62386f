//! Trusted clock: the wall clock, as far as it is trusted for the removal of old messages.
//!
//! A clock set a month ahead for a minute must not remove unread messages, nor the ids by which
//! duplicates are recognized. So the lowest lead over the monotonic clock within the last one to
//! two days counts: a leap ahead is trusted once it has lasted that long. A step back is trusted at
//! once, because it removes nothing. The time for which a machine was suspended is a leap too:
//! messages are kept that much longer.

use crate::logic::limits::Time;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Lowest lead of the wall clock over the monotonic one, in milliseconds: today and yesterday.
#[derive(Default)]
pub(super) struct TrustedClock {
    /// Start of today, on the monotonic clock.
    begun_ms: u64,
    today_ms: Option<i64>,
    before_ms: Option<i64>,
}

impl TrustedClock {
    /// Returns the trusted time, in milliseconds since 1970. Must be called often: it knows the
    /// clock only at the times of the calls.
    pub(super) fn unix_ms(&mut self, now: Time) -> u64 {
        if now.mono_ms.saturating_sub(self.begun_ms) >= DAY_MS {
            self.begun_ms = now.mono_ms;
            self.before_ms = self.today_ms.take();
        }
        let ahead_ms = now.unix_ms.cast_signed().saturating_sub_unsigned(now.mono_ms);
        let today_ms = self.today_ms.map_or(ahead_ms, |today_ms| today_ms.min(ahead_ms));
        self.today_ms = Some(today_ms);
        let least_ms = self.before_ms.map_or(today_ms, |before_ms| before_ms.min(today_ms));
        now.mono_ms.saturating_add_signed(least_ms)
    }
}
