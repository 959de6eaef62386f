//! Texts of the command line: help, usage errors, tips.

pub(crate) mod help;
pub(crate) mod tips;
pub(crate) mod usage;
