//! A listener, as one process after the other.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::real::kit::Home;
use crate::real::relay::Relay;
use crate::real::sweep;
use crate::real::wait::until_file;
use crate::tally::Value;

/// Deliveries of a listener that may be unconfirmed: after a kill some of them come again.
const UNCONFIRMED_MAX: usize = 8_192;

pub(super) struct Reader {
    pub(super) id: &'static str,
    /// Targets whose messages reach this reader.
    pub(super) targets: &'static [usize],
    process: Child,
    /// File that holds its output.
    path: PathBuf,
    processes: u32,
    shown: Vec<Value>,
    /// Messages that a killed process has shown, and the next one again.
    repeated: u64,
    /// Messages that may be shown again.
    loose: BTreeSet<Value>,
}

impl Reader {
    pub(super) fn new(
        home: &Home,
        relay: &Relay,
        id: &'static str,
        targets: &'static [usize],
    ) -> Self {
        let (process, path) = start(home, relay, id, 0);
        let (shown, loose) = (vec![], BTreeSet::new());
        Self { id, targets, process, path, processes: 1, shown, repeated: 0, loose }
    }

    /// Kills the process and starts another one, without waiting for it: the server may be away.
    pub(super) fn kill(&mut self, home: &Home, relay: &Relay) {
        self.process.kill().unwrap();
        self.read_output();
        self.loose = self.shown.iter().rev().take(UNCONFIRMED_MAX).copied().collect();
        (self.process, self.path) = start(home, relay, self.id, self.processes);
        self.processes += 1;
    }

    pub(super) fn signal(&self, name: &str) {
        sweep::signal(self.process.id(), name);
    }

    /// Waits for the last message of each target; returns everything shown, and how many messages
    /// came again because of a kill.
    pub(super) fn end(mut self, targets: &[&str]) -> (Vec<Value>, u64) {
        for target in targets {
            until_file(&self.path, |text| text.contains(&format!("last-{target}\n")));
        }
        self.signal("TERM");
        self.read_output();
        (std::mem::take(&mut self.shown), self.repeated)
    }

    /// Reads what the process has shown until its end.
    fn read_output(&mut self) {
        self.process.wait().unwrap();
        let stdout = fs::read_to_string(&self.path).unwrap();
        // A killed process may end within a line.
        let whole = stdout.rfind('\n').map_or(0, |at| at + 1);
        for line in stdout[..whole].lines().filter(|line| !line.starts_with("last-")) {
            let value = line.parse().unwrap();
            if self.loose.remove(&value) {
                self.repeated += 1;
            } else {
                self.shown.push(value);
            }
        }
    }
}

/// Kills the listener of a run that fails.
impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(home: &Home, relay: &Relay, id: &str, number: u32) -> (Child, PathBuf) {
    let path = home.path().join(format!("shown-{id}-{number}"));
    let mut command = home.command(&["listen", "--as", id, "-s", &relay.address]);
    command.stdout(File::create(&path).unwrap()).stderr(Stdio::null());
    (command.spawn().unwrap(), path)
}
