//! Progress of a long message, on a line of the terminal.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::clock;
use crate::terminal::limits::NAME_CHARS_MAX;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;

/// Time before progress is shown: shorter transfers show none.
const QUICK: Duration = Duration::from_millis(500);
/// Time between two updates.
const PAUSE: Duration = Duration::from_millis(100);
const BAR_CHARS: u64 = 14;

/// A progress bar. Removed when dropped.
pub(crate) struct Progress {
    talk: Verbosity,
    about: String,
    total: u64,
    start: Instant,
    shown: Option<Instant>,
    is_visible: bool,
}

impl Progress {
    /// Starts the progress of `total` bytes; `direction` ("to", "from") and `name` describe the
    /// transfer.
    pub(crate) fn new(talk: Verbosity, total: u64, direction: &str, name: impl Display) -> Self {
        let about = format!("{direction} {}", short(&name.to_string()));
        Self { talk, about, total, start: clock::moment(), shown: None, is_visible: false }
    }

    /// Shows that `done` bytes have been transferred.
    pub(crate) fn at(&mut self, done: u64) {
        let time = clock::since(self.start);
        if time < QUICK || self.shown.is_some_and(|shown| clock::since(shown) < PAUSE) {
            return;
        }
        self.shown = Some(clock::moment());
        self.is_visible = true;
        notices::progress(self.talk, Some(&line(done, self.total, &self.about, time)));
    }

    /// Removes the bar, to make room for other output.
    pub(crate) fn hide(&mut self) {
        if std::mem::take(&mut self.is_visible) {
            notices::progress(self.talk, None);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.hide();
    }
}

/// Shortens a name, which is ASCII.
fn short(name: &str) -> String {
    if name.len() <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_CHARS_MAX - 1).chain(['…']).collect()
}

fn line(done: u64, total: u64, about: &str, time: Duration) -> String {
    let done = done.min(total);
    let full = (u128::from(done) * u128::from(BAR_CHARS)).checked_div(total.into()).unwrap_or(0);
    let bar: String =
        (0..BAR_CHARS).map(|n| if u128::from(n) < full { '#' } else { '-' }).collect();
    let (bytes, unit) = match total {
        0..0x10_0000 => (1 << 10, "KiB"),
        0x10_0000..0x4000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    let shown = |number: f64| format!("{:.1}", number / f64::from(bytes));
    let (part, all) = (shown(done as f64), shown(total as f64));
    let rate = done as f64 / time.as_secs_f64() / f64::from(1 << 20);
    format!("qmsg: [{bar}] {part} of {all} {unit} {about}, {rate:.1} MiB/s")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{line, short};

    #[test]
    fn a_line_says_how_far_how_fast_and_about_whom() {
        let second = Duration::from_secs(1);
        for (done, total, shown) in [
            (32 << 20, 64 << 20, "qmsg: [#######-------] 32.0 of 64.0 MiB to bob, 32.0 MiB/s"),
            (0, 100 << 10, "qmsg: [--------------] 0.0 of 100.0 KiB to bob, 0.0 MiB/s"),
            (5 << 29, 5 << 29, "qmsg: [##############] 2.5 of 2.5 GiB to bob, 2560.0 MiB/s"),
            (9, 0, "qmsg: [--------------] 0.0 of 0.0 KiB to bob, 0.0 MiB/s"),
        ] {
            assert_eq!(line(done, total, "to bob", second), shown);
        }
    }

    #[test]
    fn a_line_stays_short() {
        let about = format!("from {}", short(&"a".repeat(128)));
        let longest = line(1023 << 20, 1023 << 20, &about, Duration::from_millis(999));
        assert!(longest.chars().count() < 80, "{longest}");
        assert_eq!(short("bob"), "bob");
    }
}
