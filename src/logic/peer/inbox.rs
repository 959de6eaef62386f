//! A reader's deliveries: shown to the user once, however often they come, and acked to the server.

use crate::durable::Disposition;
use crate::wire::{
    Body, Bundle, FromClient, Note, REASON_LEN_MAX, SPANS_MAX, Seq, Span, Start, Target,
};

use super::dedup::Dedup;
use super::io::{Event, PeerOutput, VOLATILE};
use crate::logic::prefetch::Prefetch;

/// The deliveries of one reader.
pub(super) struct DeliveryInbox {
    /// `None`: this client reads nothing.
    prefetch: Option<Prefetch>,
    dedup: Dedup,
    /// Volatile messages of this link that the user has not acked.
    volatile_unacked: u32,
    /// True until the reader has caught up for the first time: more of its backlog may come.
    expects_backlog: bool,
}

impl DeliveryInbox {
    pub(super) fn new(prefetch: Option<Prefetch>) -> Self {
        let (start, share) =
            prefetch.map_or((Start::Unacked, false), |prefetch| (prefetch.start, prefetch.share));
        let dedup = Dedup::new(start, share);
        Self { prefetch, dedup, volatile_unacked: 0, expects_backlog: prefetch.is_some() }
    }

    /// The number of acks that the server has not recorded.
    pub(super) fn pending(&self) -> usize {
        self.dedup.pending()
    }

    /// True when the user has nothing to ack and has not received the whole backlog.
    pub(super) fn awaits_backlog(&self) -> bool {
        let is_idle = self.volatile_unacked == 0 && !self.dedup.has_unacked();
        self.expects_backlog && is_idle
    }

    /// Subscribes on a new link where the previous one ended.
    pub(super) fn subscribe(&self, out: &mut Vec<PeerOutput>) {
        let Some(Prefetch { messages, bytes, start, share }) = self.prefetch else { return };
        let held = if share { self.dedup.held() } else { Vec::new() };
        if !held.is_empty() {
            out.push(PeerOutput::Frame(FromClient::Resume(held)));
        }
        let start = self.dedup.next_start(start);
        out.push(PeerOutput::Frame(FromClient::Subscribe { messages, bytes, start, share }));
    }

    /// Shows the messages of a bundle to the user, except those shown before.
    pub(super) fn deliver(&mut self, seq: Seq, bundle: &Bundle, out: &mut Vec<PeerOutput>) {
        let mut shown = 0;
        for Span { first, last } in self.dedup.deliver(Span::starting_at(seq, bundle.count())) {
            shown += last - first + 1;
            let bundle = bundle.slice(first - seq, last - first + 1);
            out.push(PeerOutput::Event(Event::Messages { seq: first, bundle }));
        }
        if shown < bundle.count() {
            self.send_due(out);
        }
    }

    /// Records volatile messages, which the user is always shown.
    pub(super) fn deliver_volatile(&mut self, count: u64) {
        self.volatile_unacked += count as u32;
    }

    /// Records the first chunk of a long message. Returns true if the user is to be shown it.
    pub(super) fn begin_body(&mut self, seq: Seq) -> bool {
        self.dedup.begin_body(seq)
    }

    /// Records that a long message is whole.
    pub(super) fn complete_body(&mut self, seq: Seq, out: &mut Vec<PeerOutput>) {
        if seq != VOLATILE {
            self.dedup.complete_body(seq);
            self.send_due(out);
        }
    }

    /// Forgets a long message of which the user was shown a part and whose rest will not come.
    pub(super) fn abort_body(&mut self, seq: Seq) {
        if seq == VOLATILE {
            self.volatile_unacked = self.volatile_unacked.saturating_sub(1);
        } else {
            self.dedup.abort_body(seq);
        }
    }

    /// Tells the user of lost messages it was not told of yet, and acks the notice at once.
    pub(super) fn gap(&mut self, seq: Seq, to: Target, count: u64, out: &mut Vec<PeerOutput>) {
        // No server uses this seq.
        if seq == Seq::MAX {
            return;
        }
        let count = self.dedup.record_gap(seq, count);
        if count > 0 {
            out.push(PeerOutput::Event(Event::Gap { to, count }));
        }
        self.dedup.ack([seq]);
        self.send_acks(out);
    }

