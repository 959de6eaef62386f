//! The server's state machine.
//!
//! An [`Input`] goes to the `router`, which owns all machines and calls the one that it concerns.
//! Machines never call one another: they return values, or note a `todo` that the router carries
//! out before the turn ends. Each owns a part of the state:
//!
//! - `sessions`: links, the users they act as, and counts of unanswered frames. `held`: the frames
//!   that may wait for the look-up of an id.
//! - `mailboxes`: one `mailbox` for each user who reads: cursors, `acks` on their way to the store,
//!   and a `reader` for each link. Parts of a reader: a `window` of volatile messages, and a
//!   `download` (a long body on its way).
//! - `bodies`: long bodies from senders, and volatile messages that wait for their readers.
//! - `tracking`: links that ask how far messages have come. `parked`: when scheduled messages are
//!   due. `sweep`: when the store removes old data. `publish`: appends and their answers; no state.
//!
//! All share the `turn`: time (`wall_clock` for removals), limits, outputs, work noted (`todo`),
//! requests to the store (`pending`) and bytes under way (`budget`). `io`: inputs and outputs.

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
