//! What a client tells its user of sends and deliveries, and reports of the latter.

use crate::durable::Disposition;
use crate::wire::{
    Body, Bundle, FromClient, MsgId, Note, REASON_LEN_MAX, Refusal, SPANS_MAX, Seq, Span, Target,
};

use super::io::{Event, PeerOutput, VOLATILE};
use super::machine::Peer;
use crate::logic::limits::Time;

impl Peer {
    /// Messages have their answer, which makes room for others.
    pub(super) fn sent(
        &mut self,
        (id, count): (MsgId, u32),
        event: impl FnOnce(u32) -> Event,
        out: &mut Vec<PeerOutput>,
    ) {
        let count = self.outbox.answered(id, count);
        if count > 0 {
            self.parts.stop(id, out);
            self.send(out);
            out.push(PeerOutput::Event(event(count)));
        }
    }

    /// Sends what there is to send, as far as the server allows it.
    pub(super) fn send(&mut self, out: &mut Vec<PeerOutput>) {
        let Some(allowed) = self.allowed() else { return };
        while self.parts.send(out)
            && let Some(next) = self.outbox.next_frame(&allowed)
        {
            out.push(match next {
                Ok((draft, frame)) => {
                    self.parts.begin(&draft);
                    PeerOutput::Frame(frame)
                }
                Err((id, max)) => {
                    let why = Refusal::BodyTooLong { max };
                    PeerOutput::Event(Event::Refused { id, count: 1, why })
                }
            });
        }
    }

    /// Tells of deliveries, but not of those that the user has been told of.
    pub(super) fn deliver(&mut self, seq: Seq, bundle: Bundle, out: &mut Vec<PeerOutput>) {
        // No server counts as far as seqs go.
        if seq.checked_add(bundle.count()).is_none() {
            return;
        }
        if bundle.first.is_long() {
            return self.begun(seq, bundle.first, out);
        }
        let span = Span::of(seq, bundle.count());
        let news = self.shown.delivered(span);
        let mut told = 0;
        for Span { first, last } in news {
            told += last - first + 1;
            let bundle = bundle.slice(first - seq, last - first + 1);
            out.push(PeerOutput::Event(Event::Messages { seq: first, bundle }));
        }
        if told < bundle.count() {
            self.report_known(out);
        }
    }

    /// Tells of volatile messages.
    pub(super) fn pass(&mut self, bundle: Bundle, out: &mut Vec<PeerOutput>) {
        self.passed += bundle.count() as u32;
        self.parts.receive(VOLATILE, &bundle.first, true);
        out.push(PeerOutput::Event(Event::Messages { seq: VOLATILE, bundle }));
    }

    /// A notice of lost messages is told of, if need be, and reported at once.
    pub(super) fn lost(&mut self, seq: Seq, to: Target, count: u64, out: &mut Vec<PeerOutput>) {
        if seq == Seq::MAX {
            return;
        }
        let count = self.shown.lost(seq, count);
        if count > 0 {
            out.push(PeerOutput::Event(Event::Gap { to, count }));
        }
        let report = self.shown.processed([seq]);
        self.report(&report, out);
    }

    /// Tells of what needs no report any more.
    pub(super) fn recorded(&mut self, out: &mut Vec<PeerOutput>) {
        if self.shown.recorded() {
            let pending = self.shown.pending();
            out.push(PeerOutput::Event(Event::AckRecorded { pending }));
        }
    }

    /// Confirms volatile messages. Those of an earlier link need it no more.
    pub(super) fn take(&mut self, seqs: &[Seq], out: &mut Vec<PeerOutput>) {
        let dealt_with = seqs.iter().filter(|seq| **seq == VOLATILE).count();
        let count = self.passed.min(dealt_with as u32);
        if count > 0 && self.is_greeted() {
            self.passed -= count;
            out.push(PeerOutput::Frame(FromClient::AckVolatile { count }));
        }
    }

    /// The user has dealt with a stored message and says more of it.
    pub(super) fn judge(
        &mut self,
        now: Time,
        seq: Seq,
        verdict: Disposition,
        out: &mut Vec<PeerOutput>,
    ) {
        if seq == VOLATILE {
            return;
        }
        self.awaits(now);
        let report = self.shown.judged(seq, verdict);
        self.report(&report, out);
        self.recorded(out);
    }

    /// Reports what has come and was known to the user before.
    pub(super) fn report_known(&mut self, out: &mut Vec<PeerOutput>) {
        let report = self.shown.processed([]);
        self.report(&report, out);
        let aside = self.shown.put_aside();
        let parts = aside.chunks(SPANS_MAX);
        out.extend(parts.map(|part| PeerOutput::Frame(FromClient::Release(part.to_vec()))));
    }

    pub(super) fn report(&self, spans: &[Span], out: &mut Vec<PeerOutput>) {
        let said = |span: &Span| self.shown.verdict(span.first);
        for alike in spans.chunk_by(|one, next| said(one).or(said(next)).is_none()) {
            let verdict = alike.first().and_then(|span| Some((span.first, said(span)?)));
            if let Some((seq, verdict)) = verdict {
                out.extend(judgement(seq, verdict).map(PeerOutput::Frame));
                continue;
            }
            let parts = alike.chunks(SPANS_MAX);
            out.extend(parts.map(|part| PeerOutput::Frame(FromClient::Ack(part.to_vec()))));
        }
    }
}

/// The frame that says what the user said of a message.
fn judgement(seq: Seq, verdict: &Disposition) -> Option<FromClient> {
    match verdict.clone() {
        Disposition::Replied(reply) => Some(FromClient::Reply { seq, reply }),
        Disposition::Rejected { attempts, reason } => {
            Some(FromClient::Reject { seq, attempts, reason })
        }
        // Only a server says so.
        Disposition::Expired => None,
    }
}

/// What of a reason goes on its way.
pub(super) fn shortened(reason: Note) -> Note {
    let body = reason.body();
    if body.len() <= REASON_LEN_MAX {
        return reason;
    }
    // A part of a note is short enough for one.
    Note::new(Body(body.0.slice(..REASON_LEN_MAX))).unwrap_or_default()
}
