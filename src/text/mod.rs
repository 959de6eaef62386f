//! Pure functions on text.

pub(crate) mod clean;
pub(crate) mod excerpt;
pub(crate) mod fold;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod units;
pub(crate) mod visible;
pub(crate) mod when;
