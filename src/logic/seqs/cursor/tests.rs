//! Tests of the cursor against a naive one that keeps each message by itself.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;

use super::Cursor;
use crate::durable::{AckedRange, StoredCursor};
use crate::logic::seqs::position::Position;
use crate::logic::seqs::set::{SeqSet, to_spans};
use crate::wire::{Seq, Span};

/// Positions of the messages of a log, each with whether it is for the reader.
type NaiveLog = Vec<(Position, bool)>;

/// A cursor that keeps each message by itself.
#[derive(Default)]
struct NaiveCursor {
    acked_through: Position,
    read_through: Position,
    /// Outstanding entries by their seq.
    outstanding: BTreeMap<Seq, NaiveEntry>,
    /// Ordinals of acked messages.
    acked: BTreeSet<u64>,
    /// Seqs of outstanding messages that were released.
    released: BTreeSet<Seq>,
}

struct NaiveEntry {
    before: Position,
    last: Position,
    /// The number of messages that the entry stands for.
    count: u64,
    /// Ordinals of these messages, and of others that may lie among them.
    members: BTreeSet<u64>,
}

impl NaiveEntry {
    fn new(before: Position, last: Position, count: u64) -> Self {
        Self { before, last, count, members: (before.ordinal() + 1..=last.ordinal()).collect() }
    }
}

impl NaiveCursor {
    fn is_acked(&self, at: Position) -> bool {
        at.seq() <= self.acked_through.seq() || self.acked.contains(&at.ordinal())
    }

    fn deliver(&mut self, at: Position) {
        if !self.is_acked(at) {
            let before = at.before();
            self.outstanding.entry(at.seq()).or_insert_with(|| NaiveEntry::new(before, at, 1));
        }
        self.read_through = self.read_through.max(at);
    }

    fn release(&mut self, span: Span) {
        let known = self.outstanding.range(span.first..=span.last).map(|(seq, _)| *seq);
        self.released.extend(known);
    }

    /// Merges released entries that the log has lost, as far as no other entry lies between them.
    fn merge_released(&mut self, at: Position, held: &BTreeSet<Seq>) {
        let gone: Vec<Seq> = self.outstanding.range(..=at.seq()).map(|(seq, _)| *seq).collect();
        for two in gone.windows(2) {
            let is_released = |seq| self.released.contains(&seq) && !held.contains(&seq);
            if is_released(two[0]) && is_released(two[1]) {
                let Some(first) = self.outstanding.remove(&two[0]) else { continue };
                let Some(next) = self.outstanding.get_mut(&two[1]) else { continue };
                next.before = first.before;
                next.count += first.count;
                next.members.extend(first.members);
            }
        }
        self.released = self.released.split_off(&(at.seq() + 1));
    }

    fn remove_through(&mut self, at: Position, held: &BTreeSet<Seq>) -> Vec<(Seq, u64)> {
        self.merge_released(at, held);
        let gone = self.outstanding.range(..=at.seq()).filter(|(seq, _)| !held.contains(seq));
        let mut notices: Vec<_> = gone.map(|(seq, gone)| (*seq, gone.count)).collect();
        if at > self.read_through {
            let before = std::mem::replace(&mut self.read_through, at);
            let done = self.acked.range(before.ordinal() + 1..=at.ordinal()).count() as u64;
            let count = at.ordinal() - before.ordinal() - done;
            if count > 0 {
                self.outstanding.insert(at.seq(), NaiveEntry::new(before, at, count));
                notices.push((at.seq(), count));
            }
        }
        notices
    }

    /// Ordinals that are outstanding, or that an outstanding gap notice stands for.
    fn outstanding(&self) -> BTreeSet<u64> {
        let all = self.outstanding.values().flat_map(|entry| entry.members.iter().copied());
        all.filter(|ordinal| !self.acked.contains(ordinal)).collect()
    }

