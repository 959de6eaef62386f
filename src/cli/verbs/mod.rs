//! The verbs, one file or folder each.

pub(crate) mod ask;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod later;
pub(crate) mod listen;
pub(crate) mod send;
pub(crate) mod sendmail;
pub(crate) mod serve;
pub(crate) mod spool;
