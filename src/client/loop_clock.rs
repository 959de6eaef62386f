//! The clock of a client's loop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::logic::Time;

/// Clock of the peer, which counts from the start of the loop.
pub(super) struct LoopClock {
    start: Instant,
}

impl LoopClock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn now(&self) -> Time {
        Time { mono_ms: self.start.elapsed().as_millis() as u64, unix_ms: unix_ms() }
    }

    pub(super) fn instant(&self, mono_ms: u64) -> Instant {
        self.start + Duration::from_millis(mono_ms)
    }
}

/// Milliseconds since 1970.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
