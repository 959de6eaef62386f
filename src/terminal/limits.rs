//! Bounds of output to terminals.

/// Longest name in a progress line, in characters; keeps the line below 80.
pub(crate) const NAME_CHARS_MAX: usize = 16;
/// Bytes of notices that wait for a slow reader. Further notices are counted and dropped.
pub(crate) const WAITING_LEN_MAX: usize = 256 << 10;
