//! Repeatable random choices, from a seed or from given bytes; and the variables that set the size
//! and the seed of a run.

use std::collections::VecDeque;

pub(crate) struct Chance(Source);

enum Source {
    /// xorshift64 (Marsaglia 2003).
    Seed(u64),
    /// Given bytes: each choice consumes as many as it needs; after the last one every choice is 0.
    Bytes(VecDeque<u8>),
}

impl Chance {
    /// Spreads the bits of the seed first: neighbouring seeds differ in few of them.
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

    /// True when given bytes are used up.
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

/// Number in an environment variable that sets a larger run or another seed.
pub(crate) fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Number in an environment variable, or the default of `cargo test`.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    asked(variable).unwrap_or(otherwise)
}
