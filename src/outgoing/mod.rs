//! Sending messages, and reporting what becomes of them.

pub(crate) mod conversation;
pub(crate) mod excerpt;
pub(crate) mod job;
pub(crate) mod limits;
pub(crate) mod receipt;
pub(crate) mod reporter;
pub(crate) mod skew;
pub(crate) mod tracker;
pub(crate) mod until;
