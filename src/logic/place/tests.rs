//! A place against one that keeps each message by itself.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;

use super::{Position, StoredCursor};
use crate::durable::{AckedRange, StoredCursor};
use crate::logic::spans::{SeqSet, joined};
use crate::wire::{Seq, Span};

/// A log of messages, some behind those of other logs; whether each is for the reader.
type Log = Vec<(Position, bool)>;

/// A place that keeps each message by itself.
#[derive(Default)]
struct Naive {
    through: Position,
    passed: Position,
    /// By its seq.
    waiting: BTreeMap<Seq, Waiting>,
    /// Ordinals.
    done: BTreeSet<u64>,
    /// Seqs of what waits and was put aside.
    aside: BTreeSet<Seq>,
}

struct Waiting {
    before: Position,
    last: Position,
    /// How many it stands for, and the ordinals of these and of what may be among them.
    count: u64,
    members: BTreeSet<u64>,
}

impl Waiting {
    fn new(before: Position, last: Position, count: u64) -> Self {
        Self { before, last, count, members: (before.ordinal + 1..=last.ordinal).collect() }
    }
}

impl Naive {
    fn is_processed(&self, at: Position) -> bool {
        at.seq <= self.through.seq || self.done.contains(&at.ordinal)
    }

    fn hand_out(&mut self, at: Position) {
        if !self.is_processed(at) {
            let before = Position { seq: at.seq - 1, ordinal: at.ordinal - 1 };
            self.waiting.entry(at.seq).or_insert_with(|| Waiting::new(before, at, 1));
        }
        self.passed = self.passed.max(at);
    }

    fn skip(&mut self, span: Span) {
        let known = self.waiting.range(span.first..=span.last).map(|(seq, _)| *seq);
        self.aside.extend(known);
    }

    /// Of what was put aside and is gone, one notice is left for all that has nothing between.
    fn join_aside(&mut self, at: Position, held: &BTreeSet<Seq>) {
        let gone: Vec<Seq> = self.waiting.range(..=at.seq).map(|(seq, _)| *seq).collect();
        for two in gone.windows(2) {
            let aside = |seq| self.aside.contains(&seq) && !held.contains(&seq);
            if aside(two[0]) && aside(two[1]) {
                let Some(first) = self.waiting.remove(&two[0]) else { continue };
                let Some(next) = self.waiting.get_mut(&two[1]) else { continue };
                next.before = first.before;
                next.count += first.count;
                next.members.extend(first.members);
            }
        }
        self.aside = self.aside.split_off(&(at.seq + 1));
    }

    fn removed(&mut self, at: Position, held: &BTreeSet<Seq>) -> Vec<(Seq, u64)> {
        self.join_aside(at, held);
        let gone = self.waiting.range(..=at.seq).filter(|(seq, _)| !held.contains(seq));
        let mut notices: Vec<_> = gone.map(|(seq, gone)| (*seq, gone.count)).collect();
        if at > self.passed {
            let before = std::mem::replace(&mut self.passed, at);
            let done = self.done.range(before.ordinal + 1..=at.ordinal).count() as u64;
            let count = at.ordinal - before.ordinal - done;
            if count > 0 {
                self.waiting.insert(at.seq, Waiting::new(before, at, count));
                notices.push((at.seq, count));
            }
        }
        notices
    }

    /// Ordinals that wait, or that a notice which waits stands for.
    fn waiting(&self) -> BTreeSet<u64> {
        let all = self.waiting.values().flat_map(|waiting| waiting.members.iter().copied());
        all.filter(|ordinal| !self.done.contains(ordinal)).collect()
    }

    fn processed(&mut self, span: Span) -> Vec<Seq> {
        let range = span.first..=span.last;
        let known: Vec<Seq> = self.waiting.range(range).map(|(seq, _)| *seq).collect();
        for seq in &known {
            self.aside.remove(seq);
            let Some(Waiting { before, last, .. }) = self.waiting.remove(seq) else { continue };
            let waiting = self.waiting();
            let region = before.ordinal + 1..=last.ordinal;
            self.done.extend(region.filter(|ordinal| !waiting.contains(ordinal)));
        }
        let first = self.waiting.first_key_value();
        let through = first.map_or(self.passed, |(_, waiting)| waiting.before);
        self.through = self.through.max(through);
        self.done = self.done.split_off(&(self.through.ordinal + 1));
        known
    }

    /// First and last ordinals of what is done: what was passed and does not wait joins it.
    fn stretches(&self) -> Vec<(u64, u64)> {
        self.joined(self.done.iter().map(|ordinal| (*ordinal, *ordinal)))
    }

    fn joined(&self, all: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
        let waiting = self.waiting();
        let mut joined: Vec<(u64, u64)> = vec![];
        for (first, end) in all {
            let passed = first <= self.passed.ordinal;
            match joined.last_mut() {
                Some((_, last)) if *last + 1 == first => *last = end,
                Some((_, last)) if passed && waiting.range(*last..first).next().is_none() => {
                    *last = end;
                }
                _ => joined.push((first, end)),
            }
        }
        joined
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A reader meets so many, from one on that is not behind the first unmet one.
    HandOut(Index, u64),
    Processed(Span),
    /// A reader does not want it, or is gone after that.
    Skip(Span, bool),
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
        2 => (any_span(), any::<bool>()).prop_map(|(span, gone)| Step::Skip(span, gone)),
        1 => (any::<Index>(), 0_u64..4, held).prop_map(|(at, more, held)| {
            Step::Removed(at, more, held)
        }),
    ]
}

