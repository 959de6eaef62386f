//! What a message costs, in figures that do not depend on the machine: a guard against falling off
//! a cliff. How fast it is stands in `docs/PERFORMANCE.md`.
//!
//! The bounds are one table, with what was measured beside each. `cargo test cost -- --nocapture`
//! prints what is measured now. A bound is about one and three quarters of that; where it depends
//! on how threads take turns, twice the most of many runs, quiet and loaded.

mod hub;
mod peer;
#[cfg(target_os = "linux")]
mod server;

/// Of one thread, for one message.
#[derive(Clone, Copy, Debug)]
struct Heap {
    allocations: f64,
    bytes: f64,
}

/// Of a server's process, for a thousand messages.
#[derive(Clone, Copy, Debug)]
#[cfg(target_os = "linux")]
struct Work {
    /// Transactions, each with one sync.
    commits: f64,
    /// Calls of the system that write to files; waking a thread is one too.
    writes: f64,
    /// What those wrote.
    kib: f64,
}

/// From a sender's frame to the answers to both: decode, append, answer, deliver, report, settle.
const HUB_STORED: Heap = Heap { allocations: 1.0, bytes: 400.0 }; // 0.5, 228
/// The same of messages that did not come in bundles.
const HUB_ALONE: Heap = Heap { allocations: 23.0, bytes: 5_000.0 }; // 13.0, 2,907
/// The same for a message to a room with as many listeners as there are messages in a turn.
const HUB_ROOM: Heap = Heap { allocations: 25.0, bytes: 7_500.0 }; // 14.2, 4,366
/// From a sender's frame to the answer and to the listener's frame, volatile.
const HUB_PASSED: Heap = Heap { allocations: 0.4, bytes: 260.0 }; // 0.2, 146
/// The same of messages that did not come in bundles.
const HUB_PASSED_ALONE: Heap = Heap { allocations: 12.0, bytes: 2_600.0 }; // 7.2, 1,484
/// From a draft to the frame, and from the answer's frame to the event.
const PEER_SENDS: Heap = Heap { allocations: 0.6, bytes: 410.0 }; // 0.3, 234
/// The same of drafts that come one by one.
const PEER_SENDS_ALONE: Heap = Heap { allocations: 7.0, bytes: 2_650.0 }; // 4.0, 1,512
/// From the frame to the event, report, and its answer.
const PEER_RECEIVES: Heap = Heap { allocations: 0.6, bytes: 280.0 }; // 0.3, 160
/// The same of messages that come one by one.
const PEER_RECEIVES_ALONE: Heap = Heap { allocations: 16.0, bytes: 1_850.0 }; // 9.2, 1,050

/// A thousand lines of one `send -l`, one listener. 4..11, 133..229, 258..762
#[cfg(target_os = "linux")]
const PIPELINED: Work = Work { commits: 25.0, writes: 450.0, kib: 1_500.0 };
/// On the wire meanwhile, to and from both, for a thousand messages. 232..364
#[cfg(target_os = "linux")]
const PIPELINED_DATAGRAMS: f64 = 700.0;
/// Each after the last is answered, by a `send` of its own; one listener. 2,000, 11,125, 29,219
#[cfg(target_os = "linux")]
const SINGLE: Work = Work { commits: 2_200.0, writes: 20_000.0, kib: 50_000.0 };

/// Fails with all figures that are above their bounds; prints them all.
#[track_caller]
fn check(what: &str, figures: &[(&str, f64, f64)]) {
    println!("{what}:");
    for (name, measured, bound) in figures {
        println!("  {name:<12} {measured:>9.1} of {bound:>9.1}");
    }
    let above = figures.iter().filter(|(_, measured, bound)| measured > bound);
    let above: Vec<_> = above.collect();
    assert!(above.is_empty(), "{what}: name, measured, bound: {above:?}");
}

impl Heap {
    /// Of a piece of work with so many messages.
    fn of(messages: usize, work: impl FnOnce()) -> Self {
        let info = allocation_counter::measure(work);
        let [allocations, bytes] =
            [info.count_total, info.bytes_total].map(|sum| sum as f64 / messages as f64);
        Self { allocations, bytes }
    }

    #[track_caller]
    fn check(self, what: &str, bound: Self) {
        let figures = [
            ("allocations", self.allocations, bound.allocations),
            ("bytes", self.bytes, bound.bytes),
        ];
        check(what, &figures);
    }
}

#[cfg(target_os = "linux")]
impl Work {
    #[track_caller]
    fn check(self, what: &str, bound: Self) {
        let figures = [
            ("commits", self.commits, bound.commits),
            ("writes", self.writes, bound.writes),
            ("KiB written", self.kib, bound.kib),
        ];
        check(what, &figures);
    }
}
