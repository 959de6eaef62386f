//! Positions in a log.

use crate::wire::Seq;

/// A position in a log: a seq, and the ordinal of the log's last message at or before that seq.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    seq: Seq,
    ordinal: u64,
}

impl Position {
    pub(crate) fn new(seq: Seq, ordinal: u64) -> Self {
        Self { seq, ordinal }
    }

    pub(crate) fn seq(self) -> Seq {
        self.seq
    }

    pub(crate) fn ordinal(self) -> u64 {
        self.ordinal
    }

    /// The position `count` messages further on. The seqs in between must be of this log only.
    pub(crate) fn plus(self, count: u64) -> Self {
        Self { seq: self.seq + count, ordinal: self.ordinal + count }
    }

    /// The position just before the message at this one.
    pub(crate) fn before(self) -> Self {
        Self { seq: self.seq - 1, ordinal: self.ordinal - 1 }
    }
}
