//! Bounds of the spool.

/// Most messages of the spool that are sent and have no answer. A long one has its file open.
pub(crate) const UNANSWERED_MAX: usize = 256;

/// Longest head of a file, in bytes: headers with every byte escaped, and a little more.
pub(crate) const HEAD_LEN_MAX: u64 = 128 << 10;
/// Most bytes by which the head grows when the body is shortened.
pub(crate) const TRUNCATED_LEN_MAX: usize = 64;
/// Least bytes that a file counts as, so that the number of files is bounded too.
pub(crate) const FILE_LEN_MIN: u64 = 4 << 10;
