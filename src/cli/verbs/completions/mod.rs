//! `qmsg completions`.

pub(crate) mod args;
pub(crate) mod script;
