//! The core: decides what to do, and leaves the doing to its callers.
//!
//! [`Hub`] is the server's state machine (`hub/router.rs`), [`Peer`] the client's
//! (`peer/machine.rs`). The contract is the same for both:
//!
//! - A caller reports each thing that happens with `handle(now, input, &mut outputs)` and then
//!   does what the outputs say, in their order. There is no other way in.
//! - `handle` does no I/O and reads neither a clock nor a source of randomness: the time is an
//!   argument, and a seed is given once. It never blocks, never fails, and never panics, whatever
//!   it is given.
//! - `deadline()` is the latest time, in the monotonic clock, at which the caller must report a
//!   tick ([`Input::Tick`], [`PeerInput::Tick`]); `None`: time alone changes nothing.
//! - The same inputs lead to the same outputs: no collection is ordered by hash, so a run can be
//!   repeated from its seed.
//! - A frame that breaks the protocol is no error. The hub answers it with [`Output::Close`] and
//!   the reason; the peer ignores it.
//! - Memory is bounded by the constants and [`Limits`] in one file, whatever the other side sends.

mod hub;
mod limits;
mod peer;
mod prefetch;
mod seqs;

pub use hub::{Hub, Input, LinkId, Output};
pub use limits::{Limits, Time, greeting, link_queue_max};
pub use peer::{Command, Draft, Ending, Event, Intent, Peer, PeerInput, PeerOutput, numbered};
pub use prefetch::Prefetch;
