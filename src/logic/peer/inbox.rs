//! What a reader has been told of, so that it is told once, however often it is delivered.

use std::collections::{BTreeMap, VecDeque};

use crate::durable::Disposition;
use crate::wire::{SPANS_MAX, Seq, Span, Start};

use crate::logic::limits::PRESUMED_SPANS_MAX;
use crate::logic::prefetch::Prefetch;
use crate::logic::seqs::set::{SeqSet, to_spans};

/// A delivery is `open` from the moment the user is told of it until the user has dealt with it,
/// then `done` until the server has recorded that. Both are bounded by the server: it offers the
/// oldest first, and no more than the window unsettled. One that is not for this reader is `aside`
/// from when the user says so until the server hears it, and then as if it had not been delivered.
#[derive(Default)]
pub(super) struct Inbox {
    open: SeqSet,
    done: SeqSet,
    aside: SeqSet,
    /// Dealt with, and taken to be recorded because all but these was delivered. One that is
    /// delivered after all was with another reader, who is gone, or has been since the server died.
    /// The user is not told of it again.
    over: SeqSet,
    /// Of these but `aside`, those told as lost: how many messages of each the user knows to be
    /// lost, or has.
    lost: BTreeMap<Seq, u64>,
    /// Of those done, what the user said of some besides.
    verdicts: BTreeMap<Seq, Disposition>,
    /// Delivered on this link and not reported on it.
    owed: SeqSet,
    /// Reported on this link, in order, not settled.
    reported: VecDeque<Span>,
    reported_count: u64,
    /// All that was unprocessed has been delivered on this link.
    caught_up: bool,
    floor: Floor,
    shares: bool,
}

/// What is before the place where a reader was to begin is not for it, on later links neither.
#[derive(Clone, Copy, Default)]
enum Floor {
    /// It begins with what is not processed, or shares, and is left what others had.
    #[default]
    None,
    /// Nothing has been delivered: the next link is to begin there as well.
    Wanted,
    /// The first that was delivered on the first link, which is still there.
    First(Seq),
    /// The same, on later links.
    Later(Seq),
}

impl Inbox {
    pub(super) fn new(window: Option<&Prefetch>) -> Self {
        let starts = |window: &&Prefetch| window.start != Start::Unacked;
        let floor = window.filter(starts).map_or(Floor::None, |_| Floor::Wanted);
        Self { floor, shares: window.is_some_and(|window| window.share), ..Self::default() }
    }

    /// Where the next link is to begin, if this is what the user wanted of the first.
    pub(super) fn start(&self, wanted: Start) -> Start {
        if let Floor::Wanted = self.floor { wanted } else { Start::Unacked }
    }

    /// Puts aside what is before the first that was ever delivered.
    fn keep_off(&mut self, span: Span) {
        match self.floor {
            Floor::Wanted if self.shares => self.floor = Floor::None,
            Floor::Wanted => self.floor = Floor::First(span.first),
            Floor::First(floor) => self.floor = Floor::First(floor.min(span.first)),
            Floor::Later(floor) if span.first < floor => {
                self.aside.insert(Span { first: span.first, last: span.last.min(floor - 1) });
            }
            Floor::Later(_) | Floor::None => {}
        }
    }

    /// Deliveries have come. Those that the user is to be told of.
    pub(super) fn delivered(&mut self, span: Span) -> Vec<Span> {
        self.keep_off(span);
        self.told(span)
    }

    fn told(&mut self, span: Span) -> Vec<Span> {
        self.arrived(span);
        self.comes_back(span);
        let mut news = self.open.missing(span);
        if !self.done.is_empty() {
            news = news.into_iter().flat_map(|span| self.done.missing(span)).collect();
        }
        if !self.aside.is_empty() {
            news = news.into_iter().flat_map(|span| self.aside.missing(span)).collect();
        }
        for span in &news {
            self.open.insert(*span);
        }
        news
    }

    /// The first part of a long one has come. Whether the user is to be told.
    pub(super) fn begun(&mut self, seq: Seq) -> bool {
        self.keep_off(Span::one(seq));
        self.comes_back(Span::one(seq));
        let known = [&self.open, &self.done, &self.aside];
        let new = !known.iter().any(|known| known.contains(seq));
        if new {
            self.open.insert(Span::one(seq));
        }
        new
    }

    /// All of them has come.
    pub(super) fn arrived(&mut self, span: Span) {
        self.owed.insert(span);
    }

    /// A notice of so many lost messages has come, the last of which is at `seq`. How many the user
    /// is to be told of: that one may have been shown on an earlier link, or an earlier notice may
    /// have left out what a reader, who is gone now, had then.
    pub(super) fn lost(&mut self, seq: Seq, count: u64) -> u64 {
        self.aside.remove(Span::one(seq));
        let shown = self.told(Span::one(seq)).is_empty();
        let known = self.lost.get(&seq).copied().unwrap_or(shown.into());
        self.lost.insert(seq, known.max(count));
        count.saturating_sub(known)
    }

    /// The last part will not come: the user, who was told, is to be told again.
    pub(super) fn forget(&mut self, seq: Seq) {
        self.open.remove(Span::one(seq));
        self.done.remove(Span::one(seq));
        self.verdicts.remove(&seq);
    }

