//! All faults of servers and those around them, one after the other.

use std::fmt;
use std::time::{Duration, Instant};

use super::site::Site;
use crate::chance::Chance;
use crate::real::kit::Server;
use crate::real::relay::Weather;
use crate::real::wait::pause;

/// Pause between two faults, in milliseconds.
const REST_MS: usize = 1_500;
const STOPPED: Duration = Duration::from_millis(800);
const DARK: Duration = Duration::from_millis(1_500);

/// Kinds of faults, and how often each has happened.
pub(super) struct Faults {
    chance: Chance,
    next: Instant,
    counts: [(&'static str, u32); 7],
    turn: usize,
}

impl Faults {
    pub(super) fn new(chance: Chance) -> Self {
        let counts = [
            "server killed",
            "server stopped",
            "listener killed",
            "server frozen",
            "listener frozen",
            "network dark",
            "network bad",
        ];
        Self { chance, next: Instant::now(), counts: counts.map(|name| (name, 0)), turn: 0 }
    }

    /// Causes the next fault, if it is time.
    pub(super) fn strike(&mut self, site: &mut Site) {
        if Instant::now() < self.next {
            return;
        }
        let kind = self.turn % self.counts.len();
        self.turn += 1;
        self.counts[kind].1 += 1;
        let reader = self.chance.below(site.readers.len());
        match kind {
            0 => site.restart(Server::kill),
            1 => site.restart(|server| drop(server.stop("TERM"))),
            2 => site.kill_reader(reader),
            3 => {
                site.server().signal("STOP");
                pause(STOPPED);
                site.server().signal("CONT");
            }
            4 => {
                site.readers[reader].signal("STOP");
                pause(STOPPED);
                site.readers[reader].signal("CONT");
            }
            5 => {
                site.relay.set(&Weather { lost: 1_000, ..Weather::default() });
                pause(DARK);
                site.relay.set(&Weather::default());
            }
            _ => {
                let (lost, jitter) = (200, Duration::from_millis(20));
                site.relay.set(&Weather { lost, twice: 50, jitter, ..Weather::default() });
                pause(DARK);
                site.relay.set(&Weather::default());
            }
        }
        let rest = Duration::from_millis(self.chance.below(REST_MS) as u64);
        self.next = Instant::now() + rest;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<String> =
            self.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        f.write_str(&counts.join(", "))
    }
}
