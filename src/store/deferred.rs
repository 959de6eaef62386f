//! Writes that found no room on a full disk and cannot be refused, as they tell what has happened
//! already: acks, and uploads that ended.

use std::collections::BTreeMap;

use crate::durable::{Outcome, RequestId, Upload, Write};
use crate::wire::{Target, UserId};

/// Writes that wait for room.
#[derive(Default)]
pub(super) struct DeferredWrites {
    /// Moves of each cursor, added up.
    acks: BTreeMap<(UserId, Target), DeferredAck>,
    /// `DiscardUpload`s, which have been answered.
    ended: BTreeMap<Upload, Write>,
}

/// Moves of one cursor as one `Write::Ack`, and the requests that it answers.
struct DeferredAck {
    ack: Write,
    requests: Vec<RequestId>,
}

/// Deferred acks that a transaction takes along. Ended uploads go with every transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TakeAlong {
    /// All acks.
    Acks,
    /// Acks without dispositions: those need no new room, and what they move past makes some.
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

    /// Keeps an ack, to be answered when it is on disk. Other writes are no acks and are dropped.
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

    /// The writes that a transaction takes along, before its own.
    pub(super) fn writes(&self, along: TakeAlong) -> impl Iterator<Item = &Write> {
        let acks = self.acks.values().filter(move |ack| along.includes(ack));
        self.ended.values().chain(acks.map(|deferred| &deferred.ack))
    }

    /// Answers those that a transaction took along, which is on disk, and forgets them. Takes their
    /// outcomes off `outcomes`, which begins with them.
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

/// Adds a later ack of the same cursor to one.
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
