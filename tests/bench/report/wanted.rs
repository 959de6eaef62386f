//! Goals for qmsg relative to other programs, and the readings.

use crate::results::Figure::{self, Plain};
use crate::results::{Results, Series};
use crate::text;

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Comparison without a goal.
    Stated,
}
use Bound::{AtLeast, AtMost, Stated};

/// Goal for a ratio: a figure of qmsg divided by the same of another program.
struct Want {
    what: &'static str,
    figure: Figure,
    ours: Series,
    theirs: Series,
    bound: Bound,
}

const fn series(workload: &'static str, peer: &'static str) -> Series {
    Series { workload, peer, connections: None }
}

const fn with(connections: u64, peer: &'static str) -> Series {
    Series { workload: "W5", peer, connections: Some(connections) }
}

/// Goal whose two figures come from the same workload.
const fn want(
    what: &'static str,
    workload: &'static str,
    figure: Figure,
    peer: &'static str,
    bound: Bound,
) -> Want {
    Want { what, figure, ours: series(workload, "qmsg"), theirs: series(workload, peer), bound }
}

const fn idle(what: &'static str, figure: Figure, bound: Bound) -> Want {
    let (ours, theirs) = (with(10_000, "qmsg"), with(10_000, "qraw"));
    Want { what, figure, ours, theirs, bound }
}

const fn lines(what: &'static str, peer: &'static str, bound: Bound) -> Want {
    let ours = series("W3ack", "qmsg-lines");
    Want { what, figure: RATE, ours, theirs: series("W3cli", peer), bound }
}

const WALL: Figure = Plain("wall_p50_ms");
const P50: Figure = Plain("p50_us");
const P999: Figure = Plain("p999_us");
const RATE: Figure = Plain("msgs_s");
const ANSWERS: Figure = Plain("acks_s");
/// Same key exchange as qmsg's, without the jitter entropy that qmsg's own build leaves out.
const LIKE_US: &str = "qraw aws, built without jitter entropy";

const WANTED: &[Want] = &[
    want("W1 p50", "W1", WALL, "nats", AtMost(0.85)),
    want("W1 p50", "W1", WALL, "mosquitto", AtMost(0.5)),
    want("W1 p50", "W1", WALL, LIKE_US, AtMost(1.25)),
    want("W2 p50", "W2", P50, "qraw", AtMost(1.2)),
    want("W2 p99.9", "W2", P999, "nats", AtMost(1.0)),
    want("W2 p99.9", "W2", P999, "mosquitto", AtMost(1.0)),
    want("W3 messages/s", "W3", RATE, "nats", AtLeast(1.5)),
    want("W3 messages/s", "W3", RATE, "qraw", AtLeast(0.6)),
    want("W3ack messages/s", "W3ack", RATE, "nats", AtLeast(3.0)),
    want("W3ack messages/s", "W3ack", RATE, "mosquitto", AtLeast(10.0)),
    want("W3ack messages/s", "W3ack", RATE, "qraw-wal", Stated),
    lines("W3cli lines/s", "mosquitto_pub/sub QoS0", AtLeast(4.0)),
    lines("W3cli lines/s", "mosquitto_pub/sub QoS1", AtLeast(12.0)),
    want("W4 deliveries/s", "W4", Plain("deliv_s"), "nats", AtLeast(1.0)),
    want("W4 deliveries/s", "W4", Plain("deliv_s"), "qraw", AtLeast(0.8)),
    idle("W5 memory each, 10,000", Plain("KiB_per_conn"), AtMost(1.15)),
    idle("W5 server CPU, 10,000", Plain("server_cpu_pct"), AtMost(1.2)),
    want("W6 MB/s", "W6", Plain("MB_s"), "qraw", AtLeast(0.7)),
    want("W7 answers/s, 1 sender", "W7-1", ANSWERS, "qraw-wal", AtLeast(0.85)),
    want("W7 answers/s, 64 senders", "W7-64", ANSWERS, "qraw-wal", AtLeast(0.85)),
    want("W7 answers/s, 64 senders", "W7-64", ANSWERS, "nats", AtLeast(1.0)),
    want("HS connections/s", "HS", Plain("rate"), "qraw", AtLeast(0.8)),
    want("HS connections/s", "HS", Plain("rate"), POST_QUANTUM, Stated),
];
/// Plain quinn with the key exchange that qmsg uses.
const POST_QUANTUM: &str = "aws-lc-rs, X25519MLKEM768 (default)";

pub(crate) fn table(results: &Results) -> String {
    let head = ["", "beside", "wanted", "measured", "reached"];
    let rows: Vec<_> = WANTED.iter().map(|want| want.row(results)).collect();
    text::table(&head, &rows)
}

impl Want {
    fn row(&self, results: &Results) -> Vec<String> {
        let [ours, theirs] = [self.ours, self.theirs].map(|of| results.median(of, self.figure));
        let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
        let wanted = match self.bound {
            AtMost(bound) => format!("≤ {bound}"),
            AtLeast(bound) => format!("≥ {bound}"),
            Stated => "–".into(),
        };
        let reached = match (ratio, self.bound) {
            (None, _) => "not measured",
            (_, Stated) => "–",
            (Some(ratio), AtMost(bound)) if ratio <= bound => "yes",
            (Some(ratio), AtLeast(bound)) if ratio >= bound => "yes",
            _ => "no",
        };
        let measured = ratio.map_or("–".into(), text::number);
        vec![self.what.into(), self.theirs.peer.into(), wanted, measured, reached.into()]
    }
}
