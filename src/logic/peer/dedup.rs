//! Dedup of redeliveries: the deliveries that the user was shown, and the state of their acks.

use std::collections::{BTreeMap, VecDeque};

use crate::durable::Disposition;
use crate::wire::{SPANS_MAX, Seq, Span, Start};

use crate::logic::limits::PRESUMED_SPANS_MAX;
use crate::logic::seqs::set::{SeqSet, to_spans};

/// The state of a reader's deliveries, across links.
///
/// A delivery is `unacked` from the moment the user is shown it until the user acks it, then
/// `acked` until the server has recorded the ack. The server bounds both: it delivers the oldest
/// first, and no more unacked ones than the prefetch. A delivery that the user releases is
/// `released` until the server is told, and then forgotten, as if it had not been delivered.
#[derive(Default)]
pub(super) struct Dedup {
    unacked: SeqSet,
    acked: SeqSet,
    released: SeqSet,
    /// Acked deliveries whose acks are presumed to be recorded: a later link delivered everything
    /// unacked, and they were not among it. Such a delivery may come again if another reader had
    /// it, or if the server died before the ack was on disk. The user is not shown it again.
    presumed: SeqSet,
    /// Gap notices among `unacked`, `acked` and `presumed`: for each, the number of lost messages
    /// that the user was told of or was shown.
    gaps: BTreeMap<Seq, u64>,
    /// Replies and rejections that the user acked deliveries with.
    dispositions: BTreeMap<Seq, Disposition>,
    /// Deliveries of this link for which neither ack nor release was sent.
    unanswered: SeqSet,
    /// Acks sent on this link and not recorded, in order.
    sent: VecDeque<Span>,
    sent_count: u64,
    /// Everything unacked has been delivered on this link.
    is_caught_up: bool,
    floor: ReplayFloor,
    shares: bool,
}

/// The lowest seq of a reader that did not begin at its first unacked message. Deliveries below it,
/// which later links bring, are not for this reader.
#[derive(Clone, Copy, Default)]
enum ReplayFloor {
    /// No floor: the reader began at the first unacked message, or shares and takes messages that
    /// others release.
    #[default]
    None,
    /// Nothing was delivered yet: the next link begins at the same place.
    Unknown,
    /// The lowest seq so far, on the first link with a delivery.
    Settling(Seq),
    /// The lowest seq of that link, which is lost now.
    Fixed(Seq),
}

impl Dedup {
    /// The state of a reader that has had no deliveries. `start`: where its first link begins.
    pub(super) fn new(start: Start, shares: bool) -> Self {
        let floor = match start {
            Start::Unacked => ReplayFloor::None,
            Start::Since(_) | Start::After(_) => ReplayFloor::Unknown,
        };
        Self { floor, shares, ..Self::default() }
    }

    /// The start of the next link; `wanted` is the start that the user asked for on the first one.
    pub(super) fn next_start(&self, wanted: Start) -> Start {
        if let ReplayFloor::Unknown = self.floor { wanted } else { Start::Unacked }
    }

    /// Releases the part of a delivery that is below the floor.
    fn release_below_floor(&mut self, span: Span) {
        match self.floor {
            ReplayFloor::Unknown if self.shares => self.floor = ReplayFloor::None,
            ReplayFloor::Unknown => self.floor = ReplayFloor::Settling(span.first),
            ReplayFloor::Settling(floor) => {
                self.floor = ReplayFloor::Settling(floor.min(span.first));
            }
            ReplayFloor::Fixed(floor) if span.first < floor => {
                self.released.insert(Span { first: span.first, last: span.last.min(floor - 1) });
            }
            ReplayFloor::Fixed(_) | ReplayFloor::None => {}
        }
    }

    /// Records deliveries. Returns the parts that the user has not been shown.
    pub(super) fn deliver(&mut self, span: Span) -> Vec<Span> {
        self.release_below_floor(span);
        self.record(span)
    }

