//! Writes that found no room on a full disk and cannot be refused, since they report something that
//! has already happened: acks, and ends of uploads.

use std::collections::BTreeMap;

use crate::durable::{Outcome, RequestId, Upload, Write};
use crate::wire::{Target, UserId};

/// Writes that wait for room.
#[derive(Default)]
pub(super) struct DeferredWrites {
    /// Deferred acks of each cursor, added up.
    acks: BTreeMap<(UserId, Target), DeferredAck>,
    /// `DiscardUpload`s, which have already been answered.
    ended: BTreeMap<Upload, Write>,
}

/// Acks of one cursor as one `Write::Ack`, and the requests that it answers.
struct DeferredAck {
    ack: Write,
    requests: Vec<RequestId>,
}

/// Deferred acks that a transaction includes. Ends of uploads are always included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeAlong {
    /// All acks.
    Acks,
    /// Acks without dispositions. They need no new room, and the messages they cover can be
    /// removed.
    PlainAcks,
    /// No ack.
    NoAck,
}

impl TakeAlong {
    fn includes(self, deferred: &DeferredAck) -> bool {
        let is_plain = matches!(&deferred.ack, Write::Ack { verdicts, .. } if verdicts.is_empty());
        match self {
            Self::Acks => true,
            Self::PlainAcks => is_plain,
            Self::NoAck => false,
        }
    }
}

impl DeferredWrites {
    pub(super) fn is_empty(&self) -> bool {
        self.acks.is_empty() && self.ended.is_empty()
    }

    /// Defers an ack; it is answered once it is on disk. Other writes are ignored.
    pub(super) fn defer_ack(&mut self, request: RequestId, ack: Write) {
        let Write::Ack { user, log, .. } = &ack else { return };
        let key = (user.clone(), log.clone());
        match self.acks.get_mut(&key) {
            Some(deferred) => {
                add_up(&mut deferred.ack, ack);
                deferred.requests.push(request);
            }
            None => drop(self.acks.insert(key, DeferredAck { ack, requests: vec![request] })),
        }
    }

    /// Notes that an upload has ended.
    pub(super) fn end_upload(&mut self, upload: Upload) {
        self.ended.insert(upload, Write::DiscardUpload { upload });
    }

    /// Returns the deferred writes to include in a transaction, before its own.
    pub(super) fn writes(&self, along: TakeAlong) -> impl Iterator<Item = &Write> {
        let acks = self.acks.values().filter(move |ack| along.includes(ack));
        self.ended.values().chain(acks.map(|deferred| &deferred.ack))
    }

    /// Answers and forgets the deferred writes of a transaction that is on disk. Takes their
    /// outcomes from the front of `outcomes`.
    pub(super) fn committed(
        &mut self,
        along: TakeAlong,
        outcomes: &mut impl Iterator<Item = Outcome>,
    ) -> Vec<(RequestId, Outcome)> {
        for _ in std::mem::take(&mut self.ended) {
            outcomes.next();
        }
        let mut answers = Vec::new();
        self.acks.retain(|_, deferred| {
            let is_done = along.includes(deferred);
            if let Some(outcome) = is_done.then(|| outcomes.next()).flatten() {
                answers.extend(deferred.requests.iter().map(|&of| (of, outcome.clone())));
            }
            !is_done
        });
        answers
    }
}

/// Merges a later ack of the same cursor into `known`.
fn add_up(known: &mut Write, later: Write) {
    if let Write::Ack { cursor, messages, bytes, verdicts, .. } = known
        && let Write::Ack { cursor: to, messages: more, bytes: more_bytes, verdicts: said, .. } =
            later
    {
        if to.through >= cursor.through {
            *cursor = to;
        }
        *messages = messages.saturating_add(more);
        *bytes = bytes.saturating_add(more_bytes);
        verdicts.extend(said);
    }
}
