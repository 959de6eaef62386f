//! Bounds of messages on this machine.

/// Longest body that is kept in memory, in bytes.
pub(crate) const MEMORY_LEN_MAX: usize = 1 << 20;
/// Longest body taken from a stream, in bytes, since what is read of it has to be kept until it is
/// sent. A file stays where it is, so it has only the server's limit, which is not known before.
pub(crate) const STREAM_LEN_MAX: u64 = 1 << 30;
/// Bytes that are read ahead: taken from an input and not yet sent.
pub(crate) const AHEAD_LEN_MAX: u32 = 8 << 20;
/// Longest summary of a parked message, in characters.
pub(crate) const SUMMARY_CHARS_MAX: usize = 60;
/// Shortest body that can count as binary, in bytes; shorter ones are always shown.
pub(crate) const BINARY_LEN_MIN: u64 = 64;
