//! Acks on their way to the store.

use std::collections::VecDeque;

use crate::durable::{Disposition, StoredCursor, Write};
use crate::wire::{Seq, Span, Target, UserId};

use super::io::LinkId;
use crate::logic::seqs::unacked::Delivery;

/// Disposition of a message, and when it was decided, in milliseconds since 1970.
pub(super) type Decided = (Seq, Disposition, u64);

/// Messages of one log that are acked with one write.
#[derive(Default)]
pub(super) struct LogAck {
    /// Number of messages that count in quotas, and their bytes.
    messages: u64,
    bytes: u64,
    spans: Vec<Span>,
    dispositions: Vec<Decided>,
}

/// Messages acked for the first time, for the senders who track them.
pub(super) struct AckedMessages {
    pub(super) log: Target,
    pub(super) spans: Vec<Span>,
    pub(super) dispositions: Vec<Decided>,
    /// Time of the ack, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

impl LogAck {
    /// Adds the spans of a delivery, which begins at `first`, that were acked for the first time.
    pub(super) fn add_delivery(
        &mut self,
        (first, delivery): (Seq, &Delivery),
        spans: Vec<Span>,
        decided: Option<(Disposition, u64)>,
    ) {
        if !delivery.counts_in_quotas() {
            return;
        }
        self.messages += spans.iter().map(|span| span.count()).sum::<u64>();
        self.bytes += spans.iter().map(|span| delivery.len_bytes(first, *span)).sum::<u64>();
        if let Some(Span { first: seq, .. }) = spans.first() {
            let decided = decided.map(|(disposition, at_ms)| (*seq, disposition, at_ms));
            self.dispositions.extend(decided);
            self.spans.extend(spans);
        }
    }

    /// Adds messages that expired before they were delivered.
    pub(super) fn add_expired(&mut self, span: Span, bytes: u64, at_ms: u64) {
        self.messages += span.count();
        self.bytes += bytes;
        let seqs = span.first..=span.last;
        self.dispositions.extend(seqs.map(|seq| (seq, Disposition::Expired, at_ms)));
        self.spans.push(span);
    }

    /// Returns the write that records the ack, and the acked messages for the senders who track
    /// them.
    pub(super) fn into_write(
        self,
        (user, log): (UserId, Target),
        cursor: StoredCursor,
        at_ms: u64,
    ) -> (Write, AckedMessages) {
        let Self { messages, bytes, spans, dispositions: verdicts } = self;
        let (heard, dispositions) = (log.clone(), verdicts.clone());
        let acked = AckedMessages { log: heard, spans, dispositions, at_ms };
        (Write::Ack { user, log, cursor, messages, bytes, verdicts }, acked)
    }
}

/// Number of a mailbox's acks on their way to the store, and readers that have caught up.
///
/// The client of such a reader is told only after all earlier acks are recorded: it concludes from
/// the messages that did not come again which of its acks the server has.
#[derive(Default)]
pub(super) struct AckProgress {
    under_way: u64,
    recorded: u64,
    /// Readers that have caught up, each with the number of acks to be recorded before it is told.
    caught_up: VecDeque<(u64, LinkId)>,
}

impl AckProgress {
    pub(super) fn is_idle(&self) -> bool {
        self.under_way == 0
    }

    /// Counts a write.
    pub(super) fn begin(&mut self) {
        self.under_way += 1;
    }

    /// Counts the answer to a write.
    pub(super) fn record(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
        self.recorded += 1;
    }

    /// Notes that a reader has caught up.
    pub(super) fn add_caught_up(&mut self, link: LinkId) {
        self.caught_up.push_back((self.recorded + self.under_way, link));
    }

    /// Returns the next reader that may be told that it has caught up.
    pub(super) fn next_caught_up(&mut self) -> Option<LinkId> {
        let is_due = self.caught_up.front().is_some_and(|(at, _)| *at <= self.recorded);
        if is_due { self.caught_up.pop_front().map(|(_, link)| link) } else { None }
    }
}
