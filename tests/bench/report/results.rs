//! Results that the driver of the comparison wrote: for each workload and peer one record a
//! repetition.

use serde_json::Value;

/// Most CPU time in per cent that other virtual machines may have taken during a repetition. The
/// driver repeats a run that was disturbed more; such records are left out here.
const STEAL_PERCENT_MAX: f64 = 8.0;

pub(crate) struct Results(Value);

/// Selects records of the results.
#[derive(Clone, Copy)]
pub(crate) struct Series {
    pub(crate) workload: &'static str,
    pub(crate) peer: &'static str,
    /// Selects only repetitions with this number of connections.
    pub(crate) connections: Option<u64>,
}

/// A figure of a record, and its conversion to the unit shown.
#[derive(Clone, Copy)]
pub(crate) enum Figure {
    /// Value as it was recorded.
    Plain(&'static str),
    /// Value in KiB, shown in MiB.
    Mib(&'static str),
    /// CPU seconds of the whole run, shown in microseconds for each message that arrived.
    Each(&'static str),
}

impl Results {
    pub(crate) fn new(value: Value) -> Self {
        Self(value)
    }

    pub(crate) fn peers(&self, workload: &str) -> Vec<&str> {
        let peers = self.0[workload].as_object();
        peers.into_iter().flat_map(|peers| peers.keys().map(String::as_str)).collect()
    }

    /// Median, least and greatest value of the undisturbed repetitions, or of all if every one was
    /// disturbed.
    pub(crate) fn reading(
        &self,
        workload: &str,
        peer: &str,
        connections: Option<u64>,
        figure: Figure,
    ) -> Option<[f64; 3]> {
        let runs = self.0[workload][peer].as_array()?.iter();
        let runs: Vec<&Value> = runs
            .filter(|run| connections.is_none_or(|count| run["conns"].as_u64() == Some(count)))
            .collect();
        let is_calm = |run: &Value| run["steal_pct"].as_f64().unwrap_or(0.0) <= STEAL_PERCENT_MAX;
        let disturbed = !runs.iter().any(|run| is_calm(run));
        let counted = runs.into_iter().filter(|run| disturbed || is_calm(run));
        let mut readings: Vec<f64> = counted.filter_map(|run| figure.value_in(run)).collect();
        readings.sort_unstable_by(f64::total_cmp);
        let (first, last) = (*readings.first()?, *readings.last()?);
        let middle = readings[(readings.len() - 1) / 2] + readings[readings.len() / 2];
        Some([middle / 2.0, first, last])
    }

    pub(crate) fn median(&self, of: Series, figure: Figure) -> Option<f64> {
        let Series { workload, peer, connections } = of;
        self.reading(workload, peer, connections, figure).map(|[median, ..]| median)
    }
}

impl Figure {
    fn value_in(self, run: &Value) -> Option<f64> {
        match self {
            Self::Plain(key) => run[key].as_f64(),
            Self::Mib(key) => Some(run[key].as_f64()? / 1024.0),
            Self::Each(key) => {
                let messages = run["got"].as_f64().or_else(|| run["n"].as_f64())?;
                Some(run[key].as_f64()? * 1e6 / messages)
            }
        }
    }
}