    /// Acks deliveries, volatile ones among them. Volatile messages of earlier links need no ack.
    pub(super) fn ack(&mut self, seqs: Vec<Seq>, out: &mut Vec<PeerOutput>) {
        let volatile = seqs.iter().filter(|seq| **seq == VOLATILE).count();
        let count = self.volatile_unacked.min(volatile as u32);
        if count > 0 {
            self.volatile_unacked -= count;
            out.push(PeerOutput::Frame(FromClient::AckVolatile { count }));
        }
        self.dedup.ack(seqs.into_iter().filter(|seq| *seq != VOLATILE));
        self.send_acks(out);
        self.tell_recorded(out);
    }

    /// Acks a stored message with a reply or a rejection.
    pub(super) fn ack_with(
        &mut self,
        seq: Seq,
        disposition: Disposition,
        out: &mut Vec<PeerOutput>,
    ) {
        if seq != VOLATILE {
            self.dedup.ack_with(seq, disposition);
            self.send_acks(out);
            self.tell_recorded(out);
        }
    }

    /// Releases deliveries to other readers.
    pub(super) fn release(&mut self, seqs: Vec<Seq>, out: &mut Vec<PeerOutput>) {
        self.dedup.release(seqs);
        self.send_due(out);
    }

    /// Takes back deliveries of earlier links, except the one whose body is `under_way` on this
    /// link.
    pub(super) fn take_back(
        &mut self,
        seqs: Vec<Seq>,
        under_way: Option<Seq>,
        out: &mut Vec<PeerOutput>,
    ) {
        let seqs = self.dedup.forget_undelivered(seqs, under_way);
        out.push(PeerOutput::Event(Event::Returned(seqs)));
    }

    /// Tells the user that the server has recorded `count` more acks.
    pub(super) fn ack_recorded(&mut self, count: u32, out: &mut Vec<PeerOutput>) {
        self.dedup.record_acks(count);
        out.push(PeerOutput::Event(Event::AckRecorded { pending: self.dedup.pending() }));
    }

    /// Tells the user that the whole backlog has come.
    pub(super) fn caught_up(&mut self, out: &mut Vec<PeerOutput>) {
        self.expects_backlog = false;
        self.dedup.caught_up();
        self.tell_recorded(out);
        out.push(PeerOutput::Event(Event::CaughtUp));
    }

    /// Forgets the state of the lost link.
    pub(super) fn link_lost(&mut self) {
        self.dedup.link_lost();
        self.volatile_unacked = 0;
    }

    /// Tells the user of acks that are presumed recorded.
    fn tell_recorded(&mut self, out: &mut Vec<PeerOutput>) {
        if self.dedup.presume_recorded() {
            out.push(PeerOutput::Event(Event::AckRecorded { pending: self.dedup.pending() }));
        }
    }

    /// Sends the acks and releases that are due.
    fn send_due(&mut self, out: &mut Vec<PeerOutput>) {
        self.send_acks(out);
        let released = self.dedup.take_due_releases();
        let frames = released.chunks(SPANS_MAX).map(|spans| FromClient::Release(spans.to_vec()));
        out.extend(frames.map(PeerOutput::Frame));
    }

    fn send_acks(&mut self, out: &mut Vec<PeerOutput>) {
        let spans = self.dedup.take_due_acks();
        let disposition = |span: &Span| self.dedup.disposition(span.first);
        let are_plain = |one: &Span, next: &Span| disposition(one).or(disposition(next)).is_none();
        for spans in spans.chunk_by(are_plain) {
            let first = spans.first().and_then(|span| Some((span.first, disposition(span)?)));
            if let Some((seq, disposition)) = first {
                out.extend(disposition_frame(seq, disposition).map(PeerOutput::Frame));
                continue;
            }
            let frames = spans.chunks(SPANS_MAX).map(|spans| FromClient::Ack(spans.to_vec()));
            out.extend(frames.map(PeerOutput::Frame));
        }
    }
}

/// The frame that acks a message with the user's disposition.
fn disposition_frame(seq: Seq, disposition: &Disposition) -> Option<FromClient> {
    match disposition.clone() {
        Disposition::Replied(reply) => Some(FromClient::Reply { seq, reply }),
        Disposition::Rejected { attempts, reason } => {
            Some(FromClient::Reject { seq, attempts, reason })
        }
        // Only servers record this disposition.
        Disposition::Expired => None,
    }
}

/// The first [`REASON_LEN_MAX`] bytes of a reason.
pub(super) fn shortened(reason: Note) -> Note {
    let body = reason.body();
    if body.len() <= REASON_LEN_MAX {
        return reason;
    }
    // A part of a note is short enough to be a note.
    Note::new(Body(body.0.slice(..REASON_LEN_MAX))).unwrap_or_default()
}
