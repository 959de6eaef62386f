//! `qmsg listen`.

pub(crate) mod args;
pub(crate) mod dead;
pub(crate) mod filter;
pub(crate) mod printer;
pub(crate) mod run;
