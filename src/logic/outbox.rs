//! A client's messages on their way to the server.

use std::collections::{BTreeMap, VecDeque};

use crate::wire::{Body, FromClient, Headers, MsgId, Target};

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
    /// The body, or the first [`PART_LEN_MAX`](crate::wire::PART_LEN_MAX) bytes of a long one.
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
    sent_bytes: u64,
    waiting_bytes: u64,
}

impl Draft {
    pub(super) fn len_bytes(&self) -> u64 {
        (self.body.len() + self.headers.len_bytes()) as u64
    }
}

impl Outbox {
    pub(super) fn push(&mut self, draft: Draft) {
        self.waiting_bytes += draft.len_bytes();
        self.waiting.push_back(draft);
    }

    /// The next frame to send while no more than so many messages and bytes are unanswered. A
    /// draft with a longer body than the server takes would end the link: its id instead.
    pub(super) fn next_frame(&mut self, allowed: &Allowed) -> Option<Result<FromClient, MsgId>> {
        let bytes = self.waiting.front()?.len_bytes();
        let fits = self.sent.len() < allowed.sends_max as usize
            && self.sent_bytes + bytes <= allowed.send_bytes_max;
        if !fits && !self.sent.is_empty() {
            return None;
        }
        let draft = self.waiting.pop_front()?;
        self.waiting_bytes -= bytes;
        if draft.body.len() as u64 > allowed.body_len_max {
            return Some(Err(draft.id));
        }
        self.sent_bytes += bytes;
        self.by_id.insert(draft.id, self.next);
        self.sent.insert(self.next, draft.clone());
        self.next += 1;
        let Draft { id, to, headers, size, body, volatile } = draft;
        Some(Ok(if volatile {
            FromClient::Pass { id, to, headers, size, body }
        } else {
            FromClient::Send { id, to, headers, size, body }
        }))
    }

    /// A send has its answer. `false` if there is no such send.
    pub(super) fn answered(&mut self, id: MsgId) -> bool {
        let draft = self.by_id.remove(&id).and_then(|key| self.sent.remove(&key));
        self.sent_bytes -= draft.as_ref().map_or(0, Draft::len_bytes);
        draft.is_some()
    }

    /// The link is gone: what was not answered is to be sent again, first and in the same order.
    /// Not so volatile messages, which may have been passed on: their ids.
    pub(super) fn rewind(&mut self) -> Vec<MsgId> {
        let sent = std::mem::take(&mut self.sent).into_values();
        self.by_id.clear();
        self.sent_bytes = 0;
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

    /// Messages and bytes in it.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.sent.len() + self.waiting.len(), self.sent_bytes + self.waiting_bytes)
    }
}
