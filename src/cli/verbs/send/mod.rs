//! `qmsg send`.

pub(crate) mod args;
pub(crate) mod dry;
pub(crate) mod run;
pub(crate) mod slips;
pub(crate) mod wrap;
