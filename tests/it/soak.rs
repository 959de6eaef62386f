//! Load and faults for a given time: `PROOF_SOAK=1800 cargo test --release --test it soak:: --
//! --nocapture` runs for half an hour; `PROOF_SEED` makes it another run.
//!
//! Two servers have the same load. One meets every fault there is, and its messages are counted.
//! The other meets none, so that its memory can be measured over time.

mod faults;
mod gauge;
mod reader;
mod site;

use std::time::{Duration, Instant};

use crate::chance::{Chance, number};
use crate::real::wait::pause;
use faults::Faults;
use gauge::{Gauge, slope};
use site::Site;

/// Seconds in `cargo test`.
const SHORT: u64 = 8;
/// Readings of a server's resources, at most.
const LOOKS_MAX: u64 = 60;
/// Seconds from which a trend means more than the start.
const LONG: u64 = 600;
/// Greatest growth of memory, in KiB an hour.
const SLOPE_MAX: f64 = 8_192.0;

#[test]
fn nothing_is_lost_and_nothing_grows() {
    let (seconds, seed) = (number("PROOF_SOAK", SHORT), number("PROOF_SEED", 1));
    let (begun, time) = (Instant::now(), Duration::from_secs(seconds));
    let (mut plagued, steady) = (Site::new(seed), Site::new(seed + 1));
    let mut faults = Faults::new(Chance::new(seed));
    let mut looks = vec![];
    let every = Duration::from_secs((seconds / LOOKS_MAX).max(1));
    while begun.elapsed() < time {
        faults.strike(&mut plagued);
        if looks.len() as u32 <= begun.elapsed().as_millis() as u32 / every.as_millis() as u32 {
            let gauge = Gauge::read(&steady);
            let at = begun.elapsed().as_secs();
            let sent = (plagued.sent(), steady.sent());
            println!("{at:>5} s, sent {sent:?}, {faults}; left alone: {gauge}");
            looks.push((begun.elapsed(), gauge));
        }
        pause(Duration::from_millis(200));
    }
    let (first, last) = (looks.first().unwrap().1, Gauge::read(&steady));
    let half = &looks[looks.len() / 2..];
    let slope =
        slope(half.iter().map(|(at, gauge)| (at.as_secs_f64() / 3_600.0, gauge.kib as f64)));
    println!("{seconds} s, seed {seed}, faults: {faults}");
    println!("left alone, first {first}; last {last}; memory of the second half {slope:+.0} KiB/h");
    steady.end("left alone");
    plagued.end("with faults");
    assert!(last.descriptors <= first.descriptors + 16, "{last}");
    // One thread more may be writing the peer list at that moment.
    assert!(last.threads <= first.threads + 1, "{last}");
    assert!(seconds < LONG || slope < SLOPE_MAX, "{slope} KiB/h");
}
