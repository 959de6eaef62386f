//! Tracking: how far messages have come with their recipients, for the senders who ask.

mod confirmations;
mod expirations;
mod tracker;

pub(super) use tracker::Tracking;
