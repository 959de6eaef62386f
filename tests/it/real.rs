//! End to end: real processes over real QUIC on loopback.

mod ask;
mod back;
mod bench;
#[cfg(target_os = "linux")]
mod clock;
mod codes;
mod config;
mod data;
mod dead;
mod delivery;
mod exec;
mod fake;
mod flow;
mod framing;
mod freeze;
mod headers;
mod joining;
mod kill;
mod killed;
pub(crate) mod kit;
mod large;
mod later;
mod network;
mod places;
mod queue;
mod reader;
pub(crate) mod relay;
mod restart;
mod sendmail;
mod share;
mod spool;
mod stdin;
mod tries;
mod until;
mod upkeep;
pub(crate) mod wait;
mod wrap;
