//! The figures of a run: a table for people, an object for programs.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::bench::run::Bench;
use crate::bench::usage::Spent;
use crate::terminal::print;
use crate::text::units::grouped;

/// Widths of the table's columns.
const LABEL: usize = 36;
const NUMBER: usize = 14;

/// The figures of a run, in the order they are shown.
pub(crate) struct BenchReport {
    figures: Vec<Figure>,
}

struct Figure {
    /// Its name in the object.
    key: &'static str,
    label: &'static str,
    value: Value,
    unit: &'static str,
}

/// Times of many things, the shortest first.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time within which this part of them was done, a quantile.
    fn quantile(&self, part: f64) -> Duration {
        let rank = (self.0.len() as f64 * part).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl BenchReport {
    pub(crate) fn new(bench: &'static str) -> Self {
        let mut report = Self { figures: Vec::new() };
        report.put("bench", "bench", bench, "");
        report
    }

    pub(crate) fn put(
        &mut self,
        key: &'static str,
        label: &'static str,
        value: impl Into<Value>,
        unit: &'static str,
    ) {
        self.figures.push(Figure { key, label, value: value.into(), unit });
    }

    /// A figure that is not whole, to three places.
    pub(crate) fn real(
        &mut self,
        key: &'static str,
        label: &'static str,
        value: f64,
        unit: &'static str,
    ) {
        self.put(key, label, (value * 1e3).round() / 1e3, unit);
    }

    /// A rate: this many in that time.
    pub(crate) fn rate(
        &mut self,
        key: &'static str,
        label: &'static str,
        many: u64,
        time: Duration,
    ) {
        self.real(key, label, many as f64 / time.as_secs_f64(), "/s");
    }

    pub(crate) fn times(&mut self, times: &Times) {
        let rows = [
            ("min_us", "shortest", 0.0),
            ("p50_us", "p50", 0.5),
            ("p99_us", "p99", 0.99),
            ("p999_us", "p99.9", 0.999),
            ("max_us", "longest", 1.0),
        ];
        for (key, label, part) in rows {
            self.real(key, label, us(times.quantile(part)), "µs");
        }
    }

    /// Resources that the run used, where that is known; `many` is messages or links.
    pub(crate) fn spent(&mut self, spent: &Spent, many: u64) {
        let each = |time: Duration| us(time) / many as f64;
        self.real("seconds", "time", spent.time.as_secs_f64(), "s");
        if let Some(cpu) = spent.server_cpu {
            self.real("server_cpu_us_each", "CPU of the server for each", each(cpu), "µs");
        }
        if let Some(cpu) = spent.client_cpu {
            self.real("client_cpu_us_each", "CPU of the clients for each", each(cpu), "µs");
        }
        self.resident(spent);
    }

    pub(crate) fn resident(&mut self, spent: &Spent) {
        if let Some(kib) = spent.server_kib {
            self.put("server_rss_kib", "memory of the server", kib, "KiB");
        }
        if let Some(kib) = spent.client_kib {
            self.put("client_rss_kib", "memory of the clients", kib, "KiB");
        }
    }

    /// Where the figures come from.
    pub(crate) fn conditions(&mut self, bench: &Bench) {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let server = match bench.host().process() {
            Some(_) => "own".into(),
            None => bench.host().server().to_string(),
        };
        self.put("server", "server", server, "");
        self.put("cores", "cores of this machine", cores, "");
        self.put("version", "version of qmsg", env!("CARGO_PKG_VERSION"), "");
    }

    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            let fields = self.figures.iter().map(|figure| (figure.key, figure.value.clone()));
            return print::object(&fields.collect::<Vec<_>>());
        }
        self.figures.iter().try_for_each(|Figure { label, value, unit, .. }| {
            let line = format!("{label:<LABEL$}{:>NUMBER$} {unit}", shown(value));
            print::line(line.trim_end())
        })
    }
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Large numbers without places, as nobody reads them, and in groups of three.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => grouped(whole),
            (None, Some(real)) if real >= 1e3 => grouped(real.round() as u64),
            (None, Some(real)) if real >= 1e2 => format!("{real:.1}"),
            (None, Some(real)) => format!("{real:.2}"),
            (None, None) => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Times, shown};

    #[test]
    fn quantiles_are_of_the_times_there_were() {
        let times = Times::new((1..=1000).rev().map(Duration::from_micros).collect());
        for (part, us) in [(0.0, 1), (0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1000)] {
            assert_eq!(times.quantile(part), Duration::from_micros(us), "{part}");
        }
        assert_eq!(Times::new(vec![Duration::MAX]).quantile(0.5), Duration::MAX);
        assert_eq!(Times::new(vec![]).quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn numbers() {
        for (value, text) in [
            (999.into(), "999"),
            (1_234_567.into(), "1,234,567"),
            (0.126.into(), "0.13"),
            (123.46.into(), "123.5"),
            (12_345.6.into(), "12,346"),
            ("own".into(), "own"),
        ] {
            assert_eq!(shown(&value), text);
        }
    }
}
