//! `qmsg sendmail`.

pub(crate) mod args;
pub(crate) mod called;
pub(crate) mod mail;
pub(crate) mod options;
pub(crate) mod run;