    fn record(&mut self, span: Span) -> Vec<Span> {
        self.unanswered.insert(span);
        self.restore_presumed(span);
        let mut new = self.unacked.missing(span);
        for known in [&self.acked, &self.released] {
            if !known.is_empty() {
                new = new.into_iter().flat_map(|span| known.missing(span)).collect();
            }
        }
        new.iter().for_each(|span| self.unacked.insert(*span));
        new
    }

    /// Records the first chunk of a long message. Returns true if the user is to be shown it.
    pub(super) fn begin_body(&mut self, seq: Seq) -> bool {
        self.release_below_floor(Span::one(seq));
        self.restore_presumed(Span::one(seq));
        let known = [&self.unacked, &self.acked, &self.released];
        let is_new = !known.iter().any(|known| known.contains(seq));
        if is_new {
            self.unacked.insert(Span::one(seq));
        }
        is_new
    }

    /// Records the last chunk of a long message. Only then may it be acked: the server may abort
    /// the body before.
    pub(super) fn complete_body(&mut self, seq: Seq) {
        self.unanswered.insert(Span::one(seq));
    }

    /// Forgets a long message whose body was aborted: it is shown again when it is delivered again.
    pub(super) fn abort_body(&mut self, seq: Seq) {
        self.unacked.remove(Span::one(seq));
        self.acked.remove(Span::one(seq));
        self.dispositions.remove(&seq);
    }

    /// Records a gap notice for `count` lost messages, the last of which had this seq. Returns the
    /// number of messages that the user was not told of yet. Some may be known: the last one was
    /// shown on an earlier link, or an earlier notice left out those that another reader had.
    pub(super) fn record_gap(&mut self, seq: Seq, count: u64) -> u64 {
        self.released.remove(Span::one(seq));
        let was_shown = self.record(Span::one(seq)).is_empty();
        let known = self.gaps.get(&seq).copied().unwrap_or(was_shown.into());
        self.gaps.insert(seq, known.max(count));
        count.saturating_sub(known)
    }

    /// Records the user's acks.
    pub(super) fn ack(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        for span in self.take_unacked(seqs) {
            self.acked.insert(span);
        }
    }

    /// Records the user's ack of one delivery, with a reply or rejection.
    pub(super) fn ack_with(&mut self, seq: Seq, disposition: Disposition) {
        if self.unacked.contains(seq) {
            self.dispositions.insert(seq, disposition);
        }
        self.ack([seq]);
    }

    /// Records that the user releases these deliveries.
    pub(super) fn release(&mut self, seqs: impl IntoIterator<Item = Seq>) {
        for span in self.take_unacked(seqs) {
            self.released.insert(span);
        }
    }

    fn take_unacked(&mut self, seqs: impl IntoIterator<Item = Seq>) -> Vec<Span> {
        let spans = to_spans(seqs).into_iter();
        let known: Vec<Span> = spans.flat_map(|span| self.unacked.within(span)).collect();
        known.iter().for_each(|span| self.unacked.remove(*span));
        known
    }

    /// The reply or rejection that the user acked a delivery with.
    pub(super) fn disposition(&self, seq: Seq) -> Option<&Disposition> {
        if self.dispositions.is_empty() { None } else { self.dispositions.get(&seq) }
    }

    /// Returns the acks of this link's deliveries that are due, and marks them as sent. A delivery
    /// with a disposition is a span of its own.
    pub(super) fn take_due_acks(&mut self) -> Vec<Span> {
        let mut due = Vec::new();
        let acked = self.unanswered.iter().flat_map(|span| self.acked.within(span));
        for Span { mut first, last } in acked {
            for (&seq, _) in self.dispositions.range(first..=last) {
                due.extend((first < seq).then(|| Span { first, last: seq - 1 }));
                due.push(Span::one(seq));
                first = seq + 1;
            }
            due.extend((first <= last).then_some(Span { first, last }));
        }
        for span in &due {
            self.unanswered.remove(*span);
            self.sent_count += span.count();
        }
        self.sent.extend(&due);
        due
    }

    /// Returns the releases of this link's deliveries that are due, and forgets these deliveries.
    pub(super) fn take_due_releases(&mut self) -> Vec<Span> {
        let released = self.released.iter();
        let due: Vec<Span> = released.flat_map(|span| self.unanswered.within(span)).collect();
        for span in &due {
            self.released.remove(*span);
            self.unanswered.remove(*span);
        }
        due
    }

