//! Hostile peers: what a server holds because of them, how soon it drops them, and how others are
//! affected. `PROOF_HOSTILE=20 cargo test --release --test it hostile:: -- --nocapture
//! --test-threads=1` starts twenty times as many.

mod floods;
mod frames;
mod handshakes;
mod readers;
mod scene;
mod silence;

use crate::chance::number;

/// Factor for the number of hostile peers.
fn scale() -> usize {
    number("PROOF_HOSTILE", 1) as usize
}
