//! Bounds of messages on this machine.

/// Longest summary of a parked message, in characters.
pub(crate) const SUMMARY_CHARS_MAX: usize = 60;
/// Shortest body that can count as binary, in bytes; shorter ones are always shown.
pub(crate) const BINARY_LEN_MIN: u64 = 64;
