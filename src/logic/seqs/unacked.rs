//! What has been delivered to a reader and is not processed yet.

use std::collections::BTreeMap;

use crate::wire::{Seq, Span, Target, Weights};

use super::set::{SeqSet, missing, within};

/// Deliveries by the seq of the first of each, none over another.
#[derive(Default)]
pub(crate) struct Unacked(BTreeMap<Seq, Delivery>);

/// Messages of one bundle, or a notice of lost ones.
pub(crate) struct Delivery {
    pub(crate) last: Seq,
    pub(crate) log: Target,
    pub(crate) weights: Weights,
    /// Place of the first among the bundle's messages.
    at: u64,
    /// Whether it is messages, which count in quotas, or a notice.
    pub(crate) counts: bool,
    /// Whether it is a notice of lost messages.
    pub(crate) is_notice: bool,
}

impl Delivery {
    /// Messages that are delivered as a bundle of these weights.
    pub(crate) fn messages(span: Span, log: Target, weights: Weights) -> Self {
        Self { last: span.last, log, weights, at: 0, counts: true, is_notice: false }
    }

    /// Something that goes by this seq and weighs nothing.
    pub(crate) fn notice(seq: Seq, log: Target, counts: bool) -> Self {
        Self { last: seq, log, weights: Weights::one(0), at: 0, counts, is_notice: true }
    }

    /// Bytes of a span of it, which begins at `first`.
    pub(crate) fn len_bytes(&self, first: Seq, span: Span) -> u64 {
        self.weights.len_bytes(self.at + (span.first - first), span.count())
    }

    /// Cuts off what is from `seq` on.
    fn split_off(&mut self, first: Seq, seq: Seq) -> Self {
        let Self { last, at, counts, is_notice, .. } = *self;
        self.last = seq - 1;
        let (log, weights) = (self.log.clone(), self.weights.clone());
        Self { last, log, weights, at: at + (seq - first), counts, is_notice }
    }
}

impl Unacked {
    pub(crate) fn insert(&mut self, first: Seq, offer: Delivery) {
        self.0.insert(first, offer);
    }

    /// Whether it is a message, not a notice of lost ones.
    pub(crate) fn has_message(&self, seq: Seq) -> bool {
        let before = self.0.range(..=seq).next_back();
        before.is_some_and(|(_, offer)| seq <= offer.last && !offer.is_notice)
    }

    /// What of a span is not offered, in ascending order.
    pub(crate) fn uncovered(&self, span: Span) -> Vec<Span> {
        missing(span, self.within(span))
    }

    /// What of a span is offered, in ascending order.
    pub(crate) fn within(&self, span: Span) -> impl Iterator<Item = Span> {
        within(&self.0, span, |offer| offer.last)
    }

    /// Whether these are offered, each once, and are any.
    pub(crate) fn are(&self, spans: &[Span]) -> bool {
        let mut distinct = SeqSet::default();
        let offered = spans.iter().all(|span| {
            let new = distinct.within(*span).next().is_none();
            distinct.insert(*span);
            new && self.uncovered(*span).is_empty()
        });
        offered && !spans.is_empty()
    }

    /// Takes out all of a span that is offered, in pieces.
    pub(crate) fn take(&mut self, span: Span) -> Vec<(Seq, Delivery)> {
        self.cut(span.first);
        self.cut(span.last + 1);
        let mut taken = Vec::new();
        while let Some((&first, _)) = self.0.range(span.first..=span.last).next() {
            taken.extend(self.0.remove_entry(&first));
        }
        taken
    }

    /// Makes a delivery begin anew at this seq, if it is in the midst of it.
    fn cut(&mut self, seq: Seq) {
        let Some((&first, offer)) = self.0.range_mut(..seq).next_back() else { return };
        if offer.last >= seq {
            let rest = offer.split_off(first, seq);
            self.0.insert(seq, rest);
        }
    }

    /// All of them in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Span, &Delivery)> {
        self.0.iter().map(|(&first, offer)| (Span { first, last: offer.last }, offer))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{Strategy, any, proptest};

    use super::{Delivery, Unacked};
    use crate::logic::seqs::set::joined;
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
        fn they_are_as_if_each_were_alone(
            steps in proptest::collection::vec((any::<bool>(), any_span(), any::<u8>()), 0..40),
            asked in any_span(),
        ) {
            let (mut offers, mut each) = (Unacked::default(), BTreeMap::<Seq, u64>::new());
            for (adds, span, len) in steps {
                if adds && each.range(span.first..=span.last).next().is_none() {
                    let lengths: Vec<u8> =
                        (0..span.count()).map(|at| len.wrapping_mul(at as u8 | 1)).collect();
                    let offer = Delivery::messages(span, Target::All, weights(&lengths));
                    offers.insert(span.first, offer);
                    let bytes = lengths.iter().map(|len| u64::from(*len) + 2);
                    each.extend((span.first..).zip(bytes));
                } else {
                    let mut taken = Vec::new();
                    for (first, offer) in offers.take(span) {
                        let one = |seq| (seq, offer.len_bytes(first, Span::one(seq)));
                        taken.extend((first..=offer.last).map(one));
                        let all = Span { first, last: offer.last };
                        let sum: u64 = each.range(first..=offer.last).map(|(_, len)| len).sum();
                        assert_eq!(offer.len_bytes(first, all), sum);
                    }
                    let known = each.range(span.first..=span.last).map(|(seq, len)| (*seq, *len));
                    assert!(known.eq(taken));
                    each.retain(|seq, _| !span.contains(*seq));
                }
            }
            let members = |spans: Vec<Span>| spans.into_iter().flat_map(|s| s.first..=s.last);
            let inside = each.range(asked.first..=asked.last).map(|(seq, _)| *seq);
            assert!(members(offers.within(asked).collect()).eq(inside));
            let outside = (asked.first..=asked.last).filter(|seq| !each.contains_key(seq));
            assert_eq!(offers.uncovered(asked), joined(outside));
            let known = (asked.first..=asked.last).all(|seq| each.contains_key(&seq));
            assert_eq!(offers.are(&[asked]), known);
            assert!(!offers.are(&[asked, Span::one(asked.last)]) && !offers.are(&[]));
            let all = offers.iter().map(|(span, _)| span).collect();
            assert!(members(all).eq(each.keys().copied()));
        }
    }
}
