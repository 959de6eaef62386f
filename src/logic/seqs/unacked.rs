//! Deliveries of one reader that are not acked yet.

use std::collections::BTreeMap;

use crate::wire::{Seq, Span, Target, Weights};

use super::set::{SeqSet, missing, within};

/// Deliveries that a reader has not acked, keyed by the first seq of each; no two overlap.
#[derive(Default)]
pub(crate) struct Unacked(BTreeMap<Seq, Delivery>);

/// Consecutive messages of one bundle, or a gap notice.
pub(crate) struct Delivery {
    last: Seq,
    log: Target,
    weights: Weights,
    /// Index of the first message in the bundle that `weights` describes.
    at: u64,
    counts: bool,
    is_notice: bool,
}

impl Delivery {
    /// Messages from a bundle with these weights, of which the first is the first of the span.
    pub(crate) fn messages(span: Span, log: Target, weights: Weights) -> Self {
        Self { last: span.last, log, weights, at: 0, counts: true, is_notice: false }
    }

    /// A gap notice with this seq, which weighs nothing. `counts`: it stands for a message that
    /// still counts in the quotas of its log.
    pub(crate) fn notice(seq: Seq, log: Target, counts: bool) -> Self {
        Self { last: seq, log, weights: Weights::one(0), at: 0, counts, is_notice: true }
    }

    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    pub(crate) fn log(&self) -> &Target {
        &self.log
    }

    /// True for messages that count in the quotas of their log until they are acked.
    pub(crate) fn counts_in_quotas(&self) -> bool {
        self.counts
    }

    pub(crate) fn is_notice(&self) -> bool {
        self.is_notice
    }

    /// Bytes of `span`, which lies within this delivery. `first` is the delivery's first seq.
    pub(crate) fn len_bytes(&self, first: Seq, span: Span) -> u64 {
        self.weights.len_bytes(self.at + (span.first - first), span.count())
    }

    /// Splits off everything from `seq` on. `first` is the delivery's first seq.
    fn split_off(&mut self, first: Seq, seq: Seq) -> Self {
        let Self { last, at, counts, is_notice, .. } = *self;
        self.last = seq - 1;
        let (log, weights) = (self.log.clone(), self.weights.clone());
        Self { last, log, weights, at: at + (seq - first), counts, is_notice }
    }
}

impl Unacked {
    /// Adds a delivery whose first seq is `first`.
    pub(crate) fn insert(&mut self, first: Seq, delivery: Delivery) {
        self.0.insert(first, delivery);
    }

    /// True for a message, false for a gap notice.
    pub(crate) fn has_message(&self, seq: Seq) -> bool {
        let before = self.0.range(..=seq).next_back();
        before.is_some_and(|(_, delivery)| seq <= delivery.last && !delivery.is_notice)
    }

    /// The parts of a span that are not in any delivery, in ascending order.
    pub(crate) fn missing(&self, span: Span) -> Vec<Span> {
        missing(span, self.within(span))
    }

