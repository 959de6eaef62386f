//! Bounds of handlers.

/// Bytes that a command may print after its reader has gone. Then its pipe is closed, so that a
/// command that never stops printing notices that nobody reads.
pub(crate) const UNREAD_LEN_MAX: usize = 64 << 20;
/// Longest pause before a retry, in milliseconds, unless the first one is longer.
pub(crate) const PAUSE_MS_MAX: u64 = 5 * 60 * 1000;
/// Bytes kept of a line: the end of a longer one.
pub(crate) const LINE_LEN_MAX: usize = 2 << 10;
/// Bytes kept of all lines together. They fit into one frame.
pub(crate) const TAIL_LEN_MAX: usize = 32 << 10;
