//! A client's long bodies: the parts of its drafts on their way out, those of messages on their way
//! in.

use crate::wire::{
    Bodies, Body, CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX, FromClient, Message, MsgId, Piece, Seq, Span,
    chunk_len,
};

use super::io::{Event, PeerOutput, VOLATILE};
use super::machine::Peer;
use super::outbox::Draft;

/// What is under way of long bodies, in both directions.
#[derive(Default)]
pub(super) struct Chunks {
    /// The draft whose head is out and whose parts are not. The heads of others wait.
    sending: Option<Sending>,
    /// Sent on this link and not made up for by `More`.
    ahead: u32,
    /// Since the last body that has its answer: parts that the server has taken on this link, and
    /// the most that it has taken on any.
    taken: u64,
    taken_max: u64,
    /// Asked of the user and of no use any more. The user answers in order, so these come first.
    stale: u64,
    bodies: Bodies,
    receiving: Option<Receiving>,
    /// Told on this link, and the user has not dealt with them.
    told: u32,
    /// The same of earlier links; these come first.
    told_before: u32,
}

struct Sending {
    id: MsgId,
    size: u64,
    /// All of it, if it is in memory. Otherwise the user is asked for parts.
    whole: Option<Body>,
    /// The next part to send, and the next to ask for.
    next: u64,
    asked: u64,
}

struct Receiving {
    seq: Seq,
    /// The user is told of it; not so of what was shown on an earlier link.
    told: bool,
}

impl Sending {
    fn new(draft: &Draft) -> Option<Self> {
        let whole = (draft.body.len() as u64 == draft.size).then(|| draft.body.clone());
        let is_long = draft.size > CHUNK_LEN_MAX as u64;
        is_long.then_some(Self { id: draft.id, size: draft.size, whole, next: 1, asked: 1 })
    }

    /// How many parts it has, the first one included.
    fn count(&self) -> u64 {
        self.size.div_ceil(CHUNK_LEN_MAX as u64)
    }

    /// Where a part is in the body.
    fn range(&self, index: u64) -> (u64, usize) {
        let start = index * CHUNK_LEN_MAX as u64;
        (start, chunk_len(self.size.saturating_sub(start)))
    }

    /// Asked of the user and not answered.
    fn open(&self) -> u64 {
        self.asked - self.next
    }
}

impl Chunks {
    /// The head of a draft is out.
    pub(super) fn begin(&mut self, draft: &Draft) {
        self.sending = Sending::new(draft);
    }

    /// Sends the parts that are at hand and asks for the others, as far as the server allows. When
    /// it returns `true` the last part is out.
    pub(super) fn send(&mut self, out: &mut Vec<PeerOutput>) -> bool {
        let Some(sending) = &mut self.sending else { return true };
        let (id, count) = (sending.id, sending.count());
        while let Some(whole) = &sending.whole
            && sending.next < count
            && self.ahead < CHUNKS_AHEAD_MAX
        {
            let (start, len) = sending.range(sending.next);
            let part = whole.0.slice(start as usize..start as usize + len);
            out.push(PeerOutput::Frame(FromClient::Chunk(Body(part))));
            self.ahead += 1;
            sending.next += 1;
            sending.asked = sending.next;
        }
        while sending.asked < count
            && sending.whole.is_none()
            && u64::from(self.ahead) + sending.open() < u64::from(CHUNKS_AHEAD_MAX)
        {
            let index = sending.asked;
            out.push(PeerOutput::Event(Event::ChunkWanted { id, index }));
            sending.asked += 1;
        }
        let all = sending.next == count;
        if all {
            self.sending = None;
        }
        all
    }

    /// The user gives a part. One of a wrong length says that the body cannot be given; the draft
    /// that is not sent then.
    fn given(
        &mut self,
        (id, index): (MsgId, u64),
        body: Body,
        out: &mut Vec<PeerOutput>,
    ) -> Option<MsgId> {
        if self.stale > 0 {
            self.stale -= 1;
            return None;
        }
        let asked = |s: &&mut Sending| s.id == id && s.next == index && s.open() > 0;
        let sending = self.sending.as_mut().filter(asked)?;
        sending.next += 1;
        if body.len() != sending.range(index).1 {
            self.stop(id, out);
            return Some(id);
        }
        self.ahead += 1;
        out.push(PeerOutput::Frame(FromClient::Chunk(body)));
        None
    }

    /// The server takes so many parts more. Whether it has never taken as many.
    pub(super) fn goes_on(&mut self, parts: u32) -> bool {
        self.taken += u64::from(parts.min(self.ahead));
        let further = self.taken > self.taken_max;
        self.taken_max = self.taken_max.max(self.taken);
        further
    }

    /// The rest of a draft's body is not to be sent: it has its answer.
    pub(super) fn stop(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        (self.taken, self.taken_max) = (0, 0);
        if let Some(sending) = self.sending.take_if(|sending| sending.id == id) {
            self.stale += sending.open();
            out.push(PeerOutput::Frame(FromClient::AbortBody));
        }
    }

