//! The output about tracked messages: receipts as they come, and the result of the command.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Event};
use crate::message::render::style::{self, Style};
use crate::outgoing::job::{Job, Show, Until};
use crate::outgoing::limits::PRINTED_FAILURES_MAX;
use crate::outgoing::receipt::{self, AcceptedMessage, Receipt};
use crate::outgoing::until::UntilTracker;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::wire::{MsgId, UserId};

/// The tracked messages of a job, and what has been printed about them.
pub(crate) struct UntilReporter<'a> {
    job: &'a Job,
    sender: &'a UserId,
    tracker: UntilTracker,
    /// The moment from which the times of `tracker` count.
    start: Instant,
    /// Number of receipts that are failures, and the first of them.
    missed: u64,
    first_failure: Option<Failure>,
    /// A reply that could not be printed.
    unprinted: Option<anyhow::Error>,
}

impl<'a> UntilReporter<'a> {
    pub(crate) fn new(job: &'a Job, sender: &'a UserId) -> Self {
        let timeout_ms = job.timeout.map(|timeout| timeout.as_millis() as u64);
        Self {
            job,
            sender,
            tracker: UntilTracker::new(job.until, timeout_ms, job.enough),
            start: clock::moment(),
            missed: 0,
            first_failure: None,
            unprinted: None,
        }
    }

    pub(crate) fn accepted(&mut self, id: MsgId, message: AcceptedMessage) {
        tracing::info!(%id, to = %message.to, "accepted, and followed from here");
        self.tracker.accepted(id, message, self.now_ms());
    }

    /// Prints the receipts that an event brings. Returns notes about failures.
    pub(crate) fn on_event(&mut self, event: &Event) -> Vec<String> {
        let mut receipts = Vec::new();
        match event {
            Event::TrackUpdate { id, standings, complete } => {
                self.tracker.on_update(*id, standings, *complete, &mut receipts);
            }
            Event::UnknownMessage { id } => self.tracker.on_unknown(*id, &mut receipts),
            _ => {}
        }
        self.notes(&receipts)
    }

    /// Ends messages whose time is up. Returns notes about them.
    pub(crate) fn tick(&mut self) -> Vec<String> {
        let mut receipts = Vec::new();
        self.tracker.tick(self.now_ms(), &mut receipts);
        self.notes(&receipts)
    }

    /// The time at which `tick` is due.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(self.tracker.deadline()?))
    }

    pub(crate) fn command(&mut self) -> Option<Command> {
        self.tracker.command()
    }

    pub(crate) fn has_room(&self, sent: usize) -> bool {
        self.tracker.has_room(sent)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.tracker.is_done()
    }

    fn now_ms(&self) -> u64 {
        clock::since(self.start).as_millis() as u64
    }

    fn notes(&mut self, receipts: &[Receipt]) -> Vec<String> {
        receipts.iter().flat_map(|receipt| self.notes_of(receipt)).collect()
    }

    fn notes_of(&mut self, receipt: &Receipt) -> Vec<String> {
        let printed = match self.job.show {
            Show::Nothing => Ok(()),
            Show::Json | Show::Replies(Style::Json) => {
                print::object(&receipt::fields(receipt, clock::now_ms()))
            }
            Show::Replies(style) => receipt::reply(receipt, self.sender)
                .map_or(Ok(()), |reply| style::reply(style, &reply)),
        };
        if let Err(error) = printed {
            self.unprinted.get_or_insert(error);
        }
        let Some(failure) = receipt::failure(receipt, clock::now_ms()) else { return Vec::new() };
        self.missed += 1;
        let mut notes = Vec::new();
        if (2..=PRINTED_FAILURES_MAX).contains(&self.missed) {
            // The first was not printed: if it stays the only one, it is the error of the command.
            let first_failure = self.first_failure.as_ref().filter(|_| self.missed == 2);
            notes.extend(first_failure.map(Failure::to_string));
            notes.push(failure.to_string());
        }
        self.first_failure.get_or_insert(failure);
        notes
    }

    /// Returns the exit code, or the failure, that all receipts come to.
    pub(crate) fn close(self, verbosity: Verbosity) -> Result<Exit> {
        let is_reply = matches!(self.job.show, Show::Replies(_));
        match self.unprinted {
            Some(error) if is_reply || self.first_failure.is_none() => {
                return Err(if is_reply { error } else { print::after_sending(&error) });
            }
            _ => {}
        }
        let (exit, (missed, all)) = (self.tracker.exit(), self.tracker.missed());
        match self.first_failure {
            _ if exit == Exit::Success => {
                if all == 0 {
                    notices::note(verbosity, "the message has no recipients");
                }
                Ok(exit)
            }
            Some(failure) if all == 1 => Err(failure.into()),
            Some(_) => {
                let level =
                    if self.job.until == Until::Processed { "processed" } else { "delivered" };
                let what = format!("{missed} of {all} recipients did not reach \"{level}\"");
                let hint = "--json shows who, and how far each of them got";
                Err(Failure::new(exit, what).hint(hint).into())
            }
            None => Err(Failure::new(exit, "there were fewer replies than --count")
                .hint("a recipient can process a message without replying")
                .into()),
        }
    }
}
