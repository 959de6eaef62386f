//! Costs of a message in figures that do not depend on the machine, to catch a sudden rise. For
//! speed see `docs/PERFORMANCE.md`.
//!
//! The bounds stand in one table, each with its measured value. `cargo test cost -- --nocapture`
//! prints the present values. A bound is about 1.75 times the measured value; where the value
//! depends on thread scheduling, twice the greatest of many runs, idle and loaded.

mod hub;
mod peer;
#[cfg(target_os = "linux")]
mod server;

/// Heap use of one thread, for each message.
#[derive(Clone, Copy, Debug)]
struct Heap {
    allocations: f64,
    bytes: f64,
}

/// Work of a server's process, for 1,000 messages.
#[derive(Clone, Copy, Debug)]
#[cfg(target_os = "linux")]
struct Work {
    /// Transactions; each has one sync.
    commits: f64,
    /// System calls that write to files; waking a thread counts too.
    writes: f64,
    /// Bytes of those writes, in KiB.
    kib: f64,
}

/// Heap use from a sender's frame to the answers to both sides: decode, append, answer, deliver,
/// ack, confirm.
const HUB_STORED: Heap = Heap { allocations: 1.0, bytes: 400.0 }; // 0.5, 228
/// The same for messages outside of bundles.
const HUB_ALONE: Heap = Heap { allocations: 23.0, bytes: 5_000.0 }; // 13.0, 2,907
/// The same for a message to a room with as many listeners as a turn has messages.
const HUB_ROOM: Heap = Heap { allocations: 25.0, bytes: 7_500.0 }; // 14.2, 4,366
/// Heap use from a sender's frame to its answer and the listener's frame, for volatile messages.
const HUB_VOLATILE: Heap = Heap { allocations: 0.4, bytes: 260.0 }; // 0.2, 146
/// The same for messages outside of bundles.
const HUB_VOLATILE_ALONE: Heap = Heap { allocations: 12.0, bytes: 2_600.0 }; // 7.2, 1,484
/// Heap use from a draft to its frame, and from the answer's frame to the event.
const PEER_SENDS: Heap = Heap { allocations: 0.6, bytes: 410.0 }; // 0.3, 234
/// The same for drafts that come one by one.
const PEER_SENDS_ALONE: Heap = Heap { allocations: 7.0, bytes: 2_650.0 }; // 4.0, 1,512
/// Heap use from a delivery's frame to the event, the ack and its confirmation.
const PEER_RECEIVES: Heap = Heap { allocations: 0.6, bytes: 280.0 }; // 0.3, 160
/// The same for messages that come one by one.
const PEER_RECEIVES_ALONE: Heap = Heap { allocations: 16.0, bytes: 1_850.0 }; // 9.2, 1,050

/// 1,000 lines of one `send -l`, one listener. Measured: 4..11, 133..229, 258..762
#[cfg(target_os = "linux")]
const PIPELINED: Work = Work { commits: 25.0, writes: 450.0, kib: 1_500.0 };
/// Datagrams in both directions with both clients, for the same 1,000 messages. Measured: 232..364
#[cfg(target_os = "linux")]
const PIPELINED_DATAGRAMS: f64 = 700.0;
/// 1,000 `send` commands in sequence, one listener. Measured: 2,000, 11,125, 29,219
#[cfg(target_os = "linux")]
const SINGLE: Work = Work { commits: 2_200.0, writes: 20_000.0, kib: 50_000.0 };

/// Prints all figures, and fails if any is above its bound.
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
    /// Measures work that handles this number of messages.
    fn measured(messages: usize, work: impl FnOnce()) -> Self {
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
