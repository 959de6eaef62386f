//! Messages from the input to the answer of the server, and then to their recipients.

mod redating;
mod shortening;
mod spooling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Instant;

use anyhow::Result;
use serde_json::Value;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Draft, Event};
use crate::message::content::Content;
use crate::message::ids;
use crate::message::known_headers::TRUNCATED;
use crate::outgoing::excerpt::Excerpt;
use crate::outgoing::job::{self, Job, Until};
use crate::outgoing::limits::PRINTED_FAILURES_MAX;
use crate::outgoing::receipt::AcceptedMessage;
use crate::outgoing::reporter::UntilReporter;
use crate::outgoing::skew::Skew;
use crate::profile::refusals;
use crate::terminal::progress::Progress;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::wire::{Body, CHUNK_LEN_MAX, Envelope, MsgId, MsgIds, Refusal, Target, UserId};

/// Interval in which progress is shown, in milliseconds.
const PROGRESS_MS: u64 = 1_000;

/// The messages of a job: those that have no answer, and counts of the others.
pub(crate) struct SendTracker<'a> {
    job: &'a Job,
    /// True if the input is one message.
    one: bool,
    server: &'a str,
    verbosity: Verbosity,
    /// Number of the message in the input, from 1.
    number: u64,
    /// Generators of ids, one for each target.
    ids: Vec<MsgIds>,
    unanswered: BTreeMap<MsgId, SentMessage>,
    accepted: u64,
    /// Messages of this job in the spool.
    spooled: BTreeSet<MsgId>,
    refused: u64,
    first_error: Option<anyhow::Error>,
    /// An object that could not be printed.
    unprinted: Option<anyhow::Error>,
    /// Drafts that replace refused messages: with a new date, or with an excerpt.
    resend: VecDeque<Draft>,
    excerpt: Option<Excerpt>,
    skew: Skew,
    /// Accepted messages that are tracked. `None` if the job ends with acceptance.
    reporter: Option<UntilReporter<'a>>,
    /// Progress of the long message that is being sent.
    bar: Option<(MsgId, Progress)>,
    /// Time at which the count of messages was last shown, and whether it is on the terminal now.
    count_shown_ms: u64,
    shows_count: bool,
}

/// A message to one target.
struct SentMessage {
    number: u64,
    to: Target,
    content: Content,
    /// True if the server may have stored the message.
    may_be_stored: bool,
}

impl<'a> SendTracker<'a> {
    pub(crate) fn new(
        job: &'a Job,
        one: bool,
        sender: &'a UserId,
        server: &'a str,
        verbosity: Verbosity,
    ) -> Self {
        let reports = job.until > Until::Accepted;
        Self {
            job,
            one,
            server,
            verbosity,
            number: 0,
            ids: vec![MsgIds::default(); job.targets.len()],
            unanswered: BTreeMap::new(),
            accepted: 0,
            spooled: BTreeSet::new(),
            refused: 0,
            first_error: None,
            unprinted: None,
            resend: VecDeque::new(),
            excerpt: None,
            skew: Skew::default(),
            reporter: reports.then(|| UntilReporter::new(job, sender)),
            bar: None,
            count_shown_ms: 0,
            shows_count: false,
        }
    }

    /// Makes the drafts of the next message of the input, one for each target.
    pub(crate) fn drafts(&mut self, content: Result<Content>) -> VecDeque<Draft> {
        self.number += 1;
        match content.and_then(|content| self.checked(content)) {
            Ok((content, body)) => self.drafts_of(&content, &body),
            Err(error) => {
                self.note_unsent(&error);
                self.count_failure(error);
                VecDeque::new()
            }
        }
    }

    /// Checks a message and reads the beginning of its body.
    fn checked(&self, content: Content) -> Result<(Content, Body)> {
        job::check(self.job, &content)?;
        let body = content.part(0).map_err(unreadable)?;
        Ok((content, body))
    }

    fn drafts_of(&mut self, content: &Content, body: &Body) -> VecDeque<Draft> {
        let place = if self.one { 0 } else { self.number };
        let (job, ahead_ms) = (self.job, self.skew.ahead_ms());
        let ids = job.targets.iter().zip(&mut self.ids);
        let ids: Vec<_> =
            ids.map(|(to, ids)| (to, job::message_id(job, ids, to, place, ahead_ms))).collect();
        let drafts = ids.into_iter().map(|(to, id)| {
            let (number, to, content) = (self.number, to.clone(), content.clone());
            self.draft(id, SentMessage { number, to, content, may_be_stored: false }, body.clone())
        });
        drafts.collect()
    }

    /// Makes the draft of a message.
    fn draft(&mut self, id: MsgId, sent: SentMessage, body: Body) -> Draft {
        let (to, headers) = (sent.to.clone(), self.headers_of(&sent.content));
        let size = sent.content.size();
        let envelope = Envelope { size, ..Envelope::new(id, to, headers, body) };
        let draft = Draft { envelope, volatile: self.job.volatile, due_ms: self.due_ms() };
        self.unanswered.insert(id, sent);
        draft
    }

