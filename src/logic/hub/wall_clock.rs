//! The wall clock as far as it is believed when something is to be removed for its age.
//!
//! A clock that is set a month ahead for a minute must not cost what waits to be read, nor the ids
//! that tell a repeated message. So the furthest behind that it was within a day or two counts: a
//! leap ahead is believed once it has stood for so long, and a step back, which removes nothing, at
//! once. What a machine has slept is a leap too, and things are kept so much longer.

use crate::logic::limits::Time;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// How far the wall clock was ahead of the monotonic one, at least: today and the day before.
#[derive(Default)]
pub(super) struct TrustedClock {
    /// When that day began, by the monotonic clock.
    begun_ms: u64,
    today_ms: Option<i64>,
    before_ms: Option<i64>,
}

impl TrustedClock {
    /// Milliseconds since 1970. Has to be asked often, to know what the clock was meanwhile.
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
