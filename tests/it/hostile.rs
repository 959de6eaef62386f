//! Peers of ill will: what they can make a server hold, how soon it is rid of them, and what others
//! notice. `PROOF_HOSTILE=20 cargo test --release --test it hostile:: -- --nocapture
//! --test-threads=1` brings twenty times as many of them.

mod floods;
mod frames;
mod handshakes;
mod readers;
mod scene;
mod silence;

use crate::chance::number;

/// How many times as many as in `cargo test`.
fn scale() -> usize {
    number("PROOF_HOSTILE", 1) as usize
}
