//! Words of the command line: help, usage, tips.

pub(crate) mod help;
pub(crate) mod tips;
pub(crate) mod usage;
