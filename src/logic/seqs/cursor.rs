//! The cursor of one user in one log.

use std::collections::BTreeMap;

use crate::durable::{AckedRange, StoredCursor};
use crate::wire::{Seq, Span};

use super::position::Position;
use super::ranges::AckedRanges;
use super::set::{SeqSet, missing, within};
use crate::logic::limits::{ACKED_RANGES_MAX, OUTSTANDING_RECHECK_MIN};

/// The cursor of one user in one log.
///
/// Every message up to `acked_through` is acked. A message beyond it is in `outstanding`
/// (delivered, not acked), in `acked_above` (acked out of order), or not delivered yet: then it is
/// beyond `read_through`. Messages that are not for this user need no ack: ranges of acked messages
/// extend over them.
#[derive(Default)]
pub(crate) struct Cursor {
    acked_through: Position,
    read_through: Position,
    /// Outstanding entries by their first seq.
    outstanding: BTreeMap<Seq, Outstanding>,
    acked_above: AckedRanges,
    /// Outstanding messages that a reader released. If the log loses them, one gap notice may stand
    /// for several, because no reader knows them by their own seqs.
    released: SeqSet,
    /// Number of outstanding entries above which the log is read again, to find those that it has
    /// lost.
    entries_max: usize,
}

/// Consecutive messages, or a gap notice with the seq of the last message that it stands for.
struct Outstanding {
    /// The position just before the first message.
    before: Position,
    last: Position,
    /// The number of messages.
    count: u64,
}

impl From<StoredCursor> for Cursor {
    fn from(stored: StoredCursor) -> Self {
        let through = Position::new(stored.through, stored.ordinal);
        let mut acked_above = AckedRanges::default();
        stored.above.into_iter().for_each(|range| acked_above.insert(range, |_, _| false));
        Self { acked_through: through, read_through: through, acked_above, ..Self::default() }
    }
}

impl Cursor {
    /// The seq after which a reader that has everything up to `position` reads on.
    pub(crate) fn resume_after(&self, position: Seq) -> Seq {
        self.acked_through.seq().max(position)
    }

    /// True when reading has gone beyond this seq.
    pub(crate) fn has_read_beyond(&self, seq: Seq) -> bool {
        self.read_through.seq() > seq
    }

    pub(crate) fn is_acked(&self, seq: Seq) -> bool {
        seq <= self.acked_through.seq() || self.acked_above.contains(seq)
    }

    /// True when no message of the span is acked.
    pub(crate) fn is_wholly_unacked(&self, span: Span) -> bool {
        span.first > self.acked_through.seq() && self.acked_above.within(span).next().is_none()
    }

    /// The parts of a span that are not acked.
    pub(crate) fn unacked(&self, span: Span) -> Vec<Span> {
        let first = span.first.max(self.acked_through.seq() + 1);
        if first > span.last {
            return Vec::new();
        }
        self.acked_above.missing(Span { first, last: span.last })
    }

    /// True when [`ACKED_RANGES_MAX`] out-of-order ranges are held. Delivery past them waits for
    /// the gaps between them to be acked.
    pub(crate) fn is_crowded(&self) -> bool {
        self.acked_above.len() >= ACKED_RANGES_MAX
    }

    /// True when the message is beyond everything that was acked out of order.
    pub(crate) fn is_past_acked(&self, seq: Seq) -> bool {
        self.acked_above.last().is_none_or(|last| last < seq)
    }

    /// Records that `count` consecutive messages, the first of them at `at`, are delivered.
    pub(crate) fn deliver(&mut self, at: Position, count: u64) {
        for Span { first, last } in self.not_outstanding(Span::starting_at(at.seq(), count)) {
            let before = at.plus(first - at.seq()).before();
            let count = last - first + 1;
            let messages = Outstanding { before, last: before.plus(count), count };
            self.outstanding.insert(first, messages);
        }
        self.read_past(at, count);
    }

    /// Records that reading has gone past `count` consecutive messages, the first of them at `at`.
    pub(crate) fn read_past(&mut self, at: Position, count: u64) {
        self.read_through = self.read_through.max(at.plus(count - 1));
    }

