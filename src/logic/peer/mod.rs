//! The client's state machine: [`Peer`] routes inputs to machines that each own a part of its
//! state and know nothing of one another.

mod backoff;
mod chunks;
mod dedup;
mod inbox;
mod io;
mod link_state;
mod machine;
mod outbox;
mod requests;
mod tracking;

pub use io::{Command, Draft, Ending, Event, Intent, PeerInput, PeerOutput, numbered};
pub use machine::Peer;
