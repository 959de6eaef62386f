//! How much a spool may hold, and for how long.

use std::time::Duration;

/// Whether to keep what cannot be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    /// A message that finds no server goes into the spool.
    pub(crate) spool: bool,
    pub(crate) bounds: SpoolBounds,
}

/// Limits of a spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpoolBounds {
    /// Bytes of an id's spool.
    pub(crate) max: u64,
    /// How long a message may wait before it is set aside.
    pub(crate) age: Duration,
}
