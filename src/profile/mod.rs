//! What `join` leaves on a machine, and how to reach the server with it.

pub(crate) mod address;
pub(crate) mod dial;
pub(crate) mod disk;
pub(crate) mod home;
pub(crate) mod joined;
pub(crate) mod known;
