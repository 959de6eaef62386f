//! Parsing of command lines.

pub(crate) mod before;
pub(crate) mod line;
pub(crate) mod quick;
pub(crate) mod words;