fn any_log() -> impl Strategy<Value = Log> {
    let run = (0_u64..3, 1_u64..8, 0_u8..4);
    proptest::collection::vec(run, 1..9).prop_map(|runs| {
        let (mut log, mut seq) = (Vec::new(), 0);
        for (gap, count, own) in runs {
            seq += gap;
            for _ in 0..count {
                seq += 1;
                log.push((Position { seq, ordinal: log.len() as u64 + 1 }, own > 0));
            }
        }
        log
    })
}

/// What an earlier reader of this log may have left above the cursor: what is for the user and
/// in none of them lies between two stretches.
fn above(log: &Log, done: &BTreeSet<u64>) -> Vec<AckedRange> {
    let mut above: Vec<AckedRange> = vec![];
    let mut joins = false;
    for (mark, is_for) in log {
        let is_done = *is_for && done.contains(&mark.ordinal);
        match above.last_mut() {
            Some(stretch) if is_done && joins => {
                stretch.span.last = mark.seq;
                stretch.count = mark.ordinal + 1 - stretch.ordinal;
            }
            _ if is_done => {
                above.push(AckedRange {
                    span: Span::one(mark.seq),
                    ordinal: mark.ordinal,
                    count: 1,
                });
            }
            _ => {}
        }
        joins = is_done || joins && !is_for;
    }
    above
}

/// As the hub does with messages of a page: what needs it is handed out, the rest goes by.
fn hand_out(place: &mut StoredCursor, marks: &[Position]) {
    let (first, last) = (marks[0], marks[marks.len() - 1]);
    let span = Span { first: first.seq, last: last.seq };
    let unprocessed = place.unprocessed(span);
    assert_eq!(place.is_untouched(span), unprocessed == [span]);
    for span in unprocessed {
        let ordinal = first.ordinal + (span.first - first.seq);
        place.offer(Position { seq: span.first, ordinal }, span.count());
    }
    place.pass(first, marks.len() as u64);
}

/// The next messages for the user that follow one another, of so many.
fn page(log: &Log, from: usize, count: u64) -> Vec<Position> {
    let rest = log.iter().skip(from).skip_while(|(_, is_for)| !is_for);
    let rest = rest.take_while(|(_, is_for)| *is_for).take(count as usize);
    let marks: Vec<Position> = rest.map(|(mark, _)| *mark).collect();
    let next = |(at, mark): &(usize, &Position)| mark.seq - marks[0].seq == *at as u64;
    marks.iter().enumerate().take_while(next).map(|(_, mark)| *mark).collect()
}

/// The cursor is what the naive one says, and its stretches have the log's messages.
fn check(place: &StoredCursor, naive: &Naive, log: &Log, loaded: usize) {
    let StoredCursor { through, ordinal, above } = place.cursor();
    assert_eq!(Position { seq: through, ordinal }, naive.through);
    let ordinals = |of: &AckedRange| (of.ordinal, of.ordinal + of.count - 1);
    // What was there at first is joined to the rest as late as when that changes.
    assert_eq!(naive.joined(above.iter().map(ordinals)), naive.stretches());
    assert!(above.len() <= naive.stretches().len() + loaded, "{above:?}");
    for stretch in above {
        let (first, last) = ordinals(&stretch);
        let Span { first: from, last: to } = stretch.span;
        let alike = |(mark, _): &(Position, bool)| {
            (from..=to).contains(&mark.seq) == (first..=last).contains(&mark.ordinal)
        };
        assert!(log.iter().all(alike), "{stretch:?}");
    }
    let visible = log.iter().filter(|(_, is_for)| *is_for).map(|(mark, _)| *mark);
    for mark in visible {
        let unread = !naive.is_processed(mark);
        assert_eq!(place.is_processed(mark.seq), !unread);
        let one = Span::one(mark.seq);
        assert_eq!(place.unprocessed(one), joined(unread.then_some(mark.seq)));
    }
}

proptest! {
    #[test]
    fn it_is_as_if_each_message_were_alone(
        log in any_log(),
        done in proptest::collection::btree_set(1_u64..20, 0..9),
        steps in proptest::collection::vec(any_step(), 0..60),
    ) {
        let above = above(&log, &done);
        let loaded = above.len();
        let all = above.iter().flat_map(|s| s.ordinal..s.ordinal + s.count);
        let mut naive = Naive { done: all.collect(), ..Naive::default() };
        let mut place = StoredCursor::from(StoredCursor { above, ..StoredCursor::default() });
        let mut gone = 0;
        for step in steps {
            let met = naive.passed.ordinal as usize;
            match step {
                Step::HandOut(at, count) => {
                    let from = gone + at.index((met + 1 - gone).max(1));
                    let marks = page(&log, from, count);
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
                Step::Skip(span, false) => {
                    assert!(!place.skip(span), "there are few");
                    naive.skip(span);
                }
                Step::Skip(span, true) => {
                    place.shown(span);
                    naive.aside.retain(|seq| !span.contains(*seq));
                }
                Step::Removed(at, more, held) => {
                    let to = (at.index(met + 1) + more as usize).min(log.len()).max(gone);
                    let Some((mark, _)) = to.checked_sub(1).map(|at| log[at]) else { continue };
                    gone = to;
                    let spans: SeqSet = held.iter().copied().collect();
                    assert_eq!(place.removed(mark, &spans), naive.removed(mark, &held));
                }
            }
            check(&place, &naive, &log, loaded);
        }
    }
}
