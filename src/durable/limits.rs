//! Bounds known to both `logic` and `store`.

/// Most reads that may be in progress; with more, a store blocks its caller.
pub const READS_IN_WORK_MAX: usize = 64;
