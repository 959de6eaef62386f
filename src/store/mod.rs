//! The durable log: users, rooms, messages, and how far each user has read.
//!
//! A message is stored in a segment, one row of the table `run`: see `sqlite/segment.rs`. Writes
//! are carried out in `sqlite/transaction/writes.rs`, reads in `sqlite/reader.rs`.
//!
//! `threads` and `committer` work with any engine: one thread makes each batch one transaction,
//! another answers reads. `deferred` keeps writes that found no room on a full disk. `sqlite` is
//! the engine. An answered write is on disk. After an error the store reports that error and
//! answers nothing more.

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
