//! The server's state machine.

mod answers;
mod budget;
mod expiring;
mod gathering;
mod handing;
mod held;
mod io;
mod lapsing;
mod link;
mod mailbox;
mod parked;
mod passing;
mod pending;
mod proving;
mod publishing;
mod reading;
mod relaying;
mod router;
mod scheduling;
mod settling;
mod sharing;
mod skipping;
mod starting;
mod streaming;
mod succeeding;
mod uploading;
mod wall_clock;
mod watching;

pub use io::{Input, LinkId, Output};
pub use router::Hub;
