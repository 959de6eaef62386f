//! Bounds of sending.

/// Most contents that are read from the input and wait to be sent.
pub(crate) const QUEUE_MAX: usize = 1024;
/// Most messages that are written to the spool together.
pub(crate) const SPOOLED_TOGETHER_MAX: usize = 256;

/// Most messages that are tracked at a time: less than any server allows.
pub(crate) const TRACKED_MAX: usize = 256;
/// Most messages that are sent and have not come as far as is wanted, before the input has to wait.
pub(crate) const OPEN_MAX: usize = 1024;

/// Longest excerpt, in bytes, even if the server accepts more.
pub(crate) const EXCERPT_LEN_MAX: u64 = 1 << 20;
/// Longest content, in bytes, that is read to find out whether it is text.
pub(crate) const TEXT_LEN_MAX: u64 = 1 << 30;

/// Most failures that are printed one by one.
pub(crate) const PRINTED_FAILURES_MAX: u64 = 10;
