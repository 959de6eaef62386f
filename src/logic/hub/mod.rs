//! The server's state machine.

mod acks;
mod bodies;
mod budget;
mod download;
mod held;
mod io;
mod mailbox;
mod mailboxes;
mod parked;
mod pending;
mod publish;
mod reader;
mod router;
mod sessions;
mod sweep;
mod todo;
mod tracking;
mod turn;
mod wall_clock;
mod window;

pub use io::{Input, LinkId, Output};
pub use router::Hub;
