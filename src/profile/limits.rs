//! Bounds of profiles.

/// Most ids in a hint.
pub(crate) const HINT_IDS_MAX: usize = 8;
/// Most remembered names; further ones are not added.
pub(crate) const REMEMBERED_MAX: usize = 1_000;
