//! Profiles of this machine's ids, and the settings for reaching their servers.

pub(crate) mod address;
pub(crate) mod dial;
pub(crate) mod disk;
pub(crate) mod home;
pub(crate) mod joined;
pub(crate) mod known;
mod limits;
pub(crate) mod refusals;