    /// Forgets those of the given deliveries that came on an earlier link and are not `under_way`
    /// on this one. Returns them.
    pub(super) fn forget_undelivered(
        &mut self,
        seqs: Vec<Seq>,
        under_way: Option<Seq>,
    ) -> Vec<Seq> {
        let is_old = |seq: &Seq| {
            self.unacked.contains(*seq)
                && !self.unanswered.contains(*seq)
                && under_way != Some(*seq)
        };
        let old: Vec<Seq> = seqs.into_iter().filter(is_old).collect();
        old.iter().for_each(|seq| self.unacked.remove(Span::one(*seq)));
        old
    }

    /// Records that the server has recorded the first `count` sent acks.
    pub(super) fn record_acks(&mut self, count: u32) {
        let mut count = u64::from(count);
        while count > 0
            && let Some(span) = self.sent.front_mut()
        {
            let taken = span.count().min(count);
            let recorded = Span::starting_at(span.first, taken);
            self.acked.remove(recorded);
            self.gaps.retain(|seq, _| !recorded.contains(*seq));
            self.dispositions.retain(|seq, _| !recorded.contains(*seq));
            count -= taken;
            self.sent_count -= taken;
            if taken == span.count() {
                self.sent.pop_front();
            } else {
                span.first += taken;
            }
        }
    }

    /// Deliveries of earlier links that the user was shown and whose acks are not recorded: at most
    /// [`SPANS_MAX`] spans.
    pub(super) fn held(&self) -> Vec<Span> {
        let mut held = self.unacked.clone();
        self.acked.iter().for_each(|span| held.insert(span));
        held.iter().take(SPANS_MAX).collect()
    }

    /// Records that everything unacked has been delivered on this link.
    pub(super) fn caught_up(&mut self) {
        self.is_caught_up = true;
    }

    /// Once caught up, presumes that every ack is recorded whose delivery did not come on this
    /// link: the server recorded it on an earlier link, or another reader acked it. Returns true if
    /// there was any.
    pub(super) fn presume_recorded(&mut self) -> bool {
        if !self.is_caught_up || self.acked.count() == self.sent_count {
            return false;
        }
        let before = self.acked.count();
        let mut delivered = SeqSet::default();
        let known = self.unanswered.iter().chain(self.sent.iter().copied());
        for span in known.flat_map(|span| self.acked.within(span)) {
            delivered.insert(span);
        }
        let acked = std::mem::replace(&mut self.acked, delivered);
        for span in acked.iter().flat_map(|span| self.acked.missing(span)) {
            self.presumed.insert(span);
        }
        while self.presumed.len() > PRESUMED_SPANS_MAX {
            let Some(oldest) = self.presumed.iter().next() else { break };
            self.presumed.remove(oldest);
        }
        self.gaps.retain(|seq, _| self.acked.contains(*seq) || self.presumed.contains(*seq));
        self.dispositions.retain(|seq, _| self.acked.contains(*seq));
        self.acked.count() < before
    }

    /// Makes deliveries acked again whose acks were wrongly presumed recorded.
    fn restore_presumed(&mut self, span: Span) {
        if self.presumed.is_empty() {
            return;
        }
        let back: Vec<Span> = self.presumed.within(span).collect();
        for span in back {
            self.presumed.remove(span);
            self.acked.insert(span);
        }
    }

    /// Forgets the state of the lost link.
    pub(super) fn link_lost(&mut self) {
        self.released.clear();
        if let ReplayFloor::Settling(floor) = self.floor {
            self.floor = ReplayFloor::Fixed(floor);
        }
        self.unanswered.clear();
        self.sent.clear();
        self.sent_count = 0;
        self.is_caught_up = false;
    }

    /// True when the user has deliveries to ack.
    pub(super) fn has_unacked(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// The number of acks that the server has not recorded.
    pub(super) fn pending(&self) -> usize {
        self.acked.count() as usize
    }
}
