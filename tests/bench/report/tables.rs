//! A table for each workload of the comparison, a row for each peer.

use crate::Sections;
use crate::results::Figure::{Each, Mib, Plain};
use crate::results::{Figure, Results};
use crate::text;

/// Order of the peers in a table; others follow.
const ORDER: &[&str] = &[
    "qmsg",
    "qmsg-kept",
    "qmsg-lines",
    "qraw",
    "qraw aws, built without jitter entropy",
    "qraw-wal",
    "nats",
    "nats-core",
    "nats-1x64MiB",
    "mosquitto",
    "mosquitto-if20",
    "socketio",
];
/// Lines from one program to another: recorded as a peer of workload W3ack, shown beside programs
/// of its kind.
const LINES: &str = "qmsg-lines";

struct Table {
    /// Name of the marks in the page.
    name: &'static str,
    workload: &'static str,
    connections: &'static [u64],
    columns: &'static [(&'static str, Figure)],
}

const THROUGHPUT: &[(&str, Figure)] = &[
    ("messages/s", Plain("msgs_s")),
    ("server, CPU µs each", Each("server_cpu")),
    ("sender", Each("send_cpu")),
    ("receiver", Each("recv_cpu")),
];
const CLOSED: &[(&str, Figure)] = &[
    ("answers/s", Plain("acks_s")),
    ("p50 µs", Plain("p50_us")),
    ("p99 µs", Plain("p99_us")),
    ("server, CPU µs each", Plain("server_us_per_ack")),
];

const TABLES: &[Table] = &[
    Table {
        name: "W1",
        workload: "W1",
        connections: &[],
        columns: &[
            ("p50 ms", Plain("wall_p50_ms")),
            ("p95 ms", Plain("wall_p95_ms")),
            ("CPU ms", Plain("cpu_p50_ms")),
            ("memory MiB", Mib("rss_p50_KiB")),
        ],
    },
    Table {
        name: "W2",
        workload: "W2",
        connections: &[],
        columns: &[
            ("p50 µs", Plain("p50_us")),
            ("p99 µs", Plain("p99_us")),
            ("p99.9 µs", Plain("p999_us")),
            ("server, CPU µs each", Plain("server_us_per_msg")),
        ],
    },
    Table { name: "W3", workload: "W3", connections: &[], columns: THROUGHPUT },
    Table { name: "W3ack", workload: "W3ack", connections: &[], columns: THROUGHPUT },
    Table { name: "W3cli", workload: "W3cli", connections: &[], columns: THROUGHPUT },
    Table {
        name: "W4",
        workload: "W4",
        connections: &[],
        columns: &[
            ("deliveries/s", Plain("deliv_s")),
            ("server, CPU µs each", Plain("server_us_per_deliv")),
            ("receivers", Plain("client_us_per_deliv")),
            ("server MiB", Plain("server_rss_MiB")),
        ],
    },
    Table {
        name: "W5",
        workload: "W5",
        connections: &[1_000, 10_000],
        columns: &[
            ("KiB each", Plain("KiB_per_conn")),
            ("server CPU, % of a core", Plain("server_cpu_pct")),
            ("connected in s", Plain("connect_s")),
            ("server MiB", Plain("rss_end_MiB")),
        ],
    },
    Table {
        name: "W6",
        workload: "W6",
        connections: &[],
        columns: &[
            ("MB/s", Plain("MB_s")),
            ("server, CPU s", Plain("server_cpu")),
            ("sender", Plain("send_cpu")),
            ("receiver", Plain("recv_cpu")),
            ("server MiB", Plain("server_rss_MiB")),
        ],
    },
    Table { name: "W7-1", workload: "W7-1", connections: &[], columns: CLOSED },
    Table { name: "W7-64", workload: "W7-64", connections: &[], columns: CLOSED },
    Table {
        name: "HS",
        workload: "HS",
        connections: &[],
        columns: &[
            ("connections/s", Plain("rate")),
            ("server, CPU ms each", Plain("server_cpu_ms_each")),
            ("clients", Plain("client_cpu_ms_each")),
        ],
    },
];

pub(crate) fn all(results: &Results) -> Sections {
    TABLES.iter().map(|table| (table.name, table.text(results))).collect()
}

impl Table {
    fn text(&self, results: &Results) -> String {
        let mut peers: Vec<_> = results.peers(self.workload).into_iter().collect();
        let mut sources: Vec<(&str, &str)> = Vec::new();
        peers.retain(|peer| *peer != LINES && !peer.ends_with("-plain"));
        let place = |peer: &&str| ORDER.iter().position(|known| known == peer);
        peers.sort_by_key(|peer| place(peer).unwrap_or(ORDER.len()));
        if self.workload == "W3cli" {
            sources.push(("W3ack", LINES));
        }
        sources.extend(peers.into_iter().map(|peer| (self.workload, peer)));
        let counts: Vec<_> = match self.connections {
            [] => vec![None],
            counts => counts.iter().copied().map(Some).collect(),
        };
        let mut rows = Vec::new();
        for count in counts {
            rows.extend(sources.iter().filter_map(|(workload, peer)| {
                let reading = |figure| results.reading(workload, peer, count, figure);
                let readings: Vec<_> =
                    self.columns.iter().map(|(_, figure)| reading(*figure)).collect();
                readings.iter().any(Option::is_some).then(|| {
                    let connections =
                        count.map(|count| format!(", {} connections", text::grouped(count as f64)));
                    let name = format!("{peer}{}", connections.unwrap_or_default());
                    let cell = |reading: Option<_>| reading.map_or("–".into(), text::spread);
                    let cells = readings.into_iter().map(cell);
                    std::iter::once(name).chain(cells).collect()
                })
            }));
        }
        if rows.is_empty() {
            return "Not measured.".into();
        }
        let head: Vec<_> =
            std::iter::once("").chain(self.columns.iter().map(|(head, _)| *head)).collect();
        text::table(&head, &rows)
    }
}
