//! The server's loop: hears what happens on links and in the store, lets the
//! [`Hub`](crate::logic::Hub) decide, and carries it out.
//!
//! One loop serves everything. In each turn it handles all that waits, and hands all writes that
//! result to the store as one batch. While the store writes that batch the next one gathers, so
//! batches grow with the load and nothing waits for a timer.
//!
//! [`Server`] is `lifecycle`: start, run, stop. `accept` runs a task for each link, `event_loop`
//! is the loop, `links` has the queues to the links, and `store_work` the reads and writes for the
//! store.

mod accept;
mod clock;
mod error;
mod event_loop;
mod lifecycle;
mod limits;
mod links;
mod settings;
mod store_work;

pub use error::StartError;
pub use lifecycle::{AnswerSink, Server};
pub use settings::Settings;
