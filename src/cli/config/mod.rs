//! Configuration: files that set defaults of flags.

pub(crate) mod apply;
pub(crate) mod empty;
pub(crate) mod keys;
pub(crate) mod settings;