    fn ack(&mut self, span: Span) -> Vec<Seq> {
        let range = span.first..=span.last;
        let known: Vec<Seq> = self.outstanding.range(range).map(|(seq, _)| *seq).collect();
        for seq in &known {
            self.released.remove(seq);
            let Some(NaiveEntry { before, last, .. }) = self.outstanding.remove(seq) else {
                continue;
            };
            let outstanding = self.outstanding();
            let region = before.ordinal() + 1..=last.ordinal();
            self.acked.extend(region.filter(|ordinal| !outstanding.contains(ordinal)));
        }
        let first = self.outstanding.first_key_value();
        let through = first.map_or(self.read_through, |(_, entry)| entry.before);
        self.acked_through = self.acked_through.max(through);
        self.acked = self.acked.split_off(&(self.acked_through.ordinal() + 1));
        known
    }

    /// First and last ordinals of the acked ranges, merged over everything that reading went past
    /// and that is not outstanding.
    fn ranges(&self) -> Vec<(u64, u64)> {
        self.joined(self.acked.iter().map(|ordinal| (*ordinal, *ordinal)))
    }

    fn joined(&self, all: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
        let outstanding = self.outstanding();
        let mut joined: Vec<(u64, u64)> = vec![];
        for (first, end) in all {
            let is_read = first <= self.read_through.ordinal();
            match joined.last_mut() {
                Some((_, last)) if *last + 1 == first => *last = end,
                Some((_, last)) if is_read && outstanding.range(*last..first).next().is_none() => {
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
    /// Delivers this number of messages. The first is not beyond the first unread one.
    Deliver(Index, u64),
    Ack(Span),
    /// A reader releases a span; `true`: a reader that may have shown it is gone.
    Release(Span, bool),
    /// Makes the log lose everything up to a message, at most this many beyond those that were
    /// read, while readers hold the given seqs.
    Remove(Index, u64, BTreeSet<Seq>),
}

fn any_span() -> impl Strategy<Value = Span> {
    (1_u64..80, 0_u64..20).prop_map(|(first, more)| Span { first, last: first + more })
}

fn any_step() -> impl Strategy<Value = Step> {
    let held = proptest::collection::btree_set(1_u64..80, 0..60);
    prop_oneof![
        4 => (any::<Index>(), 1_u64..9).prop_map(|(at, count)| Step::Deliver(at, count)),
        4 => any_span().prop_map(Step::Ack),
        2 => (any_span(), any::<bool>()).prop_map(|(span, gone)| Step::Release(span, gone)),
        1 => (any::<Index>(), 0_u64..4, held).prop_map(|(at, more, held)| {
            Step::Remove(at, more, held)
        }),
    ]
}

fn any_log() -> impl Strategy<Value = NaiveLog> {
    let run = (0_u64..3, 1_u64..8, 0_u8..4);
    proptest::collection::vec(run, 1..9).prop_map(|runs| {
        let (mut log, mut seq) = (Vec::new(), 0);
        for (gap, count, own) in runs {
            seq += gap;
            for _ in 0..count {
                seq += 1;
                log.push((Position::new(seq, log.len() as u64 + 1), own > 0));
            }
        }
        log
    })
}

/// Acked ranges that an earlier reader of this log may have left above the cursor: between two of
/// them lies a message for the user that is not acked.
fn above(log: &NaiveLog, acked: &BTreeSet<u64>) -> Vec<AckedRange> {
    let mut above: Vec<AckedRange> = vec![];
    let mut extends = false;
    for (at, is_for) in log {
        let is_acked = *is_for && acked.contains(&at.ordinal());
        match above.last_mut() {
            Some(range) if is_acked && extends => {
                range.span.last = at.seq();
                range.count = at.ordinal() + 1 - range.ordinal;
            }
            _ if is_acked => {
                let (span, ordinal) = (Span::one(at.seq()), at.ordinal());
                above.push(AckedRange { span, ordinal, count: 1 });
            }
            _ => {}
        }
        extends = is_acked || extends && !is_for;
    }
    above
}

/// Acts as the hub does with consecutive messages of a page: delivers those that are not acked.
fn deliver(cursor: &mut Cursor, page: &[Position]) {
    let (first, last) = (page[0], page[page.len() - 1]);
    let span = Span { first: first.seq(), last: last.seq() };
    let unacked = cursor.unacked(span);
    assert_eq!(cursor.is_wholly_unacked(span), unacked == [span]);
    for span in unacked {
        let ordinal = first.ordinal() + (span.first - first.seq());
        cursor.deliver(Position::new(span.first, ordinal), span.count());
    }
    cursor.read_past(first, page.len() as u64);
}

/// The next messages for the user whose seqs are consecutive, at most `count`.
fn page(log: &NaiveLog, from: usize, count: u64) -> Vec<Position> {
    let rest = log.iter().skip(from).skip_while(|(_, is_for)| !is_for);
    let rest = rest.take_while(|(_, is_for)| *is_for).take(count as usize);
    let all: Vec<Position> = rest.map(|(at, _)| *at).collect();
    let follows = |(index, at): &(usize, &Position)| at.seq() - all[0].seq() == *index as u64;
    all.iter().enumerate().take_while(follows).map(|(_, at)| *at).collect()
}

/// Checks the cursor against the naive one, and its ranges against the messages of the log.
fn check(cursor: &Cursor, naive: &NaiveCursor, log: &NaiveLog, loaded: usize) {
    let StoredCursor { through, ordinal, above } = cursor.to_stored();
    assert_eq!(Position::new(through, ordinal), naive.acked_through);
    let ordinals = |range: &AckedRange| (range.ordinal, range.ordinal + range.count - 1);
    // Ranges that were loaded are merged only when they change.
    assert_eq!(naive.joined(above.iter().map(ordinals)), naive.ranges());
    assert!(above.len() <= naive.ranges().len() + loaded, "{above:?}");
    for range in above {
        let (first, last) = ordinals(&range);
        let Span { first: from, last: to } = range.span;
        let agree = |(at, _): &(Position, bool)| {
            (from..=to).contains(&at.seq()) == (first..=last).contains(&at.ordinal())
        };
        assert!(log.iter().all(agree), "{range:?}");
    }
    let visible = log.iter().filter(|(_, is_for)| *is_for).map(|(at, _)| *at);
    for at in visible {
        let is_unacked = !naive.is_acked(at);
        assert_eq!(cursor.is_acked(at.seq()), !is_unacked);
        let one = Span::one(at.seq());
        assert_eq!(cursor.unacked(one), to_spans(is_unacked.then_some(at.seq())));
    }
}

proptest! {
    #[test]
    fn a_cursor_behaves_as_if_each_message_were_alone(
        log in any_log(),
        acked in proptest::collection::btree_set(1_u64..20, 0..9),
        steps in proptest::collection::vec(any_step(), 0..60),
    ) {
        let above = above(&log, &acked);
        let loaded = above.len();
        let all = above.iter().flat_map(|range| range.ordinal..range.ordinal + range.count);
        let mut naive = NaiveCursor { acked: all.collect(), ..NaiveCursor::default() };
        let mut cursor = Cursor::from(StoredCursor { above, ..StoredCursor::default() });
        let mut gone = 0;
        for step in steps {
            let read = naive.read_through.ordinal() as usize;
            match step {
                Step::Deliver(at, count) => {
                    let from = gone + at.index((read + 1 - gone).max(1));
                    let page = page(&log, from, count);
                    if !page.is_empty() {
                        deliver(&mut cursor, &page);
                        page.into_iter().for_each(|at| naive.deliver(at));
                    }
                }
                Step::Ack(span) => {
                    let members = cursor.ack(span);
                    let members = members.iter().flat_map(|span| span.first..=span.last);
                    assert!(members.eq(naive.ack(span)));
                }
                Step::Release(span, false) => {
                    assert!(!cursor.release(span), "there are few");
                    naive.release(span);
                }
                Step::Release(span, true) => {
                    cursor.mark_shown(span);
                    naive.released.retain(|seq| !span.contains(*seq));
                }
                Step::Remove(at, more, held) => {
                    let to = (at.index(read + 1) + more as usize).min(log.len()).max(gone);
                    let Some((at, _)) = to.checked_sub(1).map(|index| log[index]) else { continue };
                    gone = to;
                    let spans: SeqSet = held.iter().copied().collect();
                    assert_eq!(cursor.remove_through(at, &spans), naive.remove_through(at, &held));
                }
            }
            check(&cursor, &naive, &log, loaded);
        }
    }
}
