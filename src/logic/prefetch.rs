//! Subscriptions: which deliveries a reader wants, and how far ahead of its acks.

use crate::wire::Start;

/// A reader's subscription: which deliveries, and how many of them unacked at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// Most unacked messages, at least 1.
    pub messages: u32,
    /// Most bytes of unacked messages. A larger message is delivered alone.
    pub bytes: u64,
    /// Where the first link begins. A later link continues where the one before it ended.
    pub start: Start,
    /// Share deliveries with the other sharing readers of the same id: each message goes to one of
    /// them.
    pub share: bool,
}

impl Prefetch {
    /// Everything that is not acked, shared with nobody, with as much unacked as a server allows
    /// by default.
    pub const DEFAULT: Self =
        Self { messages: 8_192, bytes: 4 << 20, start: Start::Unacked, share: false };
}
