//! Bounds that both sides of the seam know.

/// Most reads that may be in work; beyond them a store blocks its caller.
pub const READS_IN_WORK_MAX: usize = 64;
