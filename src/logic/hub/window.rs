//! Window of one reader's volatile messages: delivered, and not yet acked by count.

use std::collections::VecDeque;

use crate::wire::{Bundle, Weights};

use super::budget::Load;

/// Volatile messages that a reader has not acked, in the order of their delivery.
#[derive(Default)]
pub(super) struct VolatileWindow {
    bundles: VecDeque<VolatileBundle>,
    messages: u64,
    bytes: u64,
}

/// Unacked messages of one bundle, beginning with the one at `at`.
struct VolatileBundle {
    weights: Weights,
    at: u64,
    count: u64,
}

impl VolatileWindow {
    pub(super) fn load(&self) -> Load {
        (self.messages, self.bytes)
    }

    /// Adds the first `count` messages of a bundle.
    pub(super) fn add(&mut self, bundle: &Bundle, count: u64) {
        let weights = bundle.weights();
        self.messages += count;
        self.bytes += weights.len_bytes(0, count);
        self.bundles.push_back(VolatileBundle { weights, at: 0, count });
    }

    /// Removes the last bundle, whose body was not sent to its end.
    pub(super) fn remove_last(&mut self) {
        if let Some(VolatileBundle { weights, at, count }) = self.bundles.pop_back() {
            self.messages -= count;
            self.bytes -= weights.len_bytes(at, count);
        }
    }

    /// Acks the `count` oldest messages. Returns `false` if there are fewer, or if `count` is 0.
    pub(super) fn ack(&mut self, count: u32) -> bool {
        let mut left = u64::from(count);
        if left == 0 || left > self.messages {
            return false;
        }
        self.messages -= left;
        while let Some(bundle) = self.bundles.front_mut().filter(|_| left > 0) {
            let acked = left.min(bundle.count);
            self.bytes -= bundle.weights.len_bytes(bundle.at, acked);
            bundle.at += acked;
            bundle.count -= acked;
            left -= acked;
            if bundle.count == 0 {
                self.bundles.pop_front();
            }
        }
        true
    }
}
