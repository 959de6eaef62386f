//! The durable log: users, rooms, messages and how far each user has read.
//!
//! A message is stored in a segment, one row of the table `run`: see `sqlite/segment.rs`, written
//! by `sqlite/transaction.rs` and read by `sqlite/reader.rs`.
//!
//! `threads` and `committer` stand above any engine: one thread makes each batch one transaction,
//! another answers reads; `deferred` keeps what found no room on a full disk. `sqlite` is the
//! engine. An answer means that the disk has it; after an error nothing is answered any more but
//! that error.

mod committer;
mod deferred;
mod limits;
mod report;
mod sqlite;
mod threads;

pub use report::Done;
#[cfg(any(test, fuzzing))]
pub use sqlite::fuzz;
pub use sqlite::{
    Checked, FORMAT, Mended, OpenError, about, backup, check, invite, is_there, is_whole, open,
    refuse_remains, users,
};
pub use threads::Store;
