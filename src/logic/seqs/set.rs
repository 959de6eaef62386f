//! Sets of seqs, kept as spans: messages that are delivered together are mostly acked together.

use std::collections::BTreeMap;

use crate::wire::{Seq, Span};

/// A set of seqs. Memory grows with the gaps in it, not with the members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeqSet {
    /// The last member of each span, keyed by the first. Spans are disjoint and never adjacent.
    spans: BTreeMap<Seq, Seq>,
    count: u64,
}

impl SeqSet {
    /// The number of members.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The number of spans.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        self.spans.range(..=seq).next_back().is_some_and(|(_, last)| seq <= *last)
    }

    /// Spans in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Span> {
        self.spans.iter().map(|(&first, &last)| Span { first, last })
    }

    /// The parts of `span` that are in this set, in ascending order.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.spans, span, |last| *last)
    }

    /// The parts of `span` that are not in this set, in ascending order.
    pub(crate) fn missing(&self, span: Span) -> Vec<Span> {
        missing(span, self.within(span))
    }

    /// Adds all of a span.
    pub(crate) fn insert(&mut self, span: Span) {
        let Span { mut first, mut last } = span;
        self.remove(span);
        self.count += span.count();
        if let Some((&before, &end)) = self.spans.range(..first).next_back()
            && end + 1 == first
        {
            self.spans.remove(&before);
            first = before;
        }
        if let Some(end) = last.checked_add(1).and_then(|next| self.spans.remove(&next)) {
            last = end;
        }
        self.spans.insert(first, last);
    }

    /// Removes all of a span, as far as it is in the set.
    pub(crate) fn remove(&mut self, span: Span) {
        let known: Vec<Span> = self.within(span).collect();
        for Span { first, last } in known {
            let Some((&begin, &end)) = self.spans.range(..=first).next_back() else { continue };
            self.spans.remove(&begin);
            if begin < first {
                self.spans.insert(begin, first - 1);
            }
            if last < end {
                self.spans.insert(last + 1, end);
            }
            self.count -= last - first + 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl FromIterator<Seq> for SeqSet {
    fn from_iter<I: IntoIterator<Item = Seq>>(seqs: I) -> Self {
        let mut spans = Self::default();
        for span in to_spans(seqs) {
            spans.insert(span);
        }
        spans
    }
}

/// The parts of `span` that a map covers, in ascending order. The map's keys are the first seqs of
/// disjoint spans; `last` returns the last seq of each.
pub(crate) fn within<V>(
    map: &BTreeMap<Seq, V>,
    span: Span,
    last: impl Fn(&V) -> Seq,
) -> impl Iterator<Item = Span> {
    let before = map.range(..span.first).next_back();
    let inside = map.range(span.first..=span.last);
    let known = before.into_iter().chain(inside);
    let known = known.map(move |(&first, value)| Span { first, last: last(value) });
    known.filter(move |known| known.last >= span.first).map(move |known| Span {
        first: known.first.max(span.first),
        last: known.last.min(span.last),
    })
}

/// The parts of `span` that are not in `known`, whose spans lie within it and ascend without
/// overlap.
pub(crate) fn missing(span: Span, known: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut gaps = Vec::new();
    let mut next = span.first;
    for known in known {
        if next < known.first {
            gaps.push(Span { first: next, last: known.first - 1 });
        }
        next = known.last + 1;
    }
    if next <= span.last {
        gaps.push(Span { first: next, last: span.last });
    }
    gaps
}

/// Seqs as spans. A seq that follows the one before it extends that span.
pub(crate) fn to_spans(seqs: impl IntoIterator<Item = Seq>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for seq in seqs {
        match spans.last_mut() {
            Some(span) if span.last.checked_add(1) == Some(seq) => span.last = seq,
            _ => spans.push(Span::one(seq)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Strategy, any, proptest};

    use super::{SeqSet, to_spans};
    use crate::wire::Span;

    fn any_span() -> impl Strategy<Value = Span> {
        (1_u64..60, 0_u64..12).prop_map(|(first, more)| Span { first, last: first + more })
    }

    proptest! {
        #[test]
        fn a_seq_set_behaves_like_a_set_of_numbers(
            steps in proptest::collection::vec((any::<bool>(), any_span()), 0..40),
            asked in any_span(),
        ) {
            let (mut spans, mut set) = (SeqSet::default(), BTreeSet::new());
            for (adds, span) in steps {
                if adds {
                    spans.insert(span);
                    set.extend(span.first..=span.last);
                } else {
                    spans.remove(span);
                    set.retain(|seq| !span.contains(*seq));
                }
            }
            assert!(spans.iter().flat_map(|s| s.first..=s.last).eq(set.iter().copied()));
            assert_eq!(spans.count(), set.len() as u64);
            assert_eq!(spans.iter().collect::<Vec<_>>(), to_spans(set.iter().copied()));
            assert_eq!(spans, set.iter().copied().collect());
            let inside = set.range(asked.first..=asked.last).copied();
            assert_eq!(spans.within(asked).collect::<Vec<_>>(), to_spans(inside));
            let outside = (asked.first..=asked.last).filter(|seq| !set.contains(seq));
            assert_eq!(spans.missing(asked), to_spans(outside));
        }
    }
}
