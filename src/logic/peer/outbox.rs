//! A client's messages on their way to the server.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use crate::wire::{BUNDLE_MAX, CHUNK_LEN_MAX, Envelope, FromClient, MsgId, Others, chunk_len};

/// A message that a client wants to have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The message. Its id is made by this client, and unique. A long body's other chunks are asked
    /// for, unless it is whole here.
    pub envelope: Envelope,
    /// Only for those who read now: neither stored nor, when the link is lost, sent again.
    pub volatile: bool,
    /// To be kept until then, in milliseconds since 1970. Such a draft is neither volatile nor
    /// long.
    pub due_ms: Option<u64>,
}

/// What the server said it allows.
#[derive(Clone, Copy)]
pub(super) struct Allowed {
    pub(super) body_len_max: u64,
    pub(super) sends_max: u32,
    pub(super) send_bytes_max: u64,
}

/// Drafts in the order they are to be accepted: first those that were sent on this link, then those
/// that were not.
#[derive(Default)]
pub(super) struct Outbox {
    /// `None`: answered, and an earlier one is not.
    sent: VecDeque<Option<Draft>>,
    /// Those not answered.
    open: usize,
    waiting: VecDeque<Draft>,
    /// Of those sent: what counts on the server, and what is held in memory.
    sent_bytes: u64,
    sent_held: u64,
    waiting_bytes: u64,
}

impl Draft {
    /// Bytes of it in its first frame, which is what the server counts.
    fn len_first(&self) -> u64 {
        (self.body.len().min(CHUNK_LEN_MAX) + self.headers.len_bytes()) as u64
    }

    /// A body that is neither whole nor the first part of one cannot be sent: it is taken as whole,
    /// and one that is longer than a first part as a first part.
    fn mended(mut self) -> Self {
        let len = self.body.len() as u64;
        let sound = len == self.size || self.body.len() == chunk_len(self.size);
        debug_assert!(sound, "a whole body or the first part of one");
        if len > self.size || len < CHUNK_LEN_MAX as u64 {
            self.size = len;
        }
        self
    }

    /// Most bytes its body may have.
    fn size_max(&self, allowed: &Allowed) -> u64 {
        let most = if self.due_ms.is_some() { CHUNK_LEN_MAX as u64 } else { u64::MAX };
        allowed.body_len_max.min(most)
    }

    /// Whether both can travel together, if their ids follow one another.
    fn is_like(&self, first: &Self) -> bool {
        let alike = self.volatile == first.volatile && self.due_ms.or(first.due_ms).is_none();
        alike && self.to == first.to && self.headers == first.headers
    }

    /// The frame that sends it, or its first part, and others behind it.
    fn frame(&self, others: Others) -> FromClient {
        let Self { mut envelope, volatile, due_ms } = self.clone();
        envelope.body.0.truncate(chunk_len(envelope.size));
        match due_ms {
            Some(due_ms) => FromClient::Schedule { due_ms, envelope },
            None if volatile => FromClient::Volatile { envelope, others },
            None => FromClient::Send { envelope, others },
        }
    }
}

/// A draft to be stored at once.
impl From<Envelope> for Draft {
    fn from(envelope: Envelope) -> Self {
        Self { envelope, volatile: false, due_ms: None }
    }
}

impl Deref for Draft {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }
}

impl Outbox {
    pub(super) fn push(&mut self, draft: Draft) {
        let draft = draft.mended();
        self.waiting_bytes += draft.len_here();
        self.waiting.push_back(draft);
    }

    /// The frame that sends what is next, while no more than so many messages and bytes are
    /// unanswered, and the first draft in it. A draft with a longer body than the server takes
    /// would end the link: its id instead, and how long it may be.
    pub(super) fn next_frame(
        &mut self,
        allowed: &Allowed,
    ) -> Option<Result<(Draft, FromClient), (MsgId, u64)>> {
        let first = self.waiting.front()?;
        if self.open > 0 && !self.fits(first, allowed) {
            return None;
        }
        let first = first.clone();
        let max = first.size_max(allowed);
        if first.size > max {
            self.waiting.pop_front();
            self.waiting_bytes -= first.len_here();
            return Some(Err((first.id, max)));
        }
        let start = self.sent.len();
        self.go();
        let (mut last, mut len) = (first.id, first.size);
        while let Some(next) = self.waiting.front()
            && next.is_like(&first)
            && next.id == last.plus(1)
            && self.sent.len() - start < BUNDLE_MAX
            && next.size <= allowed.body_len_max
            && next.size.saturating_add(len) <= CHUNK_LEN_MAX as u64
            && self.fits(next, allowed)
        {
            (last, len) = (next.id, len + next.size);
            self.go();
        }
        let others = self.sent.range(start + 1..).flatten().map(|draft| &draft.body);
        let frame = first.frame(others.collect());
        Some(Ok((first, frame)))
    }

    fn fits(&self, draft: &Draft, allowed: &Allowed) -> bool {
        self.open < allowed.sends_max as usize
            && self.sent_bytes + draft.len_first() <= allowed.send_bytes_max
    }

    /// The first that waits counts as sent.
    fn go(&mut self) {
        let Some(draft) = self.waiting.pop_front() else { return };
        self.waiting_bytes -= draft.len_here();
        self.sent_bytes += draft.len_first();
        self.sent_held += draft.len_here();
        self.open += 1;
        self.sent.push_back(Some(draft));
    }

    /// Sends have their answer: this one, and so many in all of those behind it. How many there
    /// are.
    pub(super) fn answered(&mut self, id: MsgId, count: u32) -> u32 {
        let is = |sent: &Option<Draft>, id| sent.as_ref().is_some_and(|draft| draft.id == id);
        // Mostly it is the first: answers come in order, but for those of another kind.
        let Some(at) = self.sent.iter().position(|sent| is(sent, id)) else { return 0 };
        let mut found = 0;
        for sent in self.sent.range_mut(at..).take(count as usize) {
            let Some(draft) = sent.take_if(|draft| draft.id == id.plus(found)) else { break };
            self.sent_bytes -= draft.len_first();
            self.sent_held -= draft.len_here();
            self.open -= 1;
            found += 1;
        }
        while self.sent.front().is_some_and(Option::is_none) {
            self.sent.pop_front();
        }
        found as u32
    }

    /// The link is gone: what was not answered is to be sent again, first and in the same order.
    /// Not so volatile messages, which may have been passed on: their ids.
    pub(super) fn rewind(&mut self) -> Vec<MsgId> {
        let sent = std::mem::take(&mut self.sent).into_iter().flatten();
        (self.open, self.sent_bytes, self.sent_held) = (0, 0, 0);
        let (lost, again): (Vec<_>, Vec<_>) = sent.partition(|draft| draft.volatile);
        for draft in again.into_iter().rev() {
            self.waiting_bytes += draft.len_here();
            self.waiting.push_front(draft);
        }
        lost.into_iter().map(|draft| draft.id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open == 0 && self.waiting.is_empty()
    }

    /// Messages and bytes held.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.open + self.waiting.len(), self.sent_held + self.waiting_bytes)
    }
}
