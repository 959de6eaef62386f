//! Services of this process: async runtimes, signals, the name of its machine.

pub(crate) mod host;
pub(crate) mod runtime;
pub(crate) mod signals;
