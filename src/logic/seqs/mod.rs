//! Sets of sequence numbers (seqs), and two types built on them: cursors and unacked deliveries.

pub(crate) mod cursor;
pub(crate) mod position;
pub(crate) mod ranges;
pub(crate) mod set;
pub(crate) mod unacked;
