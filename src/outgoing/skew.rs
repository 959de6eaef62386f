//! The difference between the clocks of this machine and the server. The server judges the dates of
//! messages by its own clock.

use std::collections::BTreeSet;

use crate::wire::MsgId;

/// Difference between the server's clock and this machine's.
#[derive(Debug, Default)]
pub(crate) struct Skew {
    /// Milliseconds that the server's clock is ahead; below 0 if it is behind.
    ahead_ms: i64,
    /// True once there has been a link.
    is_linked: bool,
    /// Messages sent before the difference was known, and not answered. Others wait for them, so
    /// that the order stays.
    early: BTreeSet<MsgId>,
}

impl Skew {
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.ahead_ms
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// Notes that there is a link.
    pub(crate) fn link(&mut self) {
        self.is_linked = true;
    }

    /// Notes the difference, and the messages that were sent before it was known.
    pub(crate) fn set(&mut self, ahead_ms: i64, unanswered: impl Iterator<Item = MsgId>) {
        self.early = unanswered.collect();
        (self.ahead_ms, self.is_linked) = (ahead_ms, true);
    }

    /// Notes the end of the link. Returns false if there has never been one.
    pub(crate) fn unlink(&mut self) -> bool {
        if self.is_linked {
            self.early.clear();
        }
        self.is_linked
    }

    /// True if a message was sent before the server's clock was known, and is not answered.
    pub(crate) fn is_early(&self, id: MsgId) -> bool {
        self.early.contains(&id)
    }

    pub(crate) fn answered(&mut self, id: MsgId) {
        self.early.remove(&id);
    }

    /// True if other messages have to wait.
    pub(crate) fn holds_back(&self) -> bool {
        !self.early.is_empty()
    }
}
