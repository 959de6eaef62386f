//! This process: its async runtime, its signals, its machine.

pub(crate) mod host;
pub(crate) mod init;
pub(crate) mod runtime;
pub(crate) mod signals;
