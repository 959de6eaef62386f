//! `qmsg spool`.

pub(crate) mod list;
pub(crate) mod run;
