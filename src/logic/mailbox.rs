//! How far one user has come in each of the logs the user reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::Cursor;
use crate::wire::{Seq, Target};

use super::exchange::LinkId;

/// Most that is kept as processed beyond a message that is not. It is written down with every move
/// of the cursor.
const DONE_MAX: usize = 4_096;

/// A user's reading, in memory while one of the user's links reads or a cursor is being written.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) loaded: bool,
    pub(super) places: BTreeMap<Target, Place>,
    /// Rooms left while it was being loaded, which may have been read as memberships.
    pub(super) left: BTreeSet<Target>,
    pub(super) links: BTreeSet<LinkId>,
    /// Cursor moves on their way to the disk.
    pub(super) settling: usize,
}

/// A user's place in one log.
///
/// `through` is what is known to be processed without gaps; `waiting` was handed out beyond it and
/// is not processed; `done` is processed beyond it. A message is in one of the three, or was not
/// handed out yet, and then it is beyond `passed`.
#[derive(Default)]
pub(super) struct Place {
    through: Mark,
    passed: Mark,
    waiting: BTreeMap<Seq, Waiting>,
    done: BTreeSet<Seq>,
}

/// A message, or a notice of messages removed unread, which goes by the seq of the last of them.
struct Waiting {
    /// The mark just before it.
    before: Mark,
    /// How many messages it stands for.
    count: u64,
}

/// A position in a log: a seq, and the ordinal of the log's last message at or before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) seq: Seq,
    pub(super) ordinal: u64,
}

impl From<Cursor> for Place {
    fn from(cursor: Cursor) -> Self {
        let through = Mark { seq: cursor.through, ordinal: cursor.ordinal };
        let done = cursor.above.into_iter().collect();
        Self { through, passed: through, done, ..Self::default() }
    }
}

impl Place {
    /// Where a reader that has been given all up to `position` goes on reading.
    pub(super) fn after(&self, position: Seq) -> Seq {
        self.through.seq.max(position)
    }

    /// Whether the message needs no handing out any more.
    pub(super) fn is_processed(&self, seq: Seq) -> bool {
        seq <= self.through.seq || self.done.contains(&seq)
    }

    /// Whether so much is processed beyond what is not that nothing further on is handed out.
    pub(super) fn is_crowded(&self) -> bool {
        self.done.len() >= DONE_MAX
    }

    /// Whether the message is beyond all that is processed.
    pub(super) fn is_new(&self, seq: Seq) -> bool {
        self.done.last().is_none_or(|last| *last < seq)
    }

    /// A message is handed out.
    pub(super) fn offer(&mut self, at: Mark) {
        let before = Mark { seq: at.seq - 1, ordinal: at.ordinal - 1 };
        self.waiting.entry(at.seq).or_insert(Waiting { before, count: 1 });
        self.passed = self.passed.max(at);
    }

    /// A message went by that is not for this user.
    pub(super) fn pass(&mut self, at: Mark) {
        self.passed = self.passed.max(at);
    }

    /// All up to `at` is gone from the log; `held` of it is still with readers. The notices to be
    /// handed out now, each with the number of messages it stands for: of those that nobody was
    /// given, and of those that were with readers who are gone.
    pub(super) fn removed(&mut self, at: Mark, held: &BTreeSet<Seq>) -> Vec<(Seq, u64)> {
        let gone = self.waiting.range(..=at.seq).filter(|(seq, _)| !held.contains(seq));
        let mut notices: Vec<_> = gone.map(|(seq, waiting)| (*seq, waiting.count)).collect();
        if at > self.passed {
            let before = std::mem::replace(&mut self.passed, at);
            let done = self.done.range(before.seq + 1..=at.seq).count() as u64;
            let count = (at.ordinal - before.ordinal).saturating_sub(done);
            if count > 0 {
                self.waiting.insert(at.seq, Waiting { before, count });
                notices.push((at.seq, count));
            }
        }
        notices
    }

    /// Something handed out was dealt with. `false` if it had been already.
    pub(super) fn processed(&mut self, seq: Seq) -> bool {
        if self.waiting.remove(&seq).is_none() {
            return false;
        }
        self.done.insert(seq);
        let first = self.waiting.first_key_value();
        let through = first.map_or(self.passed, |(_, waiting)| waiting.before);
        if through > self.through {
            self.through = through;
            self.done = self.done.split_off(&(through.seq + 1));
        }
        true
    }

    /// What to write down.
    pub(super) fn cursor(&self) -> Cursor {
        let Mark { seq, ordinal } = self.through;
        Cursor { through: seq, ordinal, above: self.done.iter().copied().collect() }
    }
}
