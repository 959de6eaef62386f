//! Acked messages of one log as ranges. A log is mostly read in order, so a few ranges hold many
//! messages, whatever seqs of other logs lie between them.

use std::collections::BTreeMap;

use crate::durable::AckedRange;
use crate::wire::{Seq, Span};

use super::position::Position;
use super::set::{missing, within};

/// A set of acked messages of one log. Memory grows with the gaps in it, not with the members.
/// Callers ask only for seqs that belong to messages of the log.
#[derive(Debug, Default)]
pub(crate) struct AckedRanges(BTreeMap<Seq, AckedRange>);

impl AckedRanges {
    /// The number of ranges.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        self.0.range(..=seq).next_back().is_some_and(|(_, range)| seq <= range.span.last)
    }

    /// The highest member.
    pub(crate) fn last(&self) -> Option<Seq> {
        self.0.last_key_value().map(|(_, range)| range.span.last)
    }

    /// Ranges in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AckedRange> {
        self.0.values().copied()
    }

    /// The parts of `span` that are in this set, in ascending order.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.0, span, |range| range.span.last)
    }

    /// The parts of `span` that are not in this set, in ascending order.
    pub(crate) fn missing(&self, span: Span) -> Vec<Span> {
        missing(span, self.within(span))
    }

    /// The number of members after `from`, up to and including `to`.
    pub(crate) fn count(&self, from: Position, to: Position) -> u64 {
        let before = self.0.range(..=from.seq()).next_back();
        let after = self.0.range(from.seq() + 1..=to.seq());
        let all = before.into_iter().chain(after).map(|(_, range)| range);
        let within = all.map(|range| {
            let end = end(range).min(to.ordinal() + 1);
            end.saturating_sub(range.ordinal.max(from.ordinal() + 1))
        });
        within.sum()
    }

    /// Adds a range and merges it with every range that it touches or overlaps, and with the next
    /// one on either side if `is_empty` says that no message of the log lies between the two seqs.
    pub(crate) fn insert(&mut self, new: AckedRange, is_empty: impl Fn(Seq, Seq) -> bool) {
        let mut new = new;
        if let Some((&first, before)) = self.0.range(..=new.span.first).next_back()
            && (end(before) >= new.ordinal || is_empty(before.span.last, new.span.first))
        {
            new = union(*before, new);
            self.0.remove(&first);
        }
        while let Some((&first, next)) = self.0.range(new.span.first..).next()
            && (end(&new) >= next.ordinal || is_empty(new.span.last, next.span.first))
        {
            new = union(new, *next);
            self.0.remove(&first);
        }
        self.0.insert(new.span.first, new);
    }

    /// Removes everything up to and including this position.
    pub(crate) fn trim(&mut self, through: Position) {
        while let Some(first) = self.0.first_entry()
            && *first.key() <= through.seq()
        {
            let mut range = first.remove();
            if end(&range) <= through.ordinal() + 1 || range.span.last <= through.seq() {
                continue;
            }
            range.count = end(&range) - (through.ordinal() + 1);
            range.ordinal = through.ordinal() + 1;
            range.span.first = through.seq() + 1;
            self.0.insert(range.span.first, range);
        }
    }
}

/// The ordinal after the last one.
fn end(range: &AckedRange) -> u64 {
    range.ordinal.saturating_add(range.count)
}

/// The smallest range that covers both; `one` begins first.
fn union(one: AckedRange, other: AckedRange) -> AckedRange {
    let last = one.span.last.max(other.span.last);
    let span = Span { first: one.span.first.min(other.span.first), last };
    let ordinal = one.ordinal.min(other.ordinal);
    AckedRange { span, ordinal, count: end(&one).max(end(&other)) - ordinal }
}
