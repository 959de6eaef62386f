//! How far one user has come in each of the logs the user reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::{Cursor, Stretch};
use crate::wire::{Seq, Span, Target};

use super::exchange::LinkId;
use super::spans::{Spans, missing, within};

/// Most that is kept as processed beyond a message that is not. It is written down with every move
/// of the cursor.
const DONE_MAX: u64 = 4_096;

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
    /// By the seq of the first.
    waiting: BTreeMap<Seq, Waiting>,
    done: Spans,
}

/// Messages that follow one another, or a notice of messages removed unread, which goes by the seq
/// of the last of them.
struct Waiting {
    /// The mark just before it.
    before: Mark,
    last: Seq,
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
        let mut done = Spans::default();
        cursor.above.iter().for_each(|stretch| done.insert(stretch.span));
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
        self.done.count() >= DONE_MAX
    }

    /// Whether the message is beyond all that is processed.
    pub(super) fn is_new(&self, seq: Seq) -> bool {
        self.done.last().is_none_or(|last| last < seq)
    }

    /// So many messages are handed out, that at `at` and those behind it.
    pub(super) fn offer(&mut self, at: Mark, count: u64) {
        let span = Span { first: at.seq, last: at.seq + (count - 1) };
        for Span { first, last } in self.unknown(span) {
            let before = Mark { seq: first - 1, ordinal: at.ordinal + (first - at.seq) - 1 };
            self.waiting.insert(first, Waiting { before, last, count: last - first + 1 });
        }
        self.pass(at, count);
    }

    /// So many messages went by that are not for this user.
    pub(super) fn pass(&mut self, at: Mark, count: u64) {
        let last = Mark { seq: at.seq + (count - 1), ordinal: at.ordinal + (count - 1) };
        self.passed = self.passed.max(last);
    }

    /// What of a span is not waiting yet.
    fn unknown(&self, span: Span) -> Vec<Span> {
        missing(span, within(&self.waiting, span, |waiting| waiting.last))
    }

    /// All up to `at` is gone from the log; `held` of it is still with readers. The notices to be
    /// handed out now, each with the number of messages it stands for: of those that nobody was
    /// given, and of those that were with readers who are gone.
    pub(super) fn removed(&mut self, at: Mark, held: &Spans) -> Vec<(Seq, u64)> {
        self.cut(at.seq + 1);
        let known = self.waiting.range(..=at.seq);
        let known: Vec<Span> =
            known.map(|(&first, waiting)| Span { first, last: waiting.last }).collect();
        let mut notices = Vec::new();
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
            let done = self.done.within(Span { first: before.seq + 1, last: at.seq });
            let done: u64 = done.map(Span::count).sum();
            let count = (at.ordinal - before.ordinal).saturating_sub(done);
            if count > 0 {
                self.waiting.insert(at.seq, Waiting { before, last: at.seq, count });
                notices.push((at.seq, count));
            }
        }
        notices
    }

    /// Things handed out were dealt with. Which of them had not been before.
    pub(super) fn processed(&mut self, span: Span) -> Vec<Span> {
        self.cut(span.first);
        self.cut(span.last + 1);
        let known = self.waiting.range(span.first..=span.last);
        let known: Vec<Span> =
            known.map(|(&first, waiting)| Span { first, last: waiting.last }).collect();
        for span in &known {
            self.waiting.remove(&span.first);
            self.done.insert(*span);
        }
        let first = self.waiting.first_key_value();
        let through = first.map_or(self.passed, |(_, waiting)| waiting.before);
        if through > self.through {
            self.through = through;
            self.done.remove(Span { first: 0, last: through.seq });
        }
        known
    }

    /// Makes what waits begin anew at this seq, if it is in the midst of it.
    fn cut(&mut self, seq: Seq) {
        let Some((&first, waiting)) = self.waiting.range_mut(..seq).next_back() else { return };
        if waiting.last < seq {
            return;
        }
        let (last, before) = (waiting.last, waiting.before);
        let kept = seq - first;
        waiting.last = seq - 1;
        waiting.count = kept;
        let before = Mark { seq: seq - 1, ordinal: before.ordinal + kept };
        self.waiting.insert(seq, Waiting { before, last, count: last - seq + 1 });
    }

    /// What to write down.
    pub(super) fn cursor(&self) -> Cursor {
        let Mark { seq, ordinal } = self.through;
        let stretch = |span: Span| Stretch { span, ordinal: 0, count: span.count() };
        Cursor { through: seq, ordinal, above: self.done.iter().map(stretch).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{Strategy, any, prop_oneof, proptest};
    use proptest::sample::Index;

    use super::{Mark, Place};
    use crate::durable::{Cursor, Stretch};
    use crate::logic::spans::{Spans, joined};
    use crate::wire::{Seq, Span};

    /// A place that keeps each message by itself.
    #[derive(Default)]
    struct Naive {
        through: Mark,
        passed: Mark,
        /// By its seq: the mark before it, and how many it stands for.
        waiting: BTreeMap<Seq, (Mark, u64)>,
        done: BTreeSet<Seq>,
    }

    impl Naive {
        fn is_processed(&self, seq: Seq) -> bool {
            seq <= self.through.seq || self.done.contains(&seq)
        }

        fn hand_out(&mut self, at: Mark) {
            if !self.is_processed(at.seq) {
                let before = Mark { seq: at.seq - 1, ordinal: at.ordinal - 1 };
                self.waiting.entry(at.seq).or_insert((before, 1));
            }
            self.passed = self.passed.max(at);
        }

        fn removed(&mut self, at: Mark, held: &BTreeSet<Seq>) -> Vec<(Seq, u64)> {
            let gone = self.waiting.range(..=at.seq).filter(|(seq, _)| !held.contains(seq));
            let mut notices: Vec<_> = gone.map(|(seq, (_, count))| (*seq, *count)).collect();
            if at > self.passed {
                let before = std::mem::replace(&mut self.passed, at);
                let done = self.done.range(before.seq + 1..=at.seq).count() as u64;
                let count = at.ordinal - before.ordinal - done;
                if count > 0 {
                    self.waiting.insert(at.seq, (before, count));
                    notices.push((at.seq, count));
                }
            }
            notices
        }

        fn processed(&mut self, span: Span) -> Vec<Seq> {
            let range = span.first..=span.last;
            let known: Vec<Seq> = self.waiting.range(range).map(|(seq, _)| *seq).collect();
            for seq in &known {
                self.waiting.remove(seq);
                self.done.insert(*seq);
            }
            let first = self.waiting.first_key_value();
            self.through = self.through.max(first.map_or(self.passed, |(_, (before, _))| *before));
            self.done = self.done.split_off(&(self.through.seq + 1));
            known
        }
    }

    fn stretches(seqs: impl IntoIterator<Item = Seq>) -> Vec<Stretch> {
        let stretch = |span: Span| Stretch { span, ordinal: 0, count: span.count() };
        joined(seqs).into_iter().map(stretch).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A reader meets so many, from one on that is not behind the first unmet one.
        HandOut(Index, u64),
        Processed(Span),
        /// All up to one that is at most so many behind those met is gone; what readers hold.
        Removed(Index, u64, BTreeSet<Seq>),
    }

    fn any_span() -> impl Strategy<Value = Span> {
        (1_u64..80, 0_u64..20).prop_map(|(first, more)| Span { first, last: first + more })
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let held = proptest::collection::btree_set(1_u64..80, 0..60);
        prop_oneof![
            4 => (any::<Index>(), 1_u64..9).prop_map(|(at, count)| Step::HandOut(at, count)),
            4 => any_span().prop_map(Step::Processed),
            1 => (any::<Index>(), 0_u64..4, held).prop_map(|(at, more, held)| {
                Step::Removed(at, more, held)
            }),
        ]
    }

    /// A log of messages, some behind those of other logs.
    fn any_log() -> impl Strategy<Value = Vec<Mark>> {
        proptest::collection::vec((0_u64..3, 1_u64..8), 1..9).prop_map(|runs| {
            let (mut marks, mut seq) = (Vec::new(), 0);
            for (gap, count) in runs {
                seq += gap;
                for _ in 0..count {
                    seq += 1;
                    marks.push(Mark { seq, ordinal: marks.len() as u64 + 1 });
                }
            }
            marks
        })
    }

    /// As the hub does with messages of a page: what needs it is handed out, the rest goes by.
    fn hand_out(place: &mut Place, marks: &[Mark]) {
        let (first, last) = (marks[0], marks[marks.len() - 1]);
        let span = Span { first: first.seq, last: last.seq };
        let unprocessed = place.unprocessed(span);
        assert_eq!(place.is_untouched(span), unprocessed == [span]);
        for span in unprocessed {
            let ordinal = first.ordinal + (span.first - first.seq);
            place.offer(Mark { seq: span.first, ordinal }, span.count());
        }
        place.pass(first, marks.len() as u64);
    }

    proptest! {
        #[test]
        fn it_is_as_if_each_message_were_alone(
            log in any_log(),
            above in proptest::collection::btree_set(1_u64..20, 0..9),
            steps in proptest::collection::vec(any_step(), 0..60),
        ) {
            let known = log.iter().map(|mark| mark.seq).filter(|seq| above.contains(seq));
            let above: Vec<Seq> = known.collect();
            let mut naive = Naive { done: above.iter().copied().collect(), ..Naive::default() };
            let above = stretches(above);
            let mut place = Place::from(Cursor { above, ..Cursor::default() });
            let mut gone = 0;
            for step in steps {
                let met = naive.passed.ordinal as usize;
                match step {
                    Step::HandOut(at, count) => {
                        let from = gone + at.index((met + 1 - gone).max(1));
                        let rest = log.get(from..).unwrap_or_default();
                        let next =
                            |(at, mark): &(usize, &Mark)| mark.seq - rest[0].seq == *at as u64;
                        let marks = rest.iter().enumerate().take(count as usize).take_while(next);
                        let marks: Vec<Mark> = marks.map(|(_, mark)| *mark).collect();
                        if !marks.is_empty() {
                            hand_out(&mut place, &marks);
                            marks.into_iter().for_each(|mark| naive.hand_out(mark));
                        }
                    }
                    Step::Processed(span) => {
                        let members = place.processed(span);
                        let members = members.iter().flat_map(|span| span.first..=span.last);
                        assert!(members.eq(naive.processed(span)));
                    }
                    Step::Removed(at, more, held) => {
                        let to = (at.index(met + 1) + more as usize).min(log.len()).max(gone);
                        let Some(mark) = to.checked_sub(1).map(|at| log[at]) else { continue };
                        gone = to;
                        let spans: Spans = held.iter().copied().collect();
                        assert_eq!(place.removed(mark, &spans), naive.removed(mark, &held));
                    }
                }
                let above = stretches(naive.done.iter().copied());
                let Mark { seq, ordinal } = naive.through;
                assert_eq!(place.cursor(), Cursor { through: seq, ordinal, above });
                let asked = Span { first: 1, last: 90 };
                let unread = (1..=90).filter(|seq| !naive.is_processed(*seq));
                assert_eq!(place.unprocessed(asked), joined(unread));
                assert!((1..=90).all(|seq| place.is_processed(seq) == naive.is_processed(seq)));
            }
        }
    }
}
