//! Load and faults for as long as is asked: `PROOF_SOAK=1800 cargo test --release --test it soak::
//! -- --nocapture` runs for half an hour, with `PROOF_SEED` another one.
//!
//! There are two servers under the same load. One meets every fault there is; what was sent to it
//! is counted. The other is left alone, so that what it holds can be measured over time.

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

/// In `cargo test`.
const SHORT: u64 = 8;
/// How often what a server holds is looked at, at most so many times.
const LOOKS_MAX: u64 = 60;
/// From here on a trend is more than the start.
const LONG: u64 = 600;
/// What memory may grow by in an hour, in KiB.
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
            let gauge = Gauge::of(&steady);
            let at = begun.elapsed().as_secs();
            let sent = (plagued.sent(), steady.sent());
            println!("{at:>5} s, sent {sent:?}, {faults}; left alone: {gauge}");
            looks.push((begun.elapsed(), gauge));
        }
        pause(Duration::from_millis(200));
    }
    let (first, last) = (looks.first().unwrap().1, Gauge::of(&steady));
    let half = &looks[looks.len() / 2..];
    let slope =
        slope(half.iter().map(|(at, gauge)| (at.as_secs_f64() / 3_600.0, gauge.kib as f64)));
    println!("{seconds} s, seed {seed}, faults: {faults}");
    println!("left alone, first {first}; last {last}; memory of the second half {slope:+.0} KiB/h");
    steady.end("left alone");
    plagued.end("with faults");
    assert!(last.descriptors <= first.descriptors + 16, "{last}");
    // One more for a moment, which writes where links are.
    assert!(last.threads <= first.threads + 1, "{last}");
    assert!(seconds < LONG || slope < SLOPE_MAX, "{slope} KiB/h");
}
