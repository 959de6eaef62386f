//! A client's messages on their way to the server.

use std::collections::{BTreeMap, VecDeque};

use crate::wire::{Body, FromClient, Headers, MsgId, PART_LEN_MAX, Target, part_len};

/// A message that a client wants to have sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Made by this client, unique.
    pub id: MsgId,
    /// Where it goes.
    pub to: Target,
    /// What is said about it.
    pub headers: Headers,
    /// Bytes of the whole body.
    pub size: u64,
    /// The body, or the first [`PART_LEN_MAX`] bytes of a long one, whose other parts are asked
    /// for. A long body that is whole here is never asked for.
    pub body: Body,
    /// Only for those who read now: neither stored nor, when the link is lost, sent again.
    pub volatile: bool,
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
    sent: BTreeMap<u64, Draft>,
    by_id: BTreeMap<MsgId, u64>,
    waiting: VecDeque<Draft>,
    next: u64,
    /// Of those sent: what counts on the server, and what is held in memory.
    sent_bytes: u64,
    sent_held: u64,
    waiting_bytes: u64,
}

impl Draft {
    /// Bytes of it in memory.
    fn len_bytes(&self) -> u64 {
        (self.body.len() + self.headers.len_bytes()) as u64
    }

    /// Bytes of it in its first frame, which is what the server counts.
    fn len_first(&self) -> u64 {
        (self.body.len().min(PART_LEN_MAX) + self.headers.len_bytes()) as u64
    }

    /// A body that is neither whole nor the first part of one cannot be sent: it is taken as whole,
    /// and one that is longer than a first part as a first part.
    fn mended(mut self) -> Self {
        let len = self.body.len() as u64;
        let sound = len == self.size || self.body.len() == part_len(self.size);
        debug_assert!(sound, "a whole body or the first part of one");
        if len > self.size || len < PART_LEN_MAX as u64 {
            self.size = len;
        }
        self
    }

    /// The frame that sends it, or its first part.
    pub(super) fn frame(&self) -> FromClient {
        let Self { id, to, headers, size, body, volatile } = self.clone();
        let body = Body(body.0.slice(..part_len(size)));
        if volatile {
            FromClient::Pass { id, to, headers, size, body }
        } else {
            FromClient::Send { id, to, headers, size, body }
        }
    }
}

impl Outbox {
    pub(super) fn push(&mut self, draft: Draft) {
        let draft = draft.mended();
        self.waiting_bytes += draft.len_bytes();
        self.waiting.push_back(draft);
    }

    /// The next to send while no more than so many messages and bytes are unanswered. A draft with
    /// a longer body than the server takes would end the link: its id instead.
    pub(super) fn next_draft(&mut self, allowed: &Allowed) -> Option<Result<Draft, MsgId>> {
        let bytes = self.waiting.front()?.len_first();
        let fits = self.sent.len() < allowed.sends_max as usize
            && self.sent_bytes + bytes <= allowed.send_bytes_max;
        if !fits && !self.sent.is_empty() {
            return None;
        }
        let draft = self.waiting.pop_front()?;
        self.waiting_bytes -= draft.len_bytes();
        if draft.size > allowed.body_len_max {
            return Some(Err(draft.id));
        }
        self.sent_bytes += bytes;
        self.sent_held += draft.len_bytes();
        self.by_id.insert(draft.id, self.next);
        self.sent.insert(self.next, draft.clone());
        self.next += 1;
        Some(Ok(draft))
    }

    /// A send has its answer. `false` if there is no such send.
    pub(super) fn answered(&mut self, id: MsgId) -> bool {
        let draft = self.by_id.remove(&id).and_then(|key| self.sent.remove(&key));
        self.sent_bytes -= draft.as_ref().map_or(0, Draft::len_first);
        self.sent_held -= draft.as_ref().map_or(0, Draft::len_bytes);
        draft.is_some()
    }

    /// The link is gone: what was not answered is to be sent again, first and in the same order.
    /// Not so volatile messages, which may have been passed on: their ids.
    pub(super) fn rewind(&mut self) -> Vec<MsgId> {
        let sent = std::mem::take(&mut self.sent).into_values();
        self.by_id.clear();
        (self.sent_bytes, self.sent_held) = (0, 0);
        let (lost, again): (Vec<_>, Vec<_>) = sent.partition(|draft| draft.volatile);
        for draft in again.into_iter().rev() {
            self.waiting_bytes += draft.len_bytes();
            self.waiting.push_front(draft);
        }
        lost.into_iter().map(|draft| draft.id).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty() && self.waiting.is_empty()
    }

    /// Messages and bytes held.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.sent.len() + self.waiting.len(), self.sent_held + self.waiting_bytes)
    }
}
