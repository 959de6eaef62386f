//! Bodies on their way from a sender: long ones, chunk by chunk, and volatile messages.

mod upload;
mod volatile;

pub(super) use upload::{Aborted, Incoming, Uploads};
pub(super) use volatile::{Takers, VolatileMessages};
