//! Messages that are sent now and due later. The store keeps them; the hub says when.

use std::sync::Arc;

use crate::durable::{DiskFull, DueReleased, NotStored, Write};
use crate::wire::{Bundle, FromServer, Message, Refusal};

use super::answers::verdict;
use super::io::{LinkId, Output};
use super::pending::PendingSchedule;
use super::router::Hub;
use crate::logic::limits::Time;

/// How long at most the clock is not looked at. It may have been set meanwhile.
const LOOK_MS_MAX: u64 = 60_000;
/// How long to wait after the disk was full.
const AGAIN_MS: u64 = 60_000;

/// When something is due.
pub(super) struct Schedule {
    /// In milliseconds since 1970, of what is known; of what was scheduled since while the store
    /// is being asked.
    next_ms: Option<u64>,
    /// When to look at the clock, in the monotonic one; `None` while the store is being asked, or
    /// if nothing is due.
    at_ms: Option<u64>,
    /// The store is being asked for what is due.
    releasing: bool,
}

impl Schedule {
    /// Nothing is known: the store is to be asked at once.
    pub(super) fn new() -> Self {
        Self::unknown(0)
    }

    /// Nothing is known: the store is to be asked then, whatever the wall clock says by that time.
    fn unknown(at_ms: u64) -> Self {
        Self { next_ms: Some(0), at_ms: Some(at_ms), releasing: false }
    }

    /// When to look at the clock.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.at_ms
    }

    /// Something is due then.
    fn add(&mut self, now: Time, due_ms: u64) {
        self.next_ms = Some(self.next_ms.map_or(due_ms, |next_ms| next_ms.min(due_ms)));
        self.aim(now);
    }

    fn aim(&mut self, now: Time) {
        let wait_ms = |next_ms: u64| next_ms.saturating_sub(now.unix_ms).min(LOOK_MS_MAX);
        let next_ms = self.next_ms.filter(|_| !self.releasing);
        self.at_ms = next_ms.map(|next_ms| now.mono_ms + wait_ms(next_ms));
    }
}

impl Hub {
    /// A message has come that is due later.
    pub(super) fn later(
        &mut self,
        now: Time,
        link: LinkId,
        (message, due_ms): (Message, u64),
        out: &mut Vec<Output>,
    ) {
        let max = self.limits.body_len_max;
        let too_long = (message.size > max).then_some(Refusal::BodyTooLong { max });
        if let Some(why) = too_long.or_else(|| self.objection(now, message.id)) {
            let id = message.id;
            let frame = FromServer::Refused { id, count: 1, why };
            return self.answer(link, &message.into(), frame, out);
        }
        let message = Arc::new(message);
        let schedule = PendingSchedule { link, message: message.clone(), due_ms };
        let ticket = self.ask(|pending| &mut pending.scheduled, schedule);
        out.push(Output::Write(ticket, Write::Schedule { message, due_ms }));
    }

    pub(super) fn scheduled(
        &mut self,
        now: Time,
        schedule: &PendingSchedule,
        outcome: Result<(), NotStored>,
        out: &mut Vec<Output>,
    ) {
        if outcome.is_ok() {
            self.schedule.add(now, schedule.due_ms);
        }
        let bundle = Bundle::from(Message::clone(&schedule.message));
        self.answer(schedule.link, &bundle, verdict(&bundle, outcome), out);
    }

    /// Has what is due appended, if it is time.
    pub(super) fn release(&mut self, now: Time, out: &mut Vec<Output>) {
        if self.schedule.at_ms.is_none_or(|at_ms| at_ms > now.mono_ms) {
            return;
        }
        if self.schedule.next_ms.is_some_and(|next_ms| next_ms > now.unix_ms) {
            return self.schedule.aim(now);
        }
        self.schedule = Schedule { next_ms: None, at_ms: None, releasing: true };
        let ticket = self.request();
        out.push(Output::Write(ticket, Write::ReleaseDue { now_ms: now.unix_ms }));
    }

    /// What was due is in its logs, or some of it.
    pub(super) fn released(
        &mut self,
        now: Time,
        outcome: Result<DueReleased, DiskFull>,
        out: &mut Vec<Output>,
    ) {
        let DueReleased { records, next_ms } = match outcome {
            Ok(released) => released,
            Err(DiskFull) => {
                self.schedule = Schedule::unknown(now.mono_ms + AGAIN_MS);
                return;
            }
        };
        for record in records {
            self.publish(record, out);
        }
        self.schedule.releasing = false;
        match next_ms {
            Some(next_ms) => self.schedule.add(now, next_ms),
            None => self.schedule.aim(now),
        }
        self.release(now, out);
    }
}
