//! Options of all measurements.

use std::time::Duration;

use crate::profile::address::ServerAddress;
use crate::wire::Pin;

/// Options of all measurements.
#[derive(Debug)]
pub(crate) struct How {
    /// Measure this server instead of one started for the run.
    pub(crate) server: Option<ServerAddress>,
    /// The pin of that server's key, as `qmsg serve` prints it.
    pub(crate) pin: Option<Pin>,
    /// Trust whatever key that server presents.
    pub(crate) trust: bool,
    /// Print the figures as a JSON object.
    pub(crate) json: bool,
    /// Give up after this long without an arrival.
    pub(crate) timeout: Duration,
}
