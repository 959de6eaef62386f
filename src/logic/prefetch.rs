//! How much a reader wants ahead of its acks.

use crate::wire::Start;

/// How deliveries are to come: how much may be delivered and not yet settled, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// In messages.
    pub messages: u32,
    /// In bytes.
    pub bytes: u64,
    /// Where to begin on the first link. On a later one it is where the one before left off.
    pub start: Start,
    /// Split what comes with the other readers of this id that share.
    pub share: bool,
}

impl Prefetch {
    /// So many messages and bytes of all that is unprocessed, shared with nobody.
    pub const fn of(messages: u32, bytes: u64) -> Self {
        Self { messages, bytes, start: Start::Unacked, share: false }
    }
}
