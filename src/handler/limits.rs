//! Bounds of handlers.

/// Bytes that a command may print for a reader that has gone. Beyond them its pipe is closed, so
/// that a command which prints without an end notices that nobody reads it.
pub(crate) const UNREAD_LEN_MAX: usize = 64 << 20;
/// Longest pause before a retry, in milliseconds, unless the first one is longer.
pub(crate) const PAUSE_MS_MAX: u64 = 5 * 60 * 1000;
/// Bytes of a line that are kept: the end of a longer one.
pub(crate) const LINE_LEN_MAX: usize = 2 << 10;
/// Bytes of all lines that are kept. They fit into one frame.
pub(crate) const TAIL_LEN_MAX: usize = 32 << 10;
