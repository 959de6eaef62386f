//! A client's drafts on their way to the server.

use std::collections::VecDeque;

use crate::wire::{BUNDLE_MAX, BundleRest, CHUNK_LEN_MAX, Features, FromClient, MsgId, chunk_len};

use super::io::Draft;

/// Limits in the server's hello for what a client sends.
#[derive(Clone, Copy)]
pub(super) struct SendLimits {
    /// Most bytes of a body.
    pub(super) body_len_max: u64,
    /// Most unanswered sends.
    pub(super) sends_max: u32,
    /// Most bytes of unanswered sends; a larger message may go alone.
    pub(super) send_bytes_max: u64,
    /// Features that the server has named.
    pub(super) features: Features,
}

/// A draft whose body is longer than the server takes.
pub(super) struct DraftTooLong {
    pub(super) id: MsgId,
    /// Most bytes that the server takes.
    pub(super) max: u64,
}

/// Drafts in the order in which they are to be accepted: first those sent on this link, then those
/// that wait.
#[derive(Default)]
pub(super) struct Outbox {
    /// Drafts sent on this link. `None`: answered before an earlier one.
    sent: VecDeque<Option<Draft>>,
    /// Sent drafts without an answer.
    unanswered: usize,
    waiting: VecDeque<Draft>,
    /// Bytes of unanswered drafts as the server counts them.
    sent_bytes: u64,
    /// Bytes of unanswered drafts that are in memory.
    sent_held: u64,
    waiting_bytes: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, draft: Draft) {
        let draft = with_sound_size(draft);
        self.waiting_bytes += draft.len_here();
        self.waiting.push_back(draft);
    }

    /// Takes the next draft and those that can travel with it, as far as the limits allow. Returns
    /// the first of them and the frame that sends all. A draft whose body is longer than the
    /// server takes would end the link: it is dropped and returned as an error.
    pub(super) fn next_frame(
        &mut self,
        limits: &SendLimits,
    ) -> Option<Result<(Draft, FromClient), DraftTooLong>> {
        let first = self.waiting.front()?;
        if self.unanswered > 0 && !self.fits(first, limits) {
            return None;
        }
        let first = first.clone();
        let max = size_max(&first, limits);
        if first.size > max {
            self.waiting.pop_front();
            self.waiting_bytes -= first.len_here();
            return Some(Err(DraftTooLong { id: first.id, max }));
        }
        let start = self.sent.len();
        self.mark_first_sent();
        let (mut last, mut len) = (first.id, first.size);
        while let Some(next) = self.waiting.front()
            && are_alike(next, &first)
            && next.id == last.plus(1)
            && self.sent.len() - start < BUNDLE_MAX
            && next.size <= limits.body_len_max
            && next.size.saturating_add(len) <= CHUNK_LEN_MAX as u64
            && self.fits(next, limits)
        {
            (last, len) = (next.id, len + next.size);
            self.mark_first_sent();
        }
        let others = self.sent.range(start + 1..).flatten().map(|draft| &draft.body);
        let frame = frame(&first, others.collect());
        Some(Ok((first, frame)))
    }

    fn fits(&self, draft: &Draft, limits: &SendLimits) -> bool {
        self.unanswered < limits.sends_max as usize
            && self.sent_bytes + len_counted(draft) <= limits.send_bytes_max
    }

    /// Moves the first waiting draft to the sent ones.
    fn mark_first_sent(&mut self) {
        let Some(draft) = self.waiting.pop_front() else { return };
        self.waiting_bytes -= draft.len_here();
        self.sent_bytes += len_counted(&draft);
        self.sent_held += draft.len_here();
        self.unanswered += 1;
        self.sent.push_back(Some(draft));
    }

    /// Removes up to `count` drafts that have their answer: the one of this id and those sent right
    /// after it. Returns how many were without an answer until now.
    pub(super) fn remove_answered(&mut self, id: MsgId, count: u32) -> u32 {
        let is = |sent: &Option<Draft>, id| sent.as_ref().is_some_and(|draft| draft.id == id);
        // Common case: the first. Answers come in order, except for volatile messages.
        let Some(at) = self.sent.iter().position(|sent| is(sent, id)) else { return 0 };
        let mut found = 0;
        for sent in self.sent.range_mut(at..).take(count as usize) {
            let Some(draft) = sent.take_if(|draft| draft.id == id.plus(found)) else { break };
            self.sent_bytes -= len_counted(&draft);
            self.sent_held -= draft.len_here();
            self.unanswered -= 1;
            found += 1;
        }
        while self.sent.front().is_some_and(Option::is_none) {
            self.sent.pop_front();
        }
        found as u32
    }

    /// Prepares for the next link: unanswered drafts are sent again, first and in the same order.
    /// Volatile ones are not, because they may have been delivered; returns their ids.
    pub(super) fn link_lost(&mut self) -> Vec<MsgId> {
        let sent = std::mem::take(&mut self.sent).into_iter().flatten();
        (self.unanswered, self.sent_bytes, self.sent_held) = (0, 0, 0);
        let (volatile, stored): (Vec<_>, Vec<_>) = sent.partition(|draft| draft.volatile);
        for draft in stored.into_iter().rev() {
            self.waiting_bytes += draft.len_here();
            self.waiting.push_front(draft);
        }
        volatile.into_iter().map(|draft| draft.id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unanswered == 0 && self.waiting.is_empty()
    }

    /// The number of drafts held, and their bytes in memory.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.unanswered + self.waiting.len(), self.sent_held + self.waiting_bytes)
    }
}

/// Bytes of a draft's first frame, as the server counts them.
fn len_counted(draft: &Draft) -> u64 {
    (draft.body.len().min(CHUNK_LEN_MAX) + draft.headers.len_bytes()) as u64
}

/// Corrects the size of a draft whose body is neither whole nor the first chunk of a long one. Such
/// a body cannot be sent, so it counts as whole, or as a first chunk if it is longer than a chunk.
fn with_sound_size(mut draft: Draft) -> Draft {
    let len = draft.body.len() as u64;
    let is_sound = len == draft.size || draft.body.len() == chunk_len(draft.size);
    debug_assert!(is_sound, "a whole body or the first chunk of one");
    if len > draft.size || len < CHUNK_LEN_MAX as u64 {
        draft.size = len;
    }
    draft
}

/// Most bytes that the draft's body may have.
fn size_max(draft: &Draft, limits: &SendLimits) -> u64 {
    let most = if draft.due_ms.is_some() { CHUNK_LEN_MAX as u64 } else { u64::MAX };
    limits.body_len_max.min(most)
}

/// True when two drafts with consecutive ids can travel in one bundle.
fn are_alike(draft: &Draft, first: &Draft) -> bool {
    let alike = draft.volatile == first.volatile && draft.due_ms.or(first.due_ms).is_none();
    alike && draft.to == first.to && draft.headers == first.headers
}

/// The frame that sends a draft, or the first chunk of it, and the bodies of others after it.
fn frame(draft: &Draft, others: BundleRest) -> FromClient {
    let Draft { mut envelope, volatile, due_ms } = draft.clone();
    envelope.body.0.truncate(chunk_len(envelope.size));
    match due_ms {
        Some(due_ms) => FromClient::Schedule { due_ms, envelope },
        None if volatile => FromClient::Volatile { envelope, others },
        None => FromClient::Send { envelope, others },
    }
}
