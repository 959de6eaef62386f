//! `qmsg bench`.

pub(crate) mod args;
pub(crate) mod run;
