//! Measurements of a server: speed and size. One file each.

pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod durable;
pub(crate) mod fanout;
pub(crate) mod host;
pub(crate) mod how;
pub(crate) mod idle;
pub(crate) mod latency;
pub(crate) mod limits;
pub(crate) mod measurement;
pub(crate) mod partial;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod throughput;
pub(crate) mod usage;