    /// The user has dealt with these. What to report now: all that is dealt with and was delivered
    /// on this link.
    pub(super) fn processed(&mut self, seqs: impl IntoIterator<Item = Seq>) -> Vec<Span> {
        for span in to_spans(seqs) {
            let known: Vec<Span> = self.open.within(span).collect();
            for span in known {
                self.open.remove(span);
                self.done.insert(span);
            }
        }
        self.report()
    }

    /// The user has dealt with this one and says more of it. What to report now.
    pub(super) fn judged(&mut self, seq: Seq, verdict: Disposition) -> Vec<Span> {
        if self.open.contains(seq) {
            self.verdicts.insert(seq, verdict);
        }
        self.processed([seq])
    }

    /// What the user said of one that is done.
    pub(super) fn verdict(&self, seq: Seq) -> Option<&Disposition> {
        if self.verdicts.is_empty() { None } else { self.verdicts.get(&seq) }
    }

    /// Of which more was said is reported alone.
    fn report(&mut self) -> Vec<Span> {
        let mut ready = Vec::new();
        for Span { mut first, last } in self.owed.iter().flat_map(|span| self.done.within(span)) {
            for (&seq, _) in self.verdicts.range(first..=last) {
                ready.extend((first < seq).then(|| Span { first, last: seq - 1 }));
                ready.push(Span::one(seq));
                first = seq + 1;
            }
            ready.extend((first <= last).then_some(Span { first, last }));
        }
        for span in &ready {
            self.owed.remove(*span);
            self.reported_count += span.count();
        }
        self.reported.extend(&ready);
        ready
    }

    /// The user gives these back: forgets those that were not delivered on this link, and are not
    /// under way on it. Which they are.
    pub(super) fn give_back(&mut self, seqs: Vec<Seq>, under_way: Option<Seq>) -> Vec<Seq> {
        let is_old = |seq: &Seq| {
            self.open.contains(*seq) && !self.owed.contains(*seq) && under_way != Some(*seq)
        };
        let old: Vec<Seq> = seqs.into_iter().filter(is_old).collect();
        old.iter().for_each(|seq| self.open.remove(Span::one(*seq)));
        old
    }

    /// These are not for this reader.
    pub(super) fn skipped(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        for span in to_spans(seqs) {
            let known: Vec<Span> = self.open.within(span).collect();
            for span in known {
                self.open.remove(span);
                self.aside.insert(span);
            }
        }
    }

    /// What to say now of what is not for this reader: all of it that was delivered on this link.
    pub(super) fn put_aside(&mut self) -> Vec<Span> {
        let ready: Vec<Span> = self.aside.iter().flat_map(|span| self.owed.within(span)).collect();
        for span in &ready {
            self.aside.remove(*span);
            self.owed.remove(*span);
        }
        ready
    }

    /// The server has recorded the first `count` of what was reported.
    pub(super) fn settled(&mut self, count: u32) {
        let mut count = u64::from(count);
        while count > 0
            && let Some(span) = self.reported.front_mut()
        {
            let taken = span.count().min(count);
            let settled = Span::of(span.first, taken);
            self.done.remove(settled);
            self.lost.retain(|seq, _| !settled.contains(*seq));
            self.verdicts.retain(|seq, _| !settled.contains(*seq));
            count -= taken;
            self.reported_count -= taken;
            if taken == span.count() {
                self.reported.pop_front();
            } else {
                span.first += taken;
            }
        }
    }

    /// What the user has of earlier links: told of, and not known to be recorded.
    pub(super) fn held(&self) -> Vec<Span> {
        let mut held = self.open.clone();
        self.done.iter().for_each(|span| held.insert(span));
        held.iter().take(SPANS_MAX).collect()
    }

    pub(super) fn caught_up(&mut self) {
        self.caught_up = true;
    }

    /// When all that is unprocessed has been delivered on this link, what is done and was not among
    /// it is recorded: on an earlier link, or by another reader. Whether anything was.
    pub(super) fn recorded(&mut self) -> bool {
        if !self.caught_up || self.done.count() == self.reported_count {
            return false;
        }
        let before = self.done.count();
        let mut still = SeqSet::default();
        let known = self.owed.iter().chain(self.reported.iter().copied());
        for span in known.flat_map(|span| self.done.within(span)) {
            still.insert(span);
        }
        let done = std::mem::replace(&mut self.done, still);
        for span in done.iter().flat_map(|span| self.done.missing(span)) {
            self.over.insert(span);
        }
        while self.over.len() > PRESUMED_SPANS_MAX {
            let Some(oldest) = self.over.iter().next() else { break };
            self.over.remove(oldest);
        }
        self.lost.retain(|seq, _| self.done.contains(*seq) || self.over.contains(*seq));
        self.verdicts.retain(|seq, _| self.done.contains(*seq));
        self.done.count() < before
    }

    /// What is delivered was not recorded, if it was taken to be.
    fn comes_back(&mut self, span: Span) {
        if self.over.is_empty() {
            return;
        }
        let back: Vec<Span> = self.over.within(span).collect();
        for span in back {
            self.over.remove(span);
            self.done.insert(span);
        }
    }

    /// The link is gone.
    pub(super) fn rewind(&mut self) {
        self.aside.clear();
        if let Floor::First(floor) = self.floor {
            self.floor = Floor::Later(floor);
        }
        self.owed.clear();
        self.reported.clear();
        self.reported_count = 0;
        self.caught_up = false;
    }

    /// Whether the user has something to deal with.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Dealt with and not recorded.
    pub(super) fn pending(&self) -> usize {
        self.done.count() as usize
    }
}