    /// The body of a message that has no answer.
    pub(crate) fn content(&self, id: MsgId) -> Option<&Content> {
        self.unanswered.get(&id).map(|sent| &sent.content)
    }

    /// Shows the progress of a long message when the server asks for a chunk.
    fn chunk_wanted(&mut self, id: MsgId, index: u64) {
        let Some(SentMessage { to, content, .. }) = self.unanswered.get(&id) else { return };
        let (verbosity, size) = (self.verbosity, content.size());
        let fresh = || (id, Progress::new(verbosity, size, "to", to));
        self.bar.take_if(|(of, _)| *of != id);
        let (_, bar) = self.bar.get_or_insert_with(fresh);
        bar.at(index.saturating_mul(CHUNK_LEN_MAX as u64));
    }

    pub(crate) fn on_event(&mut self, event: &Event) {
        match event {
            Event::Accepted { id, count, duplicate } => {
                ids::span(*id, *count).for_each(|id| self.accepted(id, *duplicate));
            }
            Event::VolatileSent { id, count, readers } => {
                let state = [("state", "passed".into()), ("readers", (*readers).into())];
                ids::span(*id, *count).for_each(|id| self.completed(id, &state));
            }
            Event::Refused { id, why: Refusal::BodyTooLong { max }, .. }
                if self.shorten(*id, *max) => {}
            Event::Refused { id, count, why } => ids::span(*id, *count).for_each(|id| {
                if self.redate(id, *why) {
                    return;
                }
                self.fail(id, "refused", |to, server| refusals::refusal(*why, to, server).into());
            }),
            Event::Uncertain { id } => {
                self.fail(*id, "unknown", |_, server| refusals::uncertain(server).into());
            }
            Event::ClockSkew { ahead_ms } => self.on_skew(*ahead_ms),
            Event::Welcome { .. } => self.skew.link(),
            Event::ChunkWanted { id, index } => self.chunk_wanted(*id, *index),
            Event::Offline => {
                self.on_disconnect();
                let text = format!("no link to {}, trying again", self.server);
                self.note(&text);
            }
            event => self.report(|reporter| reporter.on_event(event)),
        }
    }

    fn accepted(&mut self, id: MsgId, duplicate: bool) {
        let Some(reporter) = &mut self.reporter else {
            let mut state = vec![("state", "accepted".into()), ("duplicate", duplicate.into())];
            state.extend(self.due_ms().map(|due_ms| ("due", clock::rfc3339(due_ms).into())));
            return self.completed(id, &state);
        };
        if let Some(SentMessage { number, to, .. }) = self.unanswered.remove(&id) {
            self.skew.answered(id);
            let (heard_ms, ttl_ms) = (clock::now_ms(), self.job.headers.ttl_ms());
            reporter.accepted(id, AcceptedMessage { number, to, duplicate, heard_ms, ttl_ms });
            self.bar.take_if(|(of, _)| *of == id);
            self.accepted += 1;
        }
    }

