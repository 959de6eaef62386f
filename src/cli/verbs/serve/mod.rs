//! `qmsg serve`.

pub(crate) mod data;
pub(crate) mod run;
pub(crate) mod upkeep;
