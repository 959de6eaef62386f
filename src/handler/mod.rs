//! Commands that handle messages.

pub(crate) mod attend;
pub(crate) mod environment;
pub(crate) mod exec;
pub(crate) mod filter;
pub(crate) mod inbox;
pub(crate) mod limits;
pub(crate) mod runner;
pub(crate) mod save;
pub(crate) mod schedule;
pub(crate) mod step;
pub(crate) mod tail;
