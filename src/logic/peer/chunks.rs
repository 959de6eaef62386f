//! Long bodies of a client, chunk by chunk: those of its drafts, and those of messages it receives.

use crate::wire::{
    Body, BodyOrder, BodyPart, CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX, FromClient, Message, MsgId, Seq,
    chunk_len,
};

use super::io::{Draft, Event, PeerOutput};

/// The long body that is being sent. Later drafts wait for its last chunk.
#[derive(Default)]
pub(super) struct ChunkSender {
    body: Option<OutgoingBody>,
    /// Chunks sent on this link that the server has given no credit back for.
    ahead: u32,
    /// Chunks that the server took on this link since the last body was answered.
    taken: u64,
    /// Most chunks of it that the server took on any one link since then.
    taken_max: u64,
    /// Chunks that the user was asked for and that are no longer needed. The user answers in order,
    /// so they come first.
    obsolete: u64,
}

struct OutgoingBody {
    id: MsgId,
    size: u64,
    /// The whole body if it is in memory. Otherwise the user is asked for each chunk.
    whole: Option<Body>,
    /// Index of the next chunk to send.
    next: u64,
    /// Index of the next chunk to ask the user for.
    next_wanted: u64,
}

impl OutgoingBody {
    /// The body of a draft, if it is a long one.
    fn new(draft: &Draft) -> Option<Self> {
        let whole = (draft.body.len() as u64 == draft.size).then(|| draft.body.clone());
        let is_long = draft.size > CHUNK_LEN_MAX as u64;
        let (id, size) = (draft.id, draft.size);
        is_long.then_some(Self { id, size, whole, next: 1, next_wanted: 1 })
    }

    /// The number of chunks, the first included.
    fn count(&self) -> u64 {
        self.size.div_ceil(CHUNK_LEN_MAX as u64)
    }

    /// Offset and length of a chunk in the body, in bytes.
    fn range(&self, index: u64) -> (u64, usize) {
        let start = index * CHUNK_LEN_MAX as u64;
        (start, chunk_len(self.size.saturating_sub(start)))
    }

    /// Chunks that the user was asked for and has not given yet.
    fn wanted(&self) -> u64 {
        self.next_wanted - self.next
    }
}

impl ChunkSender {
    /// Begins the body of a draft whose first frame was sent.
    pub(super) fn begin(&mut self, draft: &Draft) {
        self.body = OutgoingBody::new(draft);
    }

    /// Sends the chunks in memory and asks the user for others, as far as the server allows.
    /// Returns true when no chunk is left to send.
    pub(super) fn send_due(&mut self, out: &mut Vec<PeerOutput>) -> bool {
        let Some(body) = &mut self.body else { return true };
        let (id, count) = (body.id, body.count());
        while let Some(whole) = &body.whole
            && body.next < count
            && self.ahead < CHUNKS_AHEAD_MAX
        {
            let (start, len) = body.range(body.next);
            let chunk = whole.0.slice(start as usize..start as usize + len);
            out.push(PeerOutput::Frame(FromClient::Chunk(Body(chunk))));
            self.ahead += 1;
            body.next += 1;
            body.next_wanted = body.next;
        }
        while body.next_wanted < count
            && body.whole.is_none()
            && u64::from(self.ahead) + body.wanted() < u64::from(CHUNKS_AHEAD_MAX)
        {
            let index = body.next_wanted;
            out.push(PeerOutput::Event(Event::ChunkWanted { id, index }));
            body.next_wanted += 1;
        }
        let is_done = body.next == count;
        if is_done {
            self.body = None;
        }
        is_done
    }

    /// Sends a chunk that the user was asked for. A chunk of a wrong length means that the user
    /// cannot give the body: returns the id of the draft, which is then not sent.
    pub(super) fn provide(
        &mut self,
        id: MsgId,
        index: u64,
        chunk: Body,
        out: &mut Vec<PeerOutput>,
    ) -> Option<MsgId> {
        if self.obsolete > 0 {
            self.obsolete -= 1;
            return None;
        }
        let is_wanted =
            |body: &&mut OutgoingBody| body.id == id && body.next == index && body.wanted() > 0;
        let body = self.body.as_mut().filter(is_wanted)?;
        body.next += 1;
        if chunk.len() != body.range(index).1 {
            self.abort(id, out);
            return Some(id);
        }
        self.ahead += 1;
        out.push(PeerOutput::Frame(FromClient::Chunk(chunk)));
        None
    }