    /// Calls the reporter, if there is one, and prints the notes that it returns.
    fn report(&mut self, notes_of: impl FnOnce(&mut UntilReporter<'a>) -> Vec<String>) {
        // The reporter may print to the same terminal.
        self.clear();
        let notes = self.reporter.as_mut().map(notes_of).unwrap_or_default();
        notes.iter().for_each(|note| self.note(note));
    }

    fn completed(&mut self, id: MsgId, state: &[(&str, Value)]) {
        let Some(SentMessage { number, to, .. }) = self.answered(id) else { return };
        self.accepted += 1;
        self.progress();
        self.print(id, number, &to, state);
    }

    fn answered(&mut self, id: MsgId) -> Option<SentMessage> {
        let sent = self.unanswered.remove(&id)?;
        self.skew.answered(id);
        self.bar.take_if(|(of, _)| *of == id);
        Some(sent)
    }

    /// Ends a message with a failure. `why` makes the error from the target and the server.
    fn fail(&mut self, id: MsgId, state: &str, why: impl FnOnce(&str, &str) -> anyhow::Error) {
        let Some(SentMessage { number, to, .. }) = self.answered(id) else { return };
        let failure = why(&to.to_string(), self.server);
        self.print(
            id,
            number,
            &to,
            &[("state", state.into()), ("error", failure.to_string().into())],
        );
        if !self.is_single() && self.refused < PRINTED_FAILURES_MAX {
            self.note(&format!("message {number} to {to}: {failure}"));
        }
        self.count_failure(failure);
    }

    /// Prints the error of a message of which nothing was sent.
    fn note_unsent(&mut self, error: &anyhow::Error) {
        if !self.one && self.refused < PRINTED_FAILURES_MAX {
            self.note(&format!("message {}: {error}", self.number));
        }
    }

    /// True for one message to one target. Its failure is the error of the command.
    fn is_single(&self) -> bool {
        self.one && self.job.targets.len() == 1
    }

    /// Shows progress once a second.
    fn progress(&mut self) {
        let now_ms = clock::now_ms();
        if now_ms >= self.count_shown_ms + PROGRESS_MS {
            // Not at once: most sends are over by then.
            if std::mem::replace(&mut self.count_shown_ms, now_ms) > 0 {
                let text = format!("qmsg: {} messages accepted", self.accepted);
                notices::progress(self.verbosity, Some(&text));
                self.shows_count = true;
            }
        }
    }

    fn count_failure(&mut self, error: anyhow::Error) {
        self.refused += 1;
        self.first_error.get_or_insert(error);
    }

    fn print(&mut self, id: MsgId, number: u64, to: &Target, more: &[(&str, Value)]) {
        if !self.job.show.is_json() {
            return;
        }
        // stdout may be the same terminal.
        self.clear();
        let mut fields = vec![("id", id.to_string().into()), ("to", to.to_string().into())];
        fields.push(("number", number.into()));
        fields.extend(self.excerpt.as_ref().map(|excerpt| (TRUNCATED, excerpt.whole_len().into())));
        fields.extend_from_slice(more);
        // A failure to print does not undo the send.
        if let Err(error) = print::object(&fields) {
            self.unprinted.get_or_insert(error);
        }
    }

    /// Ends a message whose body cannot be read to its end.
    pub(crate) fn unreadable(&mut self, id: MsgId, error: io::Error) {
        self.fail(id, "refused", |_, _| unreadable(error));
    }

    /// True if all messages have an answer and none is tracked.
    pub(crate) fn is_done(&self) -> bool {
        self.unanswered.is_empty()
            && self.resend.is_empty()
            && self.reporter.as_ref().is_none_or(UntilReporter::is_done)
    }

    /// True if more of the input may be sent.
    pub(crate) fn has_room(&self) -> bool {
        let sent = self.unanswered.len();
        // A delay counts by the server's clock, so its difference has to be known first.
        if self.skew.holds_back() || self.job.is_delay && !self.skew.is_linked() {
            return false;
        }
        self.reporter.as_ref().is_none_or(|reporter| reporter.has_room(sent))
    }

    /// The next command about accepted messages.
    pub(crate) fn command(&mut self) -> Option<Command> {
        self.reporter.as_mut()?.command()
    }

    /// The time at which `tick` is due.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.reporter.as_mut()?.deadline()
    }

    pub(crate) fn tick(&mut self) {
        self.report(UntilReporter::tick);
    }

    /// Prints a note on a line of its own.
    fn note(&mut self, text: &str) {
        self.clear();
        notices::note(self.verbosity, text);
    }

    /// Removes progress from the terminal.
    pub(crate) fn clear(&mut self) {
        if let Some((_, bar)) = &mut self.bar {
            bar.hide();
        }
        if std::mem::take(&mut self.shows_count) {
            notices::progress(self.verbosity, None);
        }
    }

    /// Returns the exit code, or the failure, that all answers come to.
    pub(crate) fn close(self) -> Result<Exit> {
        let (refused, kept) = (self.refused, self.spooled.len() as u64);
        let all = refused + kept + self.accepted;
        match self.first_error {
            None if kept > 0 => {
                let what = match all {
                    1 => "the message is not sent yet, but kept".to_owned(),
                    _ => format!("{kept} of {all} messages are not sent yet, but kept"),
                };
                let hint = "the next send that reaches the server sends it, or: qmsg spool flush";
                Err(Failure::new(Exit::TempFail, what).hint(hint).into())
            }
            None => {
                let close = |reporter: UntilReporter<'_>| reporter.close(self.verbosity);
                let exit = self.reporter.map_or(Ok(Exit::Success), close)?;
                match self.excerpt {
                    Some(excerpt) if exit == Exit::Success => Err(excerpt.failure().into()),
                    _ => self.unprinted.map_or(Ok(exit), |error| Err(print::after_sending(&error))),
                }
            }
            Some(error) if self.accepted == 0 && kept == 0 => Err(error),
            Some(error) => {
                let what = format!("{refused} of {all} messages were not stored");
                let hint = match kept {
                    0 => "the others were; --json tells which".to_owned(),
                    _ => format!("{kept} wait in the spool; --json tells which"),
                };
                Err(error.context(Failure::new(Exit::Partial, what).hint(hint)))
            }
        }
    }
}

fn unreadable(error: io::Error) -> anyhow::Error {
    Failure::new(Exit::Data, "the message could not be read to its end")
        .hint("it was not sent; send a copy of the file, one that nobody writes to")
        .because(error)
}
