//! The client's state machine.

mod chunks;
mod deliver;
mod inbox;
mod io;
mod machine;
mod outbox;
mod pauses;
mod requests;
mod tracking;

pub use io::{Command, Ending, Event, Intent, PeerInput, PeerOutput, numbered};
pub use machine::Peer;
pub use outbox::Draft;