    /// The parts of a span that are in a delivery, in ascending order.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.0, span, |delivery| delivery.last)
    }

    /// True when there are spans, all of them are in deliveries, and no two overlap.
    pub(crate) fn covers_each_once(&self, spans: &[Span]) -> bool {
        let mut distinct = SeqSet::default();
        let covered = spans.iter().all(|span| {
            let is_new = distinct.within(*span).next().is_none();
            distinct.insert(*span);
            is_new && self.missing(*span).is_empty()
        });
        covered && !spans.is_empty()
    }

    /// Removes everything within a span. A delivery that reaches beyond it is split. Returns what
    /// was removed, each with its first seq.
    pub(crate) fn remove(&mut self, span: Span) -> Vec<(Seq, Delivery)> {
        self.split_at(span.first);
        self.split_at(span.last + 1);
        let mut removed = Vec::new();
        while let Some((&first, _)) = self.0.range(span.first..=span.last).next() {
            removed.extend(self.0.remove_entry(&first));
        }
        removed
    }

    /// Splits the delivery that contains this seq, so that the second part begins with it.
    fn split_at(&mut self, seq: Seq) {
        let Some((&first, delivery)) = self.0.range_mut(..seq).next_back() else { return };
        if delivery.last >= seq {
            let rest = delivery.split_off(first, seq);
            self.0.insert(seq, rest);
        }
    }

    /// Deliveries in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Span, &Delivery)> {
        self.0.iter().map(|(&first, delivery)| (Span { first, last: delivery.last }, delivery))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{Strategy, any, proptest};

    use super::{Delivery, Unacked};
    use crate::logic::seqs::set::to_spans;
    use crate::wire::{
        Body, Bundle, Envelope, Headers, Message, MsgId, Seq, Span, Target, Weights,
    };

    fn weights(lengths: &[u8]) -> Weights {
        let bodies = lengths.iter().map(|len| Body(vec![0; (*len).into()].into()));
        let bodies: Vec<Body> = bodies.collect();
        let id = MsgId::new(1, [0; 10]);
        let headers = Headers::new(vec![("a".into(), "b".into())]).unwrap_or_default();
        let (size, body) = (bodies[0].len() as u64, bodies[0].clone());
        let from = "alice".parse().expect("a name");
        let first = Message {
            from,
            time_ms: 1,
            envelope: Envelope { id, to: Target::All, headers, size, body },
        };
        Bundle { first, others: bodies[1..].iter().collect() }.weights()
    }

    fn any_span() -> impl Strategy<Value = Span> {
        (1_u64..60, 0_u64..12).prop_map(|(first, more)| Span { first, last: first + more })
    }

    proptest! {
        #[test]
        fn deliveries_behave_like_single_messages(
            steps in proptest::collection::vec((any::<bool>(), any_span(), any::<u8>()), 0..40),
            asked in any_span(),
        ) {
            let (mut unacked, mut each) = (Unacked::default(), BTreeMap::<Seq, u64>::new());
            for (adds, span, len) in steps {
                if adds && each.range(span.first..=span.last).next().is_none() {
                    let lengths: Vec<u8> =
                        (0..span.count()).map(|at| len.wrapping_mul(at as u8 | 1)).collect();
                    let delivery = Delivery::messages(span, Target::All, weights(&lengths));
                    unacked.insert(span.first, delivery);
                    let bytes = lengths.iter().map(|len| u64::from(*len) + 2);
                    each.extend((span.first..).zip(bytes));
                } else {
                    let mut removed = Vec::new();
                    for (first, delivery) in unacked.remove(span) {
                        let one = |seq| (seq, delivery.len_bytes(first, Span::one(seq)));
                        removed.extend((first..=delivery.last()).map(one));
                        let all = Span { first, last: delivery.last() };
                        let sum: u64 = each.range(first..=all.last).map(|(_, len)| len).sum();
                        assert_eq!(delivery.len_bytes(first, all), sum);
                    }
                    let known = each.range(span.first..=span.last).map(|(seq, len)| (*seq, *len));
                    assert!(known.eq(removed));
                    each.retain(|seq, _| !span.contains(*seq));
                }
            }
            let members = |spans: Vec<Span>| spans.into_iter().flat_map(|s| s.first..=s.last);
            let inside = each.range(asked.first..=asked.last).map(|(seq, _)| *seq);
            assert!(members(unacked.within(asked).collect()).eq(inside));
            let outside = (asked.first..=asked.last).filter(|seq| !each.contains_key(seq));
            assert_eq!(unacked.missing(asked), to_spans(outside));
            let known = (asked.first..=asked.last).all(|seq| each.contains_key(&seq));
            assert_eq!(unacked.covers_each_once(&[asked]), known);
            assert!(!unacked.covers_each_once(&[asked, Span::one(asked.last)]));
            assert!(!unacked.covers_each_once(&[]));
            let all = unacked.iter().map(|(span, _)| span).collect();
            assert!(members(all).eq(each.keys().copied()));
        }
    }
}
