//! The engine on SQLite. No other module depends on SQLite.
//!
//! The WAL (`synchronous = FULL`) is synced once per commit. A failed sync is never repeated: the
//! system may already have dropped the data that it could not write.

mod bodies;
mod check;
mod codes;
mod cursor;
mod dedup;
mod dispositions;
mod engine;
mod expiry;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod joined;
mod keyed;
mod locate;
mod meta;
mod migrate;
mod names;
mod numbers;
mod parked;
mod reader;
mod recipients;
mod record;
mod retention;
mod salvage;
mod schema;
mod segment;
mod sql;
mod transaction;
mod wal;
mod watch;
mod write_buffer;

pub use check::{Checked, Mended, backup, check, is_whole};
pub use engine::{invite, open};
pub use file::{OpenError, about, is_there, refuse_remains, users};
pub use schema::FORMAT;
