//! Waiting for conditions that no event reports.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use super::kit::DEADLINE;

/// Interval between looks.
const GLANCE: Duration = Duration::from_millis(10);

/// Flag that ends threads; it is set on drop, also by a panic.
#[derive(Default)]
pub(crate) struct StopOnDrop(Arc<AtomicBool>);

/// The threads' view of the flag.
#[derive(Clone)]
pub(crate) struct StopFlag(Arc<AtomicBool>);

impl StopOnDrop {
    pub(crate) fn flag(&self) -> StopFlag {
        StopFlag(Arc::clone(&self.0))
    }
}

impl StopFlag {
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets time pass that is part of the test.
pub(crate) fn pause(time: Duration) {
    // Nothing is ever sent.
    let (_sender, receiver) = sync_channel::<()>(0);
    let _ = receiver.recv_timeout(time);
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not in {DEADLINE:?}");
        pause(GLANCE);
    }
}

/// Waits until the content of a file meets a condition.
#[track_caller]
pub(crate) fn until_file(path: &Path, is_it: impl Fn(&str) -> bool) {
    let read = || std::fs::read_to_string(path).is_ok_and(|text| is_it(&text));
    until(&path.display().to_string(), read);
}