    /// Adds credit for more chunks. Returns true when the server has taken more of the body than
    /// ever before.
    pub(super) fn add_credit(&mut self, chunks: u32) -> bool {
        let taken = chunks.min(self.ahead);
        self.ahead -= taken;
        self.taken += u64::from(taken);
        let is_progress = self.taken > self.taken_max;
        self.taken_max = self.taken_max.max(self.taken);
        is_progress
    }

    /// Ends the body of a draft that has its answer.
    pub(super) fn abort(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        (self.taken, self.taken_max) = (0, 0);
        if let Some(body) = self.body.take_if(|body| body.id == id) {
            self.obsolete += body.wanted();
            out.push(PeerOutput::Frame(FromClient::AbortBody));
        }
    }

    /// True when the user was asked for a chunk and has not given it.
    pub(super) fn wants_chunk(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.wanted() > 0)
    }

    /// Forgets the body under way: its draft is sent again on the next link.
    pub(super) fn link_lost(&mut self) {
        self.obsolete += self.body.take().map_or(0, |body| body.wanted());
        (self.ahead, self.taken) = (0, 0);
    }
}

/// The long body that is being received.
#[derive(Default)]
pub(super) struct ChunkReceiver {
    /// Checks the order of heads and chunks.
    bodies: BodyOrder,
    body: Option<IncomingBody>,
    /// Chunks shown on this link that the user has not consumed.
    unconsumed: u32,
    /// Chunks shown on earlier links that the user has not consumed. The user consumes these first.
    unconsumed_before: u32,
}

struct IncomingBody {
    seq: Seq,
    /// The user is shown this delivery. False for a redelivery, whose chunks are dropped.
    is_shown: bool,
}

impl ChunkReceiver {
    /// Begins with the first frame of a message, which may be a long one.
    pub(super) fn begin(&mut self, seq: Seq, message: &Message, is_shown: bool) {
        let (size, len) = (message.size, message.body.len());
        let head = BodyPart::Head { size, len, behind: None, longest: size };
        if self.bodies.admit(head) && self.bodies.is_partial() {
            self.body = Some(IncomingBody { seq, is_shown });
        }
    }

    /// The seq of the message whose body is under way.
    pub(super) fn current(&self) -> Option<Seq> {
        self.body.as_ref().map(|body| body.seq)
    }

    /// Shows a chunk to the user, or drops one of a redelivery. Returns the seq of the message if
    /// this was its last chunk.
    pub(super) fn receive(&mut self, chunk: Body, out: &mut Vec<PeerOutput>) -> Option<Seq> {
        if !self.bodies.admit(BodyPart::Chunk(chunk.len())) {
            return None;
        }
        if self.body.as_ref().is_some_and(|body| body.is_shown) {
            self.unconsumed += 1;
            out.push(PeerOutput::Event(Event::Chunk(chunk)));
        } else {
            out.push(PeerOutput::Frame(FromClient::ChunkCredit { parts: 1 }));
        }
        let done = self.body.take_if(|_| !self.bodies.is_partial())?;
        Some(done.seq)
    }

    /// Ends the body under way before it is whole. Returns the seq of its message if the user was
    /// shown a part of it.
    pub(super) fn abort(&mut self, out: &mut Vec<PeerOutput>) -> Option<Seq> {
        self.bodies = BodyOrder::default();
        let body = self.body.take().filter(|body| body.is_shown)?;
        out.push(PeerOutput::Event(Event::BodyAborted));
        Some(body.seq)
    }

    /// Gives the server credit for chunks of this link that the user has consumed.
    pub(super) fn consume(&mut self, chunks: u32, out: &mut Vec<PeerOutput>) {
        let before = chunks.min(self.unconsumed_before);
        self.unconsumed_before -= before;
        let parts = (chunks - before).min(self.unconsumed);
        self.unconsumed -= parts;
        if parts > 0 {
            out.push(PeerOutput::Frame(FromClient::ChunkCredit { parts }));
        }
    }

    /// Ends the body under way, as [`abort`](Self::abort) does, because its link is lost.
    pub(super) fn link_lost(&mut self, out: &mut Vec<PeerOutput>) -> Option<Seq> {
        self.unconsumed_before += std::mem::take(&mut self.unconsumed);
        self.abort(out)
    }
}
