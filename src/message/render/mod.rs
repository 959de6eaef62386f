//! Rendering of messages for people and for programs.

pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod parked;
pub(crate) mod people;
pub(crate) mod style;
