//! Several readings of one quantity.

use serde_json::{Value, json};

/// Readings in the order in which they were taken.
#[derive(Default)]
pub(crate) struct Spread(pub(crate) Vec<f64>);

impl Spread {
    pub(crate) fn add(&mut self, reading: f64) {
        self.0.push(reading);
    }

    /// Median, least and greatest reading. There must be at least one.
    pub(crate) fn json(&self) -> Value {
        let [median, min, max] = self.three().map(|reading| (reading * 1e3).round() / 1e3);
        json!({ "median": median, "min": min, "max": max, "readings": self.0.len() })
    }

    pub(crate) fn text(&self, unit: &str) -> String {
        let [median, min, max] = self.three().map(|reading| match reading {
            ..100.0 => format!("{reading:.2}"),
            _ => format!("{reading:.0}"),
        });
        format!("{median} [{min}..{max}] {unit}")
    }

    fn three(&self) -> [f64; 3] {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        [sorted[(sorted.len() - 1) / 2], sorted[0], sorted[sorted.len() - 1]]
    }
}
