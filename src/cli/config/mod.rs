//! Configuration: files that stand in for flags.

pub(crate) mod apply;
pub(crate) mod empty;
pub(crate) mod keys;
pub(crate) mod settings;
