//! Waiting for what nothing tells of.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use super::kit::DEADLINE;

/// How long a look may be ago.
const GLANCE: Duration = Duration::from_millis(10);

/// A moment until which threads go on: when the one that made it drops it, by a panic if need be.
#[derive(Default)]
pub(crate) struct Over(Arc<AtomicBool>);

/// Where the others see it.
#[derive(Clone)]
pub(crate) struct Seen(Arc<AtomicBool>);

impl Over {
    pub(crate) fn seen(&self) -> Seen {
        Seen(Arc::clone(&self.0))
    }
}

impl Seen {
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets time pass that is part of what is tried.
pub(crate) fn pause(time: Duration) {
    // Nobody sends.
    let (_sender, receiver) = sync_channel::<()>(0);
    let _ = receiver.recv_timeout(time);
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not in {DEADLINE:?}");
        pause(GLANCE);
    }
}

/// Waits until a file has what is wanted of it.
#[track_caller]
pub(crate) fn until_file(path: &Path, is_it: impl Fn(&str) -> bool) {
    let read = || std::fs::read_to_string(path).is_ok_and(|text| is_it(&text));
    until(&path.display().to_string(), read);
}
