//! Tests from outside the crate, one module a subject.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod chance;
mod cost;
#[cfg(target_os = "linux")]
mod crash;
mod docs;
mod hostile;
mod logic;
mod memory;
mod needs;
mod quic;
mod readme;
pub(crate) mod real;
mod soak;
mod store;
mod supply;
mod tally;
mod tidy;
mod wire;
