//! How far one user has come in one log.

use std::collections::BTreeMap;

use crate::durable::{AckedRange, StoredCursor};
use crate::wire::{Seq, Span};

use super::spans::{SeqSet, missing, within};
use super::stretches::AckedRanges;

/// Most stretches that are kept as processed beyond a message that is not. They are written down
/// with every move of the cursor.
const DONE_MAX: usize = 4_096;

/// So much may always wait before it is looked whether it is still there.
const ENTRIES_MIN: usize = 16_384;

/// A user's place in one log.
///
/// `through` is what is known to be processed without gaps; `waiting` was handed out beyond it and
/// is not processed; `done` is processed beyond it. A message is in one of the three, or was not
/// handed out yet, and then it is beyond `passed`; or it is not for this user, and then stretches
/// of what is processed go on over it.
#[derive(Default)]
pub(super) struct StoredCursor {
    through: Position,
    passed: Position,
    /// By the seq of the first.
    waiting: BTreeMap<Seq, Waiting>,
    done: AckedRanges,
    /// What waits and was put aside by readers: no notice of it need go by its own seq.
    aside: SeqSet,
    /// How many entries may wait before it is looked what of them is gone from the log.
    entries_max: usize,
}

/// Messages that follow one another, or a notice of messages removed unread, which goes by the seq
/// of the last of them.
struct Waiting {
    /// The mark just before it.
    before: Position,
    last: Position,
    /// How many messages it stands for.
    count: u64,
}

/// A position in a log: a seq, and the ordinal of the log's last message at or before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) seq: Seq,
    pub(super) ordinal: u64,
}

impl Position {
    /// The mark of a message so far behind this one, if the seqs between them are of this log.
    pub(super) fn plus(self, count: u64) -> Self {
        Self { seq: self.seq + count, ordinal: self.ordinal + count }
    }

    /// The mark just before that of a message.
    fn before(self) -> Self {
        Self { seq: self.seq - 1, ordinal: self.ordinal - 1 }
    }
}

impl From<StoredCursor> for StoredCursor {
    fn from(cursor: StoredCursor) -> Self {
        let through = Position { seq: cursor.through, ordinal: cursor.ordinal };
        let mut done = AckedRanges::default();
        cursor.above.into_iter().for_each(|stretch| done.insert(stretch, |_, _| false));
        Self { through, passed: through, done, ..Self::default() }
    }
}

impl StoredCursor {
    /// Where a reader that has been given all up to `position` goes on reading.
    pub(super) fn after(&self, position: Seq) -> Seq {
        self.through.seq.max(position)
    }

    /// Whether something behind this seq was met.
    pub(super) fn is_beyond(&self, seq: Seq) -> bool {
        self.passed.seq > seq
    }

    /// Whether the message needs no handing out any more.
    pub(super) fn is_processed(&self, seq: Seq) -> bool {
        seq <= self.through.seq || self.done.contains(seq)
    }

    /// Whether all of a span needs handing out yet.
    pub(super) fn is_untouched(&self, span: Span) -> bool {
        span.first > self.through.seq && self.done.within(span).next().is_none()
    }

    /// What of a span needs handing out yet.
    pub(super) fn unprocessed(&self, span: Span) -> Vec<Span> {
        let first = span.first.max(self.through.seq + 1);
        if first > span.last {
            return Vec::new();
        }
        self.done.missing(Span { first, last: span.last })
    }

    /// Whether so much is processed beyond what is not that nothing further on is handed out.
    pub(super) fn is_crowded(&self) -> bool {
        self.done.len() >= DONE_MAX
    }

    /// Whether the message is beyond all that is processed.
    pub(super) fn is_new(&self, seq: Seq) -> bool {
        self.done.last().is_none_or(|last| last < seq)
    }

    /// So many messages are handed out, that at `at` and those behind it.
    pub(super) fn offer(&mut self, at: Position, count: u64) {
        for Span { first, last } in self.unknown(Span::of(at.seq, count)) {
            let before = at.plus(first - at.seq).before();
            let count = last - first + 1;
            self.waiting.insert(first, Waiting { before, last: before.plus(count), count });
        }
        self.pass(at, count);
    }

    /// So many messages went by that are not for this user.
    pub(super) fn pass(&mut self, at: Position, count: u64) {
        self.passed = self.passed.max(at.plus(count - 1));
    }

