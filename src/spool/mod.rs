//! Messages kept on this machine until a server can be reached.

pub(crate) mod bounds;
pub(crate) mod carry;
pub(crate) mod deliver;
pub(crate) mod disk;
pub(crate) mod file;
pub(crate) mod flush;
pub(crate) mod limits;
pub(crate) mod place;
pub(crate) mod places;
