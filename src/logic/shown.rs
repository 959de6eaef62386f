//! What a reader has been told of, so that it is told once, however often it is delivered.

use std::collections::{BTreeMap, VecDeque};

use crate::durable::Verdict;
use crate::wire::{Seq, Span};

use super::spans::{Spans, joined};

/// A delivery is `open` from the moment the user is told of it until the user has dealt with it,
/// then `done` until the server has recorded that. Both are bounded by the server: it offers the
/// oldest first, and no more than the window unsettled.
#[derive(Default)]
pub(super) struct Shown {
    open: Spans,
    done: Spans,
    /// Of both, those told as lost: how many messages of each the user knows to be lost, or has.
    lost: BTreeMap<Seq, u64>,
    /// Of those done, what the user said of some besides.
    verdicts: BTreeMap<Seq, Verdict>,
    /// Delivered on this link and not reported on it.
    owed: Spans,
    /// Reported on this link, in order, not settled.
    reported: VecDeque<Span>,
    reported_count: u64,
    /// All that was unprocessed has been delivered on this link.
    caught_up: bool,
}

impl Shown {
    /// Deliveries have come. Those that the user is to be told of.
    pub(super) fn delivered(&mut self, span: Span) -> Vec<Span> {
        self.arrived(span);
        let mut news = self.open.missing(span);
        if !self.done.is_empty() {
            news = news.into_iter().flat_map(|span| self.done.missing(span)).collect();
        }
        for span in &news {
            self.open.insert(*span);
        }
        news
    }

    /// The first part of a long one has come. Whether the user is to be told.
    pub(super) fn begun(&mut self, seq: Seq) -> bool {
        let new = !self.open.contains(seq) && !self.done.contains(seq);
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
        let shown = self.delivered(Span::one(seq)).is_empty();
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
        for span in joined(seqs) {
            let known: Vec<Span> = self.open.within(span).collect();
            for span in known {
                self.open.remove(span);
                self.done.insert(span);
            }
        }
        self.report()
    }

    /// The user has dealt with this one and says more of it. What to report now.
    pub(super) fn judged(&mut self, seq: Seq, verdict: Verdict) -> Vec<Span> {
        if self.open.contains(seq) {
            self.verdicts.insert(seq, verdict);
        }
        self.processed([seq])
    }

    /// What the user said of one that is done.
    pub(super) fn verdict(&self, seq: Seq) -> Option<&Verdict> {
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

    /// The server has recorded the first `count` of what was reported.
    pub(super) fn settled(&mut self, count: u32) {
        let mut count = u64::from(count);
        while count > 0
            && let Some(span) = self.reported.front_mut()
        {
            let taken = span.count().min(count);
            let settled = Span { first: span.first, last: span.first + (taken - 1) };
            self.done.remove(settled);
            self.lost.retain(|seq, _| !(settled.first..=settled.last).contains(seq));
            self.verdicts.retain(|seq, _| !(settled.first..=settled.last).contains(seq));
            count -= taken;
            self.reported_count -= taken;
            if taken == span.count() {
                self.reported.pop_front();
            } else {
                span.first += taken;
            }
        }
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
        let mut still = Spans::default();
        let known = self.owed.iter().chain(self.reported.iter().copied());
        for span in known.flat_map(|span| self.done.within(span)) {
            still.insert(span);
        }
        self.done = still;
        self.lost.retain(|seq, _| self.done.contains(*seq));
        self.verdicts.retain(|seq, _| self.done.contains(*seq));
        self.done.count() < before
    }

    /// The link is gone.
    pub(super) fn rewind(&mut self) {
        self.owed.clear();
        self.reported.clear();
        self.reported_count = 0;
        self.caught_up = false;
    }

    /// Dealt with and not recorded.
    pub(super) fn pending(&self) -> usize {
        self.done.count() as usize
    }
}
