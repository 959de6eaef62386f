//! What to do: decided here, done elsewhere.
//!
//! [`Hub`] is the server's brain, [`Peer`] the client's. Both have one shape:
//!
//! - `handle(now, input, &mut outputs)` is the only way in. It does no I/O, knows no clock and no
//!   chance but what it is given, cannot fail and does not panic, whatever comes in.
//! - `deadline()` says when it wants an [`Input::Tick`] at the latest.
//! - The outputs are a function of the inputs: collections are ordered, so a run can be repeated.
//!
//! Bad input from the other side becomes a decision, an [`Output::Close`] with its reason.

mod hub;
mod limits;
mod peer;
mod prefetch;
mod seqs;

pub use hub::{Hub, Input, LinkId, Output};
pub use limits::{Limits, Time, greeting, link_queue_max};
pub use peer::{Command, Draft, Ending, Event, Intent, Peer, PeerInput, PeerOutput, numbered};
pub use prefetch::Prefetch;
