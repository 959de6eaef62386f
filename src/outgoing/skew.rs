//! A clock that is wrong, here or there: the server goes by its own, so messages are dated by that.

use std::collections::BTreeSet;

use crate::wire::MsgId;

/// Difference between the server's clock and this machine's.
#[derive(Debug, Default)]
pub(crate) struct Skew {
    /// Milliseconds that it is ahead; below 0 if it is behind.
    pub(crate) ahead_ms: i64,
    /// There has been a link.
    pub(crate) is_linked: bool,
    /// Sent before that was known, and not answered: others wait, so that the order stays.
    early: BTreeSet<MsgId>,
}

impl Skew {
    /// The server's clock is known; these messages were sent before.
    pub(crate) fn set(&mut self, ahead_ms: i64, unanswered: impl Iterator<Item = MsgId>) {
        self.early = unanswered.collect();
        (self.ahead_ms, self.is_linked) = (ahead_ms, true);
    }

    /// The link is gone: whether there was one.
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

    pub(crate) fn holds_back(&self) -> bool {
        !self.early.is_empty()
    }
}
