//! Runs of many seeds in parallel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::chance::{asked, number};

/// Number of failed runs after which the others are left out.
const FAILED_MAX: usize = 10;

/// Makes many runs, or the one that is asked for. A run panics if a check fails; otherwise it
/// returns the number of inputs of its hubs.
pub(super) fn check_all(name: &str, runs: u64, run: impl Fn(u64) -> u64 + Sync) {
    let seeds = match asked("QMSG_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("PROOF_FIRST", 1);
            first..first + number("PROOF_SEEDS", runs)
        }
    };
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(vec![]));
    let events = AtomicU64::new(0);
    let work = || {
        while failed.lock().unwrap().len() < FAILED_MAX {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed))) {
                Ok(count) => _ = events.fetch_add(count, Ordering::Relaxed),
                Err(_) => {
                    println!("{name}: seed {seed} failed");
                    failed.lock().unwrap().push(seed);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    let events = events.into_inner();
    println!("{name}: seeds {seeds:?}, {events} events of hubs, failed: {failed:?}");
    assert!(failed.is_empty(), "again with QMSG_SEED=n, one of {failed:?}");
}
