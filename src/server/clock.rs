//! The clock of the server's loop.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::logic::Time;

/// Time as the hub counts it: monotonic from the start of the server, and since 1970.
#[derive(Clone, Copy)]
pub(super) struct ServerClock {
    start: Instant,
}

impl ServerClock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(super) fn now(self) -> Time {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time { mono_ms: self.start.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as u64 }
    }

    pub(super) fn instant(self, mono_ms: u64) -> tokio::time::Instant {
        (self.start + Duration::from_millis(mono_ms)).into()
    }
}
