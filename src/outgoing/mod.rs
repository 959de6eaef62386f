//! Sending: what is to be sent, and what becomes of it.

pub(crate) mod conversation;
pub(crate) mod following;
pub(crate) mod job;
pub(crate) mod ledger;
pub(crate) mod levels;
pub(crate) mod news;
