//! Bounds of a benchmark.

use std::time::Duration;

/// Clients that connect at the same time.
pub(crate) const CONNECTING_MAX: usize = 64;
/// Longest start of a server of our own.
pub(crate) const START_MAX: Duration = Duration::from_secs(10);
/// Volatile messages sent together: half of what a room member has room for, since the messages
/// before them may still be on their way.
pub(crate) const TOGETHER_MAX: u64 = 1_024;
/// Bytes of volatile messages sent together.
pub(crate) const TOGETHER_BYTES_MAX: u64 = 1 << 20;
