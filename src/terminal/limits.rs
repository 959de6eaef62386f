//! Bounds of what is written to terminals.

/// Longest name in a line of progress, in characters, so that the line stays below 80.
pub(crate) const NAME_CHARS_MAX: usize = 16;
/// Bytes of notices that wait for a slow reader. Notices beyond them are counted and dropped.
pub(crate) const WAITING_LEN_MAX: usize = 256 << 10;
