//! Clocks of the system.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Monotonic time in nanoseconds, the same for all processes.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// CPU time that this process has used.
pub(crate) fn cpu() -> Duration {
    Duration::from_nanos(nanoseconds(ClockId::ProcessCPUTime))
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
