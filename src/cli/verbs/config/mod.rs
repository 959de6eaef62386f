//! `qmsg config`.

pub(crate) mod args;
pub(crate) mod run;
pub(crate) mod show;
