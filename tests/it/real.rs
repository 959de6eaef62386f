//! End to end: real processes over real QUIC on loopback.

mod ask;
mod back;
mod bench;
#[cfg(target_os = "linux")]
mod clock;
mod codes;
mod config;
mod crowd;
mod dead;
mod delivery;
mod exec;
mod flow;
mod framing;
mod freeze;
mod headers;
mod kill;
pub(crate) mod kit;
mod large;
mod later;
mod network;
mod queue;
mod reader;
pub(crate) mod relay;
mod restart;
#[cfg(target_os = "linux")]
mod roam;
mod sendmail;
mod share;
mod spool;
mod stdin;
mod until;
pub(crate) mod wait;
mod wrap;
