//! Parked messages: dead letters, and messages that are due later. The store keeps both; this
//! machine knows when messages are due.

use std::sync::Arc;

use crate::durable::{DiskFull, DueReleased, NotStored, ParkedTaken, Read, Record, Write};
use crate::wire::{Bundle, FromServer, Message, ParkedKind, ParkedMessage, Refusal, UserId};

use super::io::LinkId;
use super::pending::{PendingSchedule, PendingTake};
use super::publish::{check_id, refusal, verdict};
use super::todo::Todo;
use super::turn::Turn;
use crate::logic::limits::{CLOCK_LOOK_MS_MAX, LIST_PARKED_MAX};

/// Milliseconds to wait after the disk was full.
const RETRY_MS: u64 = 60_000;

/// Time at which scheduled messages are due.
pub(super) struct Parked {
    /// Time at which the next known message is due, in milliseconds since 1970. While the store is
    /// being asked, it counts only messages scheduled since.
    next_ms: Option<u64>,
    /// Time on the monotonic clock at which to look at the wall clock; `None` while the store is
    /// being asked, or if no message is due.
    look_at_ms: Option<u64>,
    /// True while the store is being asked for due messages.
    is_releasing: bool,
}

impl Parked {
    /// State of a new hub: nothing is known, and the store is asked at once.
    pub(super) fn new() -> Self {
        Self::unknown(0)
    }

    /// State without knowledge of due messages: the store is asked at this time, whatever the wall
    /// clock shows then.
    fn unknown(look_at_ms: u64) -> Self {
        Self { next_ms: Some(0), look_at_ms: Some(look_at_ms), is_releasing: false }
    }

    /// The next time at which the hub must be woken.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.look_at_ms
    }

    /// Asks the store to keep a message until it is due.
    pub(super) fn schedule(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        message: Message,
        due_ms: u64,
    ) {
        let max = turn.limits().body_len_max;
        let fits = if message.size > max { Err(Refusal::BodyTooLong { max }) } else { Ok(()) };
        if let Err(why) = fits.and_then(|()| check_id(turn, message.id)) {
            let bundle = Arc::new(Bundle::from(message));
            let frame = refusal(&bundle, why);
            return turn.note(Todo::Answer { link, bundle, frame });
        }
        let message = Arc::new(message);
        let waiting = PendingSchedule { link, message: message.clone(), due_ms };
        turn.write(|pending| &mut pending.scheduled, waiting, Write::Schedule { message, due_ms });
    }

    /// Takes the store's answer to a schedule write.
    pub(super) fn scheduled(
        &mut self,
        turn: &mut Turn,
        schedule: &PendingSchedule,
        outcome: Result<(), NotStored>,
    ) {
        if outcome.is_ok() {
            self.add(turn, schedule.due_ms);
        }
        let bundle = Arc::new(Bundle::from(Message::clone(&schedule.message)));
        let frame = verdict(&bundle, outcome);
        turn.note(Todo::Answer { link: schedule.link, bundle, frame });
    }

    fn add(&mut self, turn: &Turn, due_ms: u64) {
        self.next_ms = Some(self.next_ms.map_or(due_ms, |next_ms| next_ms.min(due_ms)));
        self.set_look(turn);
    }

    fn set_look(&mut self, turn: &Turn) {
        let now = turn.now();
        let wait_ms = |next_ms: u64| next_ms.saturating_sub(now.unix_ms).min(CLOCK_LOOK_MS_MAX);
        let next_ms = self.next_ms.filter(|_| !self.is_releasing);
        self.look_at_ms = next_ms.map(|next_ms| now.mono_ms + wait_ms(next_ms));
    }

    /// Asks the store to append due messages to their logs, if it is time.
    pub(super) fn release_due(&mut self, turn: &mut Turn) {
        let now = turn.now();
        if self.look_at_ms.is_none_or(|at_ms| at_ms > now.mono_ms) {
            return;
        }
        if self.next_ms.is_some_and(|next_ms| next_ms > now.unix_ms) {
            return self.set_look(turn);
        }
        *self = Self { next_ms: None, look_at_ms: None, is_releasing: true };
        turn.write_alone(Write::ReleaseDue { now_ms: now.unix_ms });
    }

    /// Takes the store's answer to a release. Returns the messages that are in their logs now.
    pub(super) fn released(
        &mut self,
        turn: &mut Turn,
        outcome: Result<DueReleased, DiskFull>,
    ) -> Vec<Record> {
        let DueReleased { records, next_ms } = match outcome {
            Ok(released) => released,
            Err(DiskFull) => {
                *self = Self::unknown(turn.now().mono_ms + RETRY_MS);
                return Vec::new();
            }
        };
        self.is_releasing = false;
        match next_ms {
            Some(next_ms) => self.add(turn, next_ms),
            None => self.set_look(turn),
        }
        self.release_due(turn);
        records
    }
}

/// Asks the store for a page of parked messages.
pub(super) fn list(turn: &mut Turn, link: LinkId, user: &UserId, (kind, after): (ParkedKind, u64)) {
    let read = Read::Parked { user: user.clone(), drawer: kind, after };
    turn.read(|pending| &mut pending.parked, (link, kind), read);
}

/// Takes a page of parked messages, and whether more follow.
pub(super) fn send_page(
    turn: &mut Turn,
    link: LinkId,
    kind: ParkedKind,
    (mut page, mut more): (Vec<ParkedMessage>, bool),
) {
    more |= page.len() > LIST_PARKED_MAX;
    page.truncate(LIST_PARKED_MAX);
    let next = page.last().map(|parked| parked.number).filter(|_| more);
    for parked in page {
        turn.send(link, FromServer::Parked(parked));
    }
    turn.note(Todo::Reply { link, frame: FromServer::ParkedEnd { kind, next } });
}

/// Asks the store to take parked messages out.
pub(super) fn take(turn: &mut Turn, take: PendingTake) {
    let (user, now_ms) = (take.user.clone(), turn.now().unix_ms);
    let PendingTake { kind: drawer, id, back, .. } = take;
    let write = Write::TakeParked { user, drawer, id, back, now_ms };
    turn.write(|pending| &mut pending.taken, take, write);
}

/// Takes the store's answer to taking messages out. Returns the messages that were put back into
/// their logs. If all messages are wanted and the client is still there, asks the store for more.
pub(super) fn taken(
    turn: &mut Turn,
    mut request: PendingTake,
    outcome: Result<ParkedTaken, DiskFull>,
    is_linked: bool,
) -> Vec<Record> {
    let (count, records) = match outcome {
        Ok(ParkedTaken { count, records }) => (count, records),
        Err(DiskFull) => (0, Vec::new()),
    };
    request.count += count;
    if request.id.is_none() && count > 0 && is_linked {
        take(turn, request);
    } else {
        let PendingTake { link, kind: drawer, id, count, .. } = request;
        turn.note(Todo::Reply { link, frame: FromServer::ParkedTaken { kind: drawer, id, count } });
    }
    records
}
