//! Tables and curves of the growth of costs, from the readings of `cargo bench --bench growth`.

use serde_json::Value;

use crate::Sections;
use crate::plot::{Line, Panel, Point, svg};
use crate::text;

const STREAM: (&str, &str) = ("sent in a stream", "pipelined_us");
const ALONE: (&str, &str) = ("one at a time", "single_us");
const CPU: &str = "server CPU, µs a message";

pub(crate) fn tables(growth: &Value) -> Sections {
    let empty = vec![];
    let array = |value: &Value| value.as_array().unwrap_or(&empty).clone();
    let offline = &growth["offline"];
    let mut away = Vec::new();
    for (kind, points) in [("", &offline["ids"]), (", members of the room", &offline["members"])] {
        away.extend(array(points).into_iter().map(|point| (kind, point)));
    }
    let plain = |points: &Value| array(points).into_iter().map(|point| ("", point)).collect();
    let bytes_each = ("bytes on disk each", Key("bytes_each"));
    vec![
        ("growth-conditions", conditions(&growth["conditions"])),
        ("growth-users", series("connected users", &plain(&growth["users"]), &[IDLE])),
        ("growth-stored", series("stored messages", &plain(&growth["stored"]), &[])),
        ("growth-offline", series("users away", &away, &[bytes_each])),
        ("growth-waiting", waiting(&growth["waiting"])),
        ("growth-start", start(&growth["start"])),
    ]
}

pub(crate) fn images(growth: &Value) -> Vec<(&'static str, String)> {
    let one = |points: &Value, x_label: &str| panels(&[("", points)], x_label);
    let ids = ("users", &growth["offline"]["ids"]);
    let members = ("members of the room", &growth["offline"]["members"]);
    vec![
        ("growth-users.svg", one(&growth["users"], "connected users")),
        ("growth-stored.svg", one(&growth["stored"], "stored messages")),
        ("growth-offline.svg", panels(&[ids, members], "users who are away")),
    ]
}

fn panels(series: &[(&str, &Value)], x_label: &str) -> String {
    let panel = |(title, key): (&'static str, &str)| {
        let line = |(name, points): &(&str, &Value)| {
            let points = points.as_array().into_iter().flatten();
            let point = |point: &Value| {
                let [median, min, max] = spread(&point[key])?;
                Some(Point { at: point["at"].as_f64()?, median, min, max })
            };
            Line { name: (*name).to_owned(), points: points.filter_map(point).collect() }
        };
        Panel { title, y_label: CPU, lines: series.iter().map(line).collect() }
    };
    svg(&[panel(STREAM), panel(ALONE)], x_label)
}

enum Column {
    Key(&'static str),
    Mib(&'static str),
    Spread(&'static str),
}
use Column::{Key, Mib, Spread};

const IDLE: (&str, Column) = ("server CPU before, % of a core", Key("idle_percent"));

fn series(what: &str, points: &Vec<(&str, Value)>, more: &[(&str, Column)]) -> String {
    let columns = [
        ("in a stream, CPU µs each", Spread(STREAM.1)),
        ("one at a time, CPU µs each", Spread(ALONE.1)),
        ("server MiB before", Mib("empty_kib")),
        ("and after", Mib("server_kib")),
    ];
    let columns: Vec<_> = columns.iter().chain(more).collect();
    let head: Vec<_> = [what].into_iter().chain(columns.iter().map(|(head, _)| *head)).collect();
    let rows = points.iter().map(|(kind, point)| {
        let at = point["at"].as_f64().unwrap_or(f64::NAN);
        let cells = columns.iter().map(|(_, column)| column.cell(point));
        [format!("{}{kind}", text::grouped(at))].into_iter().chain(cells).collect()
    });
    or_not(text::table(&head, &rows.collect::<Vec<_>>()), points.is_empty())
}

impl Column {
    fn cell(&self, point: &Value) -> String {
        let found = match self {
            Key(key) => point[*key].as_f64().map(text::number),
            Mib(key) => point[*key].as_f64().map(|kib| text::number(kib / 1024.0)),
            Spread(key) => spread(&point[*key]).map(text::spread),
        };
        found.unwrap_or_else(|| "–".into())
    }
}

fn spread(value: &Value) -> Option<[f64; 3]> {
    let [median, min, max] = ["median", "min", "max"].map(|key| value[key].as_f64());
    Some([median?, min?, max?])
}

/// Conditions of the run as text, without the name of the machine and its paths.
fn conditions(value: &Value) -> String {
    let said = |key: &str| value[key].as_str().unwrap_or("?").to_owned();
    let gib = value["memory_kib"].as_f64().unwrap_or(f64::NAN) / 1024.0 / 1024.0;
    let quick = if value["quick"] == true { "; a quick run, only of use for its form" } else { "" };
    format!(
        "{}, {}, {}, {} cores of {}, {gib:.0} GiB, Linux {}, {}{quick}.",
        said("date"),
        said("qmsg"),
        said("rustc"),
        value["cores"],
        said("processor"),
        said("kernel"),
        said("file_system"),
    )
}

fn waiting(value: &Value) -> String {
    let cell = |key| spread(&value[key]).map_or("–".into(), text::spread);
    let messages = value["messages"].as_f64();
    let rows = [
        ("to the first message, ms", "≤ 50", cell("first_ms")),
        ("from the first to the last, messages/s", "≥ 200,000", cell("messages_s")),
        ("memory that the server needs more for it, KiB", "–", cell("server_more_kib")),
    ];
    let rows = rows.map(|(what, wanted, cell)| vec![what.into(), wanted.into(), cell]);
    let what = format!("{} messages waiting", text::grouped(messages.unwrap_or(f64::NAN)));
    or_not(text::table(&[&what, "wanted", "measured"], &rows), messages.is_none())
}

fn start(value: &Value) -> String {
    let cell = |key| spread(&value[key]).map_or("–".into(), text::spread);
    let gib = value["store_bytes"].as_f64().map(|bytes| bytes / f64::from(1 << 30));
    let rows = [
        vec!["an empty store".into(), "–".into(), cell("empty_ms")],
        vec![format!("{:.1} GiB", gib.unwrap_or(f64::NAN)), "≤ 2,000".into(), cell("ms")],
    ];
    or_not(text::table(&["start with", "wanted", "measured, ms"], &rows), gib.is_none())
}

fn or_not(table: String, is_missing: bool) -> String {
    if is_missing { "Not measured.".into() } else { table }
}
