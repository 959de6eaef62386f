//! The size and age limits of a spool.

use std::time::Duration;

/// The use that a command makes of the spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    /// True if messages are kept while no server can be reached.
    pub(crate) spool: bool,
    pub(crate) bounds: SpoolBounds,
}

/// Limits of a spool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpoolBounds {
    /// Most bytes that the spool of one id may have.
    pub(crate) max: u64,
    /// Time after which a waiting message is set aside.
    pub(crate) age: Duration,
}
