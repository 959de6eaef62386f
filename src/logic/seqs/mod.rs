//! Sets of sequence numbers, and what is made of them: cursors, unacked deliveries.

pub(crate) mod cursor;
pub(crate) mod ranges;
pub(crate) mod set;
pub(crate) mod unacked;
