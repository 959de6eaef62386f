//! Sweeps: the store is asked at intervals to remove old data.

use crate::durable::{Swept, Write};

use super::turn::Turn;
use super::wall_clock::TrustedClock;

/// Time of the next sweep, and the clock by which sweeps decide.
pub(super) struct Sweeper {
    /// Time of the next sweep on the monotonic clock; `None` while one is under way.
    at_ms: Option<u64>,
    clock: TrustedClock,
}

impl Sweeper {
    pub(super) fn new() -> Self {
        Self { at_ms: Some(0), clock: TrustedClock::default() }
    }

    /// The next time at which the hub must be woken.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.at_ms
    }

    /// Begins a sweep, if it is time.
    pub(super) fn begin_due(&mut self, turn: &mut Turn) {
        let now = turn.now();
        if self.at_ms.take_if(|at_ms| *at_ms <= now.mono_ms).is_some() {
            turn.write_alone(Write::Sweep { now_ms: self.clock.unix_ms(now) });
        }
    }

    /// Takes the end of a sweep. The next one comes soon if more data could go.
    pub(super) fn end(&mut self, turn: &Turn, swept: Swept) {
        let sweep_ms = turn.limits().sweep_ms;
        let wait_ms = if swept.more { sweep_ms / 100 } else { sweep_ms };
        self.at_ms = Some(turn.now().mono_ms + wait_ms);
    }
}
