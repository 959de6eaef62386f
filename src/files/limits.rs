//! Bounds of files that are read.

/// Longest private file that is read, in bytes. Ours are far shorter; the bound keeps a wrong path
/// from filling memory.
pub(super) const PRIVATE_LEN_MAX: u64 = 64 << 10;
