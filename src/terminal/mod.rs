//! Output to stdout and stderr.

pub(crate) mod color;
pub(crate) mod limits;
pub(crate) mod notices;
pub(crate) mod print;
pub(crate) mod progress;
pub(crate) mod streams;
pub(crate) mod table;
pub(crate) mod verbosity;
