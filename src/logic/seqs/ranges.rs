//! Sets of messages of one log, kept as stretches: what is read of a log is mostly read together,
//! whatever of other logs came in between.

use std::collections::BTreeMap;

use crate::durable::AckedRange;
use crate::wire::{Seq, Span};

use super::cursor::Position;
use super::set::{missing, within};

/// A set of messages. Costs what it has of gaps, not of members. The seqs that are asked for are
/// those of messages of the log.
#[derive(Debug, Default)]
pub(crate) struct AckedRanges(BTreeMap<Seq, AckedRange>);

impl AckedRanges {
    /// How many stretches there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        self.0.range(..=seq).next_back().is_some_and(|(_, stretch)| seq <= stretch.span.last)
    }

    /// The highest member.
    pub(crate) fn last(&self) -> Option<Seq> {
        self.0.last_key_value().map(|(_, stretch)| stretch.span.last)
    }

    /// Stretches in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AckedRange> {
        self.0.values().copied()
    }

    /// What both `span` and this set have, in ascending order.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.0, span, |stretch| stretch.span.last)
    }

    /// What `span` has and this set has not, in ascending order.
    pub(crate) fn missing(&self, span: Span) -> Vec<Span> {
        missing(span, self.within(span))
    }

    /// How many members are behind `from` and not behind `to`.
    pub(crate) fn count(&self, from: Position, to: Position) -> u64 {
        let before = self.0.range(..=from.seq).next_back();
        let behind = self.0.range(from.seq + 1..=to.seq);
        let all = before.into_iter().chain(behind).map(|(_, stretch)| stretch);
        let within = all.map(|stretch| {
            let end = end(stretch).min(to.ordinal + 1);
            end.saturating_sub(stretch.ordinal.max(from.ordinal + 1))
        });
        within.sum()
    }

    /// Adds a stretch, which becomes one with those that it touches or has members of, and with
    /// those next to it if there is nothing else behind the one seq and before the other.
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

    /// Takes out all that is not behind this mark.
    pub(crate) fn trim(&mut self, through: Position) {
        while let Some(first) = self.0.first_entry()
            && *first.key() <= through.seq
        {
            let mut stretch = first.remove();
            if end(&stretch) <= through.ordinal + 1 || stretch.span.last <= through.seq {
                continue;
            }
            stretch.count = end(&stretch) - (through.ordinal + 1);
            stretch.ordinal = through.ordinal + 1;
            stretch.span.first = through.seq + 1;
            self.0.insert(stretch.span.first, stretch);
        }
    }
}

/// The ordinal behind the last one.
fn end(stretch: &AckedRange) -> u64 {
    stretch.ordinal.saturating_add(stretch.count)
}

/// Both, and what is between them; `one` begins first.
fn union(one: AckedRange, other: AckedRange) -> AckedRange {
    let last = one.span.last.max(other.span.last);
    let span = Span { first: one.span.first.min(other.span.first), last };
    let ordinal = one.ordinal.min(other.ordinal);
    AckedRange { span, ordinal, count: end(&one).max(end(&other)) - ordinal }
}
