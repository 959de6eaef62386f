//! Chance that can be repeated: of a seed, or of bytes that somebody chose. And how large a run is
//! to be, and from which seed.

use std::collections::VecDeque;

pub(crate) struct Chance(Source);

enum Source {
    /// xorshift64 (Marsaglia 2003).
    Seed(u64),
    /// Each choice takes as many as it needs; behind the last one all are 0.
    Bytes(VecDeque<u8>),
}

impl Chance {
    /// Neighbouring seeds differ in few bits; a few turns spread them.
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Self(Source::Seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        for _ in 0..8 {
            chance.below(2);
        }
        chance
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Source::Bytes(bytes.iter().copied().collect()))
    }

    /// Whether nothing is left to choose by.
    pub(crate) fn is_spent(&self) -> bool {
        matches!(&self.0, Source::Bytes(bytes) if bytes.is_empty())
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        let number = match &mut self.0 {
            Source::Seed(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state >> 11
            }
            Source::Bytes(bytes) => {
                let count = if end <= 256 { 1 } else { 3 };
                (0..count)
                    .fold(0, |number, _| number << 8 | u64::from(bytes.pop_front().unwrap_or(0)))
            }
        };
        (number % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.below(all.len())].clone())
    }
}

/// A number that somebody has set for a larger run, or for another seed.
pub(crate) fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// The same, or the number of `cargo test`.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    asked(variable).unwrap_or(otherwise)
}
