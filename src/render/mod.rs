//! Rendering of messages for people and for programs.

pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod kept;
pub(crate) mod message;
pub(crate) mod people;
