//! What a reader has been told of, so that it is told once, however often it is delivered.

use std::collections::{BTreeSet, VecDeque};

use crate::wire::Seq;

/// A delivery is `open` from the moment the user is told of it until the user has dealt with it,
/// then `done` until the server has recorded that. Both are bounded by the server: it offers the
/// oldest first, and no more than the window unsettled.
#[derive(Default)]
pub(super) struct Shown {
    open: BTreeSet<Seq>,
    done: BTreeSet<Seq>,
    /// Of both, those told as lost.
    lost: BTreeSet<Seq>,
    /// Delivered on this link and not reported on it.
    owed: BTreeSet<Seq>,
    /// Reported on this link, in order, not settled.
    reported: VecDeque<Seq>,
    /// All that was unprocessed has been delivered on this link.
    caught_up: bool,
}

impl Shown {
    /// A delivery has come. Whether the user is to be told.
    pub(super) fn delivered(&mut self, seq: Seq) -> bool {
        self.arrived(seq);
        self.begun(seq)
    }

    /// The first part of a long one has come. Whether the user is to be told.
    pub(super) fn begun(&mut self, seq: Seq) -> bool {
        !self.done.contains(&seq) && self.open.insert(seq)
    }

    /// The last part has come.
    pub(super) fn arrived(&mut self, seq: Seq) {
        self.owed.insert(seq);
    }

    /// A notice of so many lost messages has come, the last of which is at `seq`. How many the user
    /// is to be told of: that one may have been shown on an earlier link.
    pub(super) fn lost(&mut self, seq: Seq, count: u64) -> u64 {
        let told = !self.lost.insert(seq);
        let shown = !self.delivered(seq);
        if told { 0 } else { count.saturating_sub(shown.into()) }
    }

    /// The last part will not come: the user, who was told, is to be told again.
    pub(super) fn forget(&mut self, seq: Seq) {
        self.open.remove(&seq);
        self.done.remove(&seq);
    }

    /// The user has dealt with these. What to report now: all that is dealt with and was delivered
    /// on this link.
    pub(super) fn processed(&mut self, seqs: Vec<Seq>) -> Vec<Seq> {
        for seq in seqs {
            if self.open.remove(&seq) {
                self.done.insert(seq);
            }
        }
        let report: Vec<Seq> = self.owed.intersection(&self.done).copied().collect();
        for seq in &report {
            self.owed.remove(seq);
        }
        self.reported.extend(&report);
        report
    }

    /// The server has recorded the first `count` of what was reported.
    pub(super) fn settled(&mut self, count: u32) {
        for _ in 0..count {
            if let Some(seq) = self.reported.pop_front() {
                self.done.remove(&seq);
                self.lost.remove(&seq);
            }
        }
    }

    pub(super) fn caught_up(&mut self) {
        self.caught_up = true;
    }

    /// When all that is unprocessed has been delivered on this link, what is done and was not among
    /// it is recorded: on an earlier link, or by another reader. Whether anything was.
    pub(super) fn recorded(&mut self) -> bool {
        if !self.caught_up || self.done.len() == self.reported.len() {
            return false;
        }
        let before = self.done.len();
        let reported: BTreeSet<Seq> = self.reported.iter().copied().collect();
        self.done.retain(|seq| reported.contains(seq) || self.owed.contains(seq));
        self.lost.retain(|seq| self.done.contains(seq));
        self.done.len() < before
    }

    /// The link is gone.
    pub(super) fn rewind(&mut self) {
        self.owed.clear();
        self.reported.clear();
        self.caught_up = false;
    }

    /// Dealt with and not recorded.
    pub(super) fn pending(&self) -> usize {
        self.done.len()
    }
}
