//! How long a client waits before it dials again.

use crate::logic::limits::{BACKOFF_FRUITLESS_MS_MAX, BACKOFF_MS_MAX, BACKOFF_MS_MIN};

/// The pauses of one client, which grow until it has an answer.
pub(super) struct Pauses {
    /// Attempts since the last answer.
    attempts: u32,
    /// Links since the last answer that the server welcomed.
    in_vain: u32,
    random: u64,
}

impl Pauses {
    pub(super) fn new(seed: u64) -> Self {
        Self { attempts: 0, in_vain: 0, random: seed | 1 }
    }

    /// An attempt begins.
    pub(super) fn tries(&mut self) {
        self.attempts += 1;
    }

    /// The server knows who this is. It may still die of what it is asked next.
    pub(super) fn welcomed(&mut self) {
        self.in_vain += 1;
    }

    /// The server has answered.
    pub(super) fn reset(&mut self) {
        (self.attempts, self.in_vain) = (0, 0);
    }

    /// The next pause. Half of it is fixed, half by chance, so that a thousand clients do not come
    /// back at once.
    pub(super) fn next_ms(&mut self) -> u64 {
        let last = (BACKOFF_MS_MAX << self.in_vain.min(10)).min(BACKOFF_FRUITLESS_MS_MAX);
        let full = (BACKOFF_MS_MIN << self.attempts.min(10)).min(last);
        // xorshift64 (Marsaglia 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        full / 2 + self.random % (full / 2 + 1)
    }
}
