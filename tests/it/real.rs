//! End to end: real processes over real QUIC on loopback.

mod bench;
mod codes;
mod delivery;
mod headers;
mod hostile;
mod kill;
pub(crate) mod kit;
mod large;
pub(crate) mod relay;
mod stdin;