    /// Whether the user has been asked for a part that has not come.
    pub(super) fn is_asking(&self) -> bool {
        self.sending.as_ref().is_some_and(|sending| sending.open() > 0)
    }

    /// The head of a message has come, which may be a long one.
    pub(super) fn receive(&mut self, seq: Seq, message: &Message, told: bool) {
        let (size, len) = (message.size, message.body.len());
        let head = Piece::Head { size, len, behind: None, longest: size };
        if self.bodies.take(head) && self.bodies.is_partial() {
            self.receiving = Some(Receiving { seq, told });
        }
    }

    /// The place of the message whose body is under way.
    pub(super) fn receiving(&self) -> Option<Seq> {
        self.receiving.as_ref().map(|receiving| receiving.seq)
    }

    /// A part has come. The place of the message if it is whole now.
    fn came(&mut self, body: Body, out: &mut Vec<PeerOutput>) -> Option<Seq> {
        if !self.bodies.take(Piece::Chunk(body.len())) {
            return None;
        }
        if self.receiving.as_ref().is_some_and(|receiving| receiving.told) {
            self.told += 1;
            out.push(PeerOutput::Event(Event::Chunk(body)));
        } else {
            out.push(PeerOutput::Frame(FromClient::ChunkCredit { parts: 1 }));
        }
        let done = self.receiving.take_if(|_| !self.bodies.is_partial())?;
        Some(done.seq)
    }

    /// The rest of the body under way does not come. The place of its message if the user was told
    /// of it.
    fn cut(&mut self, out: &mut Vec<PeerOutput>) -> Option<Seq> {
        self.bodies = Bodies::default();
        let receiving = self.receiving.take().filter(|receiving| receiving.told)?;
        out.push(PeerOutput::Event(Event::BodyAborted));
        Some(receiving.seq)
    }

    /// The user has dealt with so many parts. How many of them are of this link.
    fn taken(&mut self, parts: u32) -> u32 {
        let before = parts.min(self.told_before);
        self.told_before -= before;
        let parts = (parts - before).min(self.told);
        self.told -= parts;
        parts
    }

    /// The link is gone. The place of the message of which the user was told and the rest is not
    /// coming.
    fn rewind(&mut self, out: &mut Vec<PeerOutput>) -> Option<Seq> {
        self.stale += self.sending.take().map_or(0, |sending| sending.open());
        (self.ahead, self.taken) = (0, 0);
        self.told_before += std::mem::take(&mut self.told);
        self.cut(out)
    }
}

impl Peer {
    /// The user gives a part of a draft.
    pub(super) fn part_given(&mut self, part: (MsgId, u64), body: Body, out: &mut Vec<PeerOutput>) {
        if let Some(id) = self.parts.given(part, body, out) {
            self.outbox.answered(id, 1);
        }
        self.send(out);
    }

    /// The server takes so many parts more.
    pub(super) fn parts_allowed(&mut self, parts: u32, out: &mut Vec<PeerOutput>) {
        self.parts.ahead = self.parts.ahead.saturating_sub(parts);
        self.send(out);
    }

    /// The first part of a stored message has come.
    pub(super) fn begun(&mut self, seq: Seq, message: Message, out: &mut Vec<PeerOutput>) {
        let told = self.shown.begun(seq);
        self.parts.receive(seq, &message, told);
        if told {
            out.push(PeerOutput::Event(Event::Messages { seq, bundle: message.into() }));
        }
    }

    /// A part has come. With the last one a stored message is delivered: nothing is reported
    /// before, because the server may end the body early.
    pub(super) fn part_came(&mut self, body: Body, out: &mut Vec<PeerOutput>) {
        if let Some(seq) = self.parts.came(body, out).filter(|seq| *seq != VOLATILE) {
            self.shown.arrived(Span::one(seq));
            self.report_known(out);
        }
    }

    /// The server ends a body early.
    pub(super) fn cut(&mut self, out: &mut Vec<PeerOutput>) {
        match self.parts.cut(out) {
            Some(VOLATILE) => self.passed = self.passed.saturating_sub(1),
            Some(seq) => self.shown.forget(seq),
            None => {}
        }
    }

    pub(super) fn parts_taken(&mut self, parts: u32, out: &mut Vec<PeerOutput>) {
        let parts = self.parts.taken(parts);
        if parts > 0 {
            out.push(PeerOutput::Frame(FromClient::ChunkCredit { parts }));
        }
    }

    /// The link is gone, and with it the rest of what was under way on it.
    pub(super) fn rewind_parts(&mut self, out: &mut Vec<PeerOutput>) {
        if let Some(seq) = self.parts.rewind(out) {
            self.shown.forget(seq);
        }
    }
}