    /// What of a span waits.
    pub(super) fn waiting(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.waiting, span, |waiting| waiting.last.seq)
    }

    /// A reader does not want this, and the next one may. Whether so much waits by now that it is
    /// to be read again from `through` on: some of it may be gone from the log.
    pub(super) fn skip(&mut self, span: Span) -> bool {
        let known: Vec<Span> = self.waiting(span).collect();
        known.into_iter().for_each(|span| self.aside.insert(span));
        let entries = self.waiting.len();
        let many = entries > self.entries_max.max(ENTRIES_MIN);
        if many {
            self.entries_max = 2 * entries;
        }
        many
    }

    /// A reader who is gone may have shown this.
    pub(super) fn shown(&mut self, span: Span) {
        self.aside.remove(span);
    }

    /// What of a span is not waiting yet.
    fn unknown(&self, span: Span) -> Vec<Span> {
        missing(span, self.waiting(span))
    }

    /// All up to `at` is gone from the log; `held` of it is still with readers. The notices to be
    /// handed out now, each with the number of messages it stands for: of those that nobody was
    /// given, and of those that were with readers who are gone.
    pub(super) fn removed(&mut self, at: Position, held: &SeqSet) -> Vec<(Seq, u64)> {
        self.cut(at.seq + 1);
        self.join_aside(at, held);
        let mut notices = Vec::new();
        let known = self.waiting.range(..=at.seq);
        let known: Vec<Span> =
            known.map(|(&first, waiting)| Span { first, last: waiting.last.seq }).collect();
        for Span { first, last } in known.into_iter().flat_map(|span| held.missing(span)) {
            // Each as it was handed out: it may have been shown.
            for seq in first..=last {
                self.cut(seq);
                self.cut(seq + 1);
                notices.extend(self.waiting.get(&seq).map(|waiting| (seq, waiting.count)));
            }
        }
        if at > self.passed {
            let before = std::mem::replace(&mut self.passed, at);
            let gone = at.ordinal.saturating_sub(before.ordinal);
            let count = gone.saturating_sub(self.done.count(before, at));
            if count > 0 {
                self.waiting.insert(at.seq, Waiting { before, last: at, count });
                notices.push((at.seq, count));
            }
        }
        self.entries_max = 2 * self.waiting.len();
        notices
    }

    /// Of what is gone and was put aside, one entry is left for all that nobody holds anything
    /// between.
    fn join_aside(&mut self, at: Position, held: &SeqSet) {
        let gone = Span { first: 0, last: at.seq };
        let aside: Vec<Span> = self.aside.within(gone).collect();
        let mut runs: Vec<Waiting> = Vec::new();
        for Span { first, last } in aside.into_iter().flat_map(|span| held.missing(span)) {
            self.cut(first);
            self.cut(last + 1);
            while let Some((&first, _)) = self.waiting.range(first..=last).next() {
                let Some(next) = self.waiting.remove(&first) else { continue };
                match runs.last_mut() {
                    Some(run) if self.waiting.range(run.last.seq + 1..first).next().is_none() => {
                        (run.last, run.count) = (next.last, run.count + next.count);
                    }
                    _ => runs.push(next),
                }
            }
        }
        self.waiting.extend(runs.into_iter().map(|run| (run.last.seq, run)));
        self.aside.remove(gone);
    }

    /// Things handed out were dealt with. Which of them had not been before.
    pub(super) fn processed(&mut self, span: Span) -> Vec<Span> {
        self.cut(span.first);
        self.cut(span.last + 1);
        let mut known = Vec::new();
        while let Some((&first, _)) = self.waiting.range(span.first..=span.last).next() {
            known.extend(self.waiting.remove_entry(&first));
        }
        let first = self.waiting.first_key_value();
        let through = first.map_or(self.passed, |(_, waiting)| waiting.before);
        if through > self.through {
            self.through = through;
            self.done.trim(through);
        }
        if !self.aside.is_empty() {
            self.aside.remove(span);
        }
        for (_, Waiting { before, last, .. }) in &known {
            self.fill(*before, *last);
        }
        let span = |(first, waiting): (Seq, Waiting)| Span { first, last: waiting.last.seq };
        known.into_iter().map(span).collect()
    }

    /// What is behind `from`, not behind `to`, and not waiting, is done.
    fn fill(&mut self, from: Position, to: Position) {
        let mut from = from.max(self.through);
        if from.seq >= to.seq {
            return;
        }
        let within = self.waiting.range(from.seq + 1..to.seq);
        let within = within.map(|(_, waiting)| (waiting.before, waiting.last));
        for (before, last) in within.chain([(to, to)]) {
            if let Some(count) = before.ordinal.checked_sub(from.ordinal).filter(|n| *n > 0) {
                let span = Span { first: from.seq + 1, last: before.seq };
                let stretch = AckedRange { span, ordinal: from.ordinal + 1, count };
                let (waiting, passed) = (&self.waiting, self.passed.seq);
                self.done.insert(stretch, |behind, until| {
                    let next = waiting.range(behind + 1..).next();
                    let waits = next.is_some_and(|(_, next)| next.before.seq + 1 < until);
                    until <= passed && !waits
                });
            }
            from = from.max(last);
        }
    }

    /// Makes what waits begin anew at this seq, if it is in the midst of it.
    fn cut(&mut self, seq: Seq) {
        let Some((&first, waiting)) = self.waiting.range_mut(..seq).next_back() else { return };
        let Waiting { before, last, count } = *waiting;
        if last.seq < seq {
            return;
        }
        let kept = seq - first;
        let middle = before.plus(seq - 1 - before.seq);
        *waiting = Waiting { before, last: middle, count: kept };
        self.waiting.insert(seq, Waiting { before: middle, last, count: count - kept });
    }

    /// What to write down.
    pub(super) fn cursor(&self) -> StoredCursor {
        let Position { seq, ordinal } = self.through;
        StoredCursor { through: seq, ordinal, above: self.done.iter().collect() }
    }
}

#[cfg(test)]
mod tests;
