//! Bounds of the server's loop.

use std::time::Duration;

/// Most events of links that wait for the loop. Each holds at most the frames of one read.
pub(super) const EVENTS_MAX: usize = 64;
/// Most answers of the store that wait for the loop.
pub(super) const ANSWERS_MAX: usize = 8;
/// Number of writes from which on the loop hears nothing more from links until the store takes
/// the batch.
pub(super) const BATCH_WRITES_MAX: usize = 16_384;
/// The same bound in bytes of messages.
pub(super) const BATCH_BYTES_MAX: u64 = 16 << 20;
/// Longest frame, in bytes, that is copied into the buffer of each link it goes to. The links share
/// the bytes of a longer one.
pub(super) const COPY_LEN_MAX: usize = 4 << 10;
/// Longest wait, at the end, for links to be told that the server stops.
pub(super) const FAREWELL: Duration = Duration::from_millis(250);
