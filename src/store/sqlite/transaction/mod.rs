//! One transaction: writes carried out in their order, each seeing those before it.
//!
//! `state` is what a transaction gathers, `writes` what each write does; the other files are about
//! one kind of write each.

mod expire;
mod judge;
mod members;
mod parked;
mod refuse;
mod state;
mod sweep;
mod writes;

pub(super) use state::Transaction;
