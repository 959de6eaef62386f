//! Tracking: reports to senders who ask how far their messages have come with each recipient.

mod confirmations;
mod expirations;
mod tracker;

pub(super) use tracker::Tracking;
