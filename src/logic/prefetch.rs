//! Subscriptions: the deliveries that a reader wants, and the number that may be unacked.

use crate::wire::Start;

/// Subscription of a reader: the deliveries it wants, and how many of them may be unacked at a
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// Most unacked messages, at least 1.
    pub messages: u32,
    /// Most bytes of unacked messages. A larger message is delivered alone.
    pub bytes: u64,
    /// Start of the first link. A later link continues where the one before it ended.
    pub start: Start,
    /// Share deliveries with the other sharing readers of the same id: each message goes to one of
    /// them.
    pub share: bool,
}

impl Prefetch {
    /// Subscription to everything unacked, without sharing, with as much unacked as a server allows
    /// by default.
    pub const DEFAULT: Self =
        Self { messages: 8_192, bytes: 4 << 20, start: Start::Unacked, share: false };
}
