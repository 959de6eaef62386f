//! Messages that were accepted, followed to their recipients: what is printed of it, and how it
//! went in the end.

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

pub(crate) struct UntilReporter<'a> {
    job: &'a Job,
    sender: &'a UserId,
    levels: UntilTracker,
    /// The start of the time of `until`.
    start: Instant,
    /// Number of recipients that messages did not reach as was wanted, and the first failure.
    missed: u64,
    first: Option<Failure>,
    /// A reply that could not be printed.
    unprinted: Option<anyhow::Error>,
}

impl<'a> UntilReporter<'a> {
    pub(crate) fn new(job: &'a Job, sender: &'a UserId) -> Self {
        let timeout_ms = job.timeout.map(|timeout| timeout.as_millis() as u64);
        Self {
            job,
            sender,
            levels: UntilTracker::new(job.until, timeout_ms, job.enough),
            start: clock::moment(),
            missed: 0,
            first: None,
            unprinted: None,
        }
    }

    pub(crate) fn accepted(&mut self, id: MsgId, about: AcceptedMessage) {
        tracing::info!(%id, to = %about.to, "accepted, and followed from here");
        self.levels.accepted(id, about, self.now_ms());
    }

    /// Prints the receipts that an event brings. Returns notes about failures.
    pub(crate) fn on_event(&mut self, event: &Event) -> Vec<String> {
        let mut out = Vec::new();
        match event {
            Event::TrackUpdate { id, standings, complete } => {
                self.levels.stands(*id, standings, *complete, &mut out);
            }
            Event::UnknownMessage { id } => self.levels.not_there(*id, &mut out),
            _ => {}
        }
        self.notes(&out)
    }

    /// Ends messages whose time is up. Returns notes about them.
    pub(crate) fn tick(&mut self) -> Vec<String> {
        let mut out = Vec::new();
        self.levels.tick(self.now_ms(), &mut out);
        self.notes(&out)
    }

    /// The time at which `tick` is due.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(self.levels.deadline()?))
    }

    pub(crate) fn command(&mut self) -> Option<Command> {
        self.levels.command()
    }

    pub(crate) fn has_room(&self, sent: usize) -> bool {
        self.levels.has_room(sent)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.levels.is_done()
    }

    fn now_ms(&self) -> u64 {
        clock::since(self.start).as_millis() as u64
    }

    fn notes(&mut self, out: &[Receipt]) -> Vec<String> {
        out.iter().flat_map(|news| self.news(news)).collect()
    }

    fn news(&mut self, news: &Receipt) -> Vec<String> {
        let printed = match self.job.show {
            Show::Nothing => Ok(()),
            Show::Json | Show::Replies(Style::Json) => {
                print::object(&receipt::fields(news, clock::now_ms()))
            }
            Show::Replies(style) => receipt::reply(news, self.sender)
                .map_or(Ok(()), |reply| style::reply(style, &reply)),
        };
        if let Err(error) = printed {
            self.unprinted.get_or_insert(error);
        }
        let Some(failure) = receipt::failure(news, clock::now_ms()) else { return Vec::new() };
        self.missed += 1;
        let mut notes = Vec::new();
        if (2..=PRINTED_FAILURES_MAX).contains(&self.missed) {
            // The first was not told yet: it might have been all there is to tell.
            let first = self.first.as_ref().filter(|_| self.missed == 2);
            notes.extend(first.map(Failure::to_string));
            notes.push(failure.to_string());
        }
        self.first.get_or_insert(failure);
        notes
    }

    /// Ends with the exit code, or the failure, that all receipts come to.
    pub(crate) fn close(self, talk: Verbosity) -> Result<Exit> {
        let is_reply = matches!(self.job.show, Show::Replies(_));
        match self.unprinted {
            Some(error) if is_reply || self.first.is_none() => {
                return Err(if is_reply { error } else { print::after_sending(&error) });
            }
            _ => {}
        }
        let (exit, (missed, all)) = (self.levels.exit(), self.levels.missed());
        match self.first {
            _ if exit == Exit::Success => {
                if all == 0 {
                    notices::note(talk, "the message has no recipients");
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
