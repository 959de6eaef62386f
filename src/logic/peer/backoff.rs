//! Pauses between a client's attempts to connect.

use crate::logic::limits::{BACKOFF_FRUITLESS_MS_MAX, BACKOFF_MS_MAX, BACKOFF_MS_MIN};

/// Exponential backoff with jitter. Pauses grow until the server answers.
pub(super) struct Backoff {
    /// Attempts since the last answer.
    attempts: u32,
    /// Links since the last answer that the server welcomed.
    fruitless: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { attempts: 0, fruitless: 0, random: seed | 1 }
    }

    /// Records that an attempt begins.
    pub(super) fn attempt_begins(&mut self) {
        self.attempts += 1;
    }

    /// Records that the server welcomed the client. It may still die of the next request.
    pub(super) fn welcomed(&mut self) {
        self.fruitless += 1;
    }

    /// Makes pauses short again, after an answer.
    pub(super) fn reset(&mut self) {
        (self.attempts, self.fruitless) = (0, 0);
    }

    /// The next pause, in milliseconds. Half of it is fixed and half random, so that a thousand
    /// clients do not come back at once.
    pub(super) fn next_ms(&mut self) -> u64 {
        let last = (BACKOFF_MS_MAX << self.fruitless.min(10)).min(BACKOFF_FRUITLESS_MS_MAX);
        let full = (BACKOFF_MS_MIN << self.attempts.min(10)).min(last);
        // xorshift64 (Marsaglia 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        full / 2 + self.random % (full / 2 + 1)
    }
}