    /// The parts of a span that are delivered and not acked.
    pub(crate) fn outstanding(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.outstanding, span, |messages| messages.last.seq())
    }

    /// Records that a reader released this span, which another reader may take. Returns true when
    /// so many entries are outstanding that the log must be read again from `acked_through` on,
    /// because it may have lost some of them.
    pub(crate) fn release(&mut self, span: Span) -> bool {
        let known: Vec<Span> = self.outstanding(span).collect();
        known.into_iter().for_each(|span| self.released.insert(span));
        let entries = self.outstanding.len();
        let are_many = entries > self.entries_max.max(OUTSTANDING_RECHECK_MIN);
        if are_many {
            self.entries_max = 2 * entries;
        }
        are_many
    }

    /// Records that a reader that is gone may have shown this span, released or not, to its user:
    /// if the log loses it, each message needs a gap notice of its own.
    pub(crate) fn mark_shown(&mut self, span: Span) {
        self.released.remove(span);
    }

    /// The parts of a span that are not outstanding.
    fn not_outstanding(&self, span: Span) -> Vec<Span> {
        missing(span, self.outstanding(span))
    }

    /// Records that the log has lost everything up to `at`, while readers still hold `held` of it.
    /// Returns the gap notices to deliver now, each with the number of messages it stands for:
    /// messages that no reader received, and messages whose readers are gone.
    pub(crate) fn remove_through(&mut self, at: Position, held: &SeqSet) -> Vec<(Seq, u64)> {
        self.split_at(at.seq() + 1);
        self.merge_released(at, held);
        let mut notices = Vec::new();
        let known = self.outstanding.range(..=at.seq());
        let known: Vec<Span> =
            known.map(|(&first, messages)| Span { first, last: messages.last.seq() }).collect();
        for Span { first, last } in known.into_iter().flat_map(|span| held.missing(span)) {
            // One notice for each seq, because a user may have been shown the message.
            for seq in first..=last {
                self.split_at(seq);
                self.split_at(seq + 1);
                notices.extend(self.outstanding.get(&seq).map(|gap| (seq, gap.count)));
            }
        }
        if at > self.read_through {
            let before = std::mem::replace(&mut self.read_through, at);
            let gone = at.ordinal().saturating_sub(before.ordinal());
            let count = gone.saturating_sub(self.acked_above.count(before, at));
            if count > 0 {
                self.outstanding.insert(at.seq(), Outstanding { before, last: at, count });
                notices.push((at.seq(), count));
            }
        }
        self.entries_max = 2 * self.outstanding.len();
        notices
    }

    /// Merges released entries up to `at`, which the log has lost, as far as no other entry lies
    /// between them.
    fn merge_released(&mut self, at: Position, held: &SeqSet) {
        let gone = Span { first: 0, last: at.seq() };
        let released: Vec<Span> = self.released.within(gone).collect();
        let mut runs: Vec<Outstanding> = Vec::new();
        for Span { first, last } in released.into_iter().flat_map(|span| held.missing(span)) {
            self.split_at(first);
            self.split_at(last + 1);
            while let Some((&first, _)) = self.outstanding.range(first..=last).next() {
                let Some(next) = self.outstanding.remove(&first) else { continue };
                match runs.last_mut() {
                    Some(run)
                        if self.outstanding.range(run.last.seq() + 1..first).next().is_none() =>
                    {
                        (run.last, run.count) = (next.last, run.count + next.count);
                    }
                    _ => runs.push(next),
                }
            }
        }
        self.outstanding.extend(runs.into_iter().map(|run| (run.last.seq(), run)));
        self.released.remove(gone);
    }

    /// Acks the outstanding parts of a span. Returns them.
    pub(crate) fn ack(&mut self, span: Span) -> Vec<Span> {
        self.split_at(span.first);
        self.split_at(span.last + 1);
        let mut known = Vec::new();
        while let Some((&first, _)) = self.outstanding.range(span.first..=span.last).next() {
            known.extend(self.outstanding.remove_entry(&first));
        }
        let first = self.outstanding.first_key_value();
        let through = first.map_or(self.read_through, |(_, messages)| messages.before);
        if through > self.acked_through {
            self.acked_through = through;
            self.acked_above.trim(through);
        }
        if !self.released.is_empty() {
            self.released.remove(span);
        }
        for (_, Outstanding { before, last, .. }) in &known {
            self.mark_acked(*before, *last);
        }
        let span =
            |(first, messages): (Seq, Outstanding)| Span { first, last: messages.last.seq() };
        known.into_iter().map(span).collect()
    }

    /// Adds everything after `from`, up to and including `to`, that is not outstanding to the acked
    /// ranges.
    fn mark_acked(&mut self, from: Position, to: Position) {
        let mut from = from.max(self.acked_through);
        if from.seq() >= to.seq() {
            return;
        }
        let within = self.outstanding.range(from.seq() + 1..to.seq());
        let within = within.map(|(_, messages)| (messages.before, messages.last));
        for (before, last) in within.chain([(to, to)]) {
            let count = before.ordinal().checked_sub(from.ordinal());
            if let Some(count) = count.filter(|count| *count > 0) {
                let span = Span { first: from.seq() + 1, last: before.seq() };
                let range = AckedRange { span, ordinal: from.ordinal() + 1, count };
                let (outstanding, read_through) = (&self.outstanding, self.read_through.seq());
                self.acked_above.insert(range, |after, until| {
                    let next = outstanding.range(after + 1..).next();
                    let lies_between = next.is_some_and(|(_, n)| n.before.seq() + 1 < until);
                    until <= read_through && !lies_between
                });
            }
            from = from.max(last);
        }
    }

    /// Splits the outstanding entry that contains this seq, so that the second part begins with it.
    fn split_at(&mut self, seq: Seq) {
        let Some((&first, messages)) = self.outstanding.range_mut(..seq).next_back() else {
            return;
        };
        let Outstanding { before, last, count } = *messages;
        if last.seq() < seq {
            return;
        }
        let kept = seq - first;
        let middle = before.plus(seq - 1 - before.seq());
        *messages = Outstanding { before, last: middle, count: kept };
        let rest = Outstanding { before: middle, last, count: count - kept };
        self.outstanding.insert(seq, rest);
    }

    /// The cursor as the store keeps it.
    pub(crate) fn to_stored(&self) -> StoredCursor {
        let (through, ordinal) = (self.acked_through.seq(), self.acked_through.ordinal());
        StoredCursor { through, ordinal, above: self.acked_above.iter().collect() }
    }
}

#[cfg(test)]
mod tests;
