//! Confirmations: frames that a client has received for certain. It answers each `Ping` with a
//! `Pong`, and frames come in order. So earlier messages were delivered, and more track updates may
//! be sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::logic::limits::{TRACK_HELD_BYTES_MAX, TRACK_UPDATE_BYTES_MAX, TRACK_UPDATES_MAX};
use crate::wire::{MsgId, RecipientStatus, Seq, Target, UserId};

/// Bytes that a status takes besides its user and its note.
const STATUS_LEN: u64 = 64;

/// Deliveries and updates of one link, confirmed or not.
#[derive(Default)]
pub(super) struct Confirmations {
    /// Number of the unanswered `Ping`, and the deliveries and updates that its answer confirms.
    asked: Option<(u64, Unconfirmed)>,
    /// Deliveries and updates sent since; the next `Ping` is for them.
    next: Unconfirmed,
    /// Updates without room, at most one per recipient: a later one replaces an earlier one.
    held: BTreeMap<(MsgId, UserId), RecipientStatus>,
    held_bytes: u64,
}

/// Deliveries and updates that one `Ping` is for.
#[derive(Default)]
struct Unconfirmed {
    /// Tracked messages.
    deliveries: BTreeSet<(Target, Seq)>,
    /// Track updates, and their bytes.
    updates: u32,
    update_bytes: u64,
}

impl Confirmations {
    /// Takes an update. Returns it if it may be sent now; otherwise holds it.
    pub(super) fn admit(&mut self, id: MsgId, status: RecipientStatus) -> Option<RecipientStatus> {
        if self.held.is_empty() && self.has_room() {
            self.next.updates += 1;
            self.next.update_bytes += len_bytes(&status);
            return Some(status);
        }
        let key = (id, status.user.clone());
        if self.held.get(&key).is_none_or(|held| held.state < status.state) {
            self.held_bytes += len_bytes(&status);
            if let Some(before) = self.held.insert(key, status) {
                self.held_bytes -= len_bytes(&before);
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        let asked = self.asked.as_ref().map(|(_, sent)| (sent.updates, sent.update_bytes));
        let (updates, bytes) = asked.unwrap_or_default();
        self.next.updates + updates < TRACK_UPDATES_MAX
            && self.next.update_bytes + bytes < TRACK_UPDATE_BYTES_MAX
    }

    /// True if more updates are held than a link may have.
    pub(super) fn is_over_limit(&self) -> bool {
        self.held_bytes > TRACK_HELD_BYTES_MAX
    }

    /// Notes the delivery of a tracked message, if fewer than `most` are unconfirmed. Returns
    /// whether it was noted. A client that keeps to the protocol has answered the `Ping` before
    /// that many are unconfirmed.
    pub(super) fn add_delivery(&mut self, log: &Target, seq: Seq, most: usize) -> bool {
        let has_room = self.next.deliveries.len() < most;
        if has_room {
            self.next.deliveries.insert((log.clone(), seq));
        }
        has_room
    }

    /// True if a `Ping` should be sent now.
    pub(super) fn wants_ping(&self) -> bool {
        let Unconfirmed { deliveries, updates, update_bytes } = &self.next;
        let many = *updates >= TRACK_UPDATES_MAX / 2 || *update_bytes >= TRACK_UPDATE_BYTES_MAX / 2;
        self.asked.is_none() && (!deliveries.is_empty() || many)
    }

    /// Notes a sent `Ping`, which asks to confirm all frames before it.
    pub(super) fn ping(&mut self, number: u64) {
        self.asked = Some((number, std::mem::take(&mut self.next)));
    }

    /// Takes a `Pong`. Returns the deliveries that it confirms, and the updates that were held.
    /// `None` if it answers no `Ping`.
    pub(super) fn pong(&mut self, number: u64) -> Option<Confirmed> {
        let (_, sent) = self.asked.take_if(|(asked, _)| *asked == number)?;
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        let held = held.into_iter().map(|((id, _), status)| (id, status)).collect();
        Some(Confirmed { deliveries: sent.deliveries, held })
    }
}

/// Confirmed deliveries, and updates that may be sent now.
pub(super) struct Confirmed {
    pub(super) deliveries: BTreeSet<(Target, Seq)>,
    pub(super) held: Vec<(MsgId, RecipientStatus)>,
}

fn len_bytes(status: &RecipientStatus) -> u64 {
    let note = status.note.as_ref().map_or(0, |note| note.body().len());
    STATUS_LEN + (status.user.as_str().len() + note) as u64
}
