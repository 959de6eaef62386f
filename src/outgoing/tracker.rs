//! Who has been sent what, and what came of it.

mod kept;
mod redating;
mod shortening;

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
use crate::message::input::{self, Cut};
use crate::outgoing::excerpt::Excerpt;
use crate::outgoing::job::{Job, Until};
use crate::outgoing::receipt::AcceptedMessage;
use crate::outgoing::reporter::UntilReporter;
use crate::outgoing::skew::Skew;
use crate::profile::refusals;
use crate::terminal::progress::Progress;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::wire::{Body, CHUNK_LEN_MAX, Envelope, MsgId, MsgIds, Refusal, Target, UserId};

/// How often progress is shown.
const PROGRESS_MS: u64 = 1_000;
/// Refusals that are told one by one.
const TOLD_MAX: u64 = 10;

/// Who has been sent what, and what came of it.
pub(crate) struct SendTracker<'a> {
    job: &'a Job,
    /// The input is one message.
    one: bool,
    server: &'a str,
    talk: Verbosity,
    /// Number of the message in the input, from 1.
    number: u64,
    /// For each target.
    ids: Vec<MsgIds>,
    unanswered: BTreeMap<MsgId, SentMessage>,
    accepted: u64,
    /// In the spool, unless they were sent from there.
    kept: BTreeSet<MsgId>,
    refused: u64,
    first: Option<anyhow::Error>,
    /// An object that could not be printed.
    unprinted: Option<anyhow::Error>,
    /// Instead of messages that were refused; of one that was too long an excerpt.
    again: VecDeque<Draft>,
    excerpt: Option<Excerpt>,
    skew: Skew,
    /// What was accepted and is to come further.
    following: Option<UntilReporter<'a>>,
    /// Of the long message that is on its way.
    bar: Option<(MsgId, Progress)>,
    /// When the number of messages was shown last, and whether it was at all.
    shown_ms: u64,
    shows: bool,
}

/// A message to one target.
struct SentMessage {
    number: u64,
    to: Target,
    content: Content,
    /// The server may have it.
    is_known: bool,
}

impl<'a> SendTracker<'a> {
    pub(crate) fn new(
        job: &'a Job,
        one: bool,
        sender: &'a UserId,
        server: &'a str,
        talk: Verbosity,
    ) -> Self {
        let follows = job.until > Until::Accepted;
        Self {
            job,
            one,
            server,
            talk,
            number: 0,
            ids: vec![MsgIds::default(); job.targets.len()],
            unanswered: BTreeMap::new(),
            accepted: 0,
            kept: BTreeSet::new(),
            refused: 0,
            first: None,
            unprinted: None,
            again: VecDeque::new(),
            excerpt: None,
            skew: Skew::default(),
            following: follows.then(|| UntilReporter::new(job, sender)),
            bar: None,
            shown_ms: 0,
            shows: false,
        }
    }

    /// The next message of the input, once for each target.
    pub(crate) fn drafts(&mut self, cut: Result<Cut>) -> VecDeque<Draft> {
        self.number += 1;
        match cut.and_then(|cut| self.begun(cut)) {
            Ok((content, body)) => self.drafts_of(&content, &body),
            Err(error) => {
                self.untold(&error);
                self.failed(error);
                VecDeque::new()
            }
        }
    }

    /// A message and the beginning of its body.
    fn begun(&self, cut: Cut) -> Result<(Content, Body)> {
        let Cut::Body(content) = cut else { return Err(input::too_long().into()) };
        self.job.check(&content)?;
        let body = content.part(0).map_err(unreadable)?;
        Ok((content, body))
    }

    fn drafts_of(&mut self, content: &Content, body: &Body) -> VecDeque<Draft> {
        let place = if self.one { 0 } else { self.number };
        let (job, ahead_ms) = (self.job, self.skew.ahead_ms);
        let ids = job.targets.iter().zip(&mut self.ids);
        let ids: Vec<_> = ids.map(|(to, ids)| (to, job.id(ids, to, place, ahead_ms))).collect();
        let drafts = ids.into_iter().map(|(to, id)| {
            let (number, to, content) = (self.number, to.clone(), content.clone());
            self.draft(id, SentMessage { number, to, content, is_known: false }, body.clone())
        });
        drafts.collect()
    }

    /// A message that is to be sent now.
    fn draft(&mut self, id: MsgId, sent: SentMessage, body: Body) -> Draft {
        let (to, headers) = (sent.to.clone(), self.headers_of(&sent.content));
        let size = sent.content.size();
        let envelope = Envelope { size, ..Envelope::new(id, to, headers, body) };
        let draft = Draft { envelope, volatile: self.job.volatile, due_ms: self.due_ms() };
        self.unanswered.insert(id, sent);
        draft
    }

    /// The client wants a part of this message: where it is. `None` if it is answered already.
    pub(crate) fn part(&mut self, id: MsgId, index: u64) -> Option<Content> {
        let SentMessage { to, content, .. } = self.unanswered.get(&id)?;
        let (talk, size) = (self.talk, content.size());
        let fresh = || (id, Progress::new(talk, size, "to", to));
        self.bar.take_if(|(of, _)| *of != id);
        let (_, bar) = self.bar.get_or_insert_with(fresh);
        bar.at(index.saturating_mul(CHUNK_LEN_MAX as u64));
        Some(content.clone())
    }

    pub(crate) fn told(&mut self, event: &Event) {
        match event {
            Event::Accepted { id, count, duplicate } => {
                ids::span(*id, *count).for_each(|id| self.accepted(id, *duplicate));
            }
            Event::VolatileSent { id, count, readers } => {
                let state = [("state", "passed".into()), ("readers", (*readers).into())];
                ids::span(*id, *count).for_each(|id| self.went(id, &state));
            }
            Event::Refused { id, why: Refusal::BodyTooLong { max }, .. }
                if self.shorten(*id, *max) => {}
            Event::Refused { id, count, why } => ids::span(*id, *count).for_each(|id| {
                if self.redate(id, *why) {
                    return;
                }
                self.failed_at(id, "refused", |to, server| {
                    refusals::refusal(*why, to, server).into()
                });
            }),
            Event::Uncertain { id } => {
                self.failed_at(*id, "unknown", |_, server| refusals::uncertain(server).into());
            }
            Event::ClockSkew { ahead_ms } => self.skewed(*ahead_ms),
            Event::Welcome { .. } => self.skew.is_linked = true,
            Event::Offline => {
                self.unlinked();
                let text = format!("no link to {}, trying again", self.server);
                self.note(&text);
            }
            event => self.follow(|following| following.told(event)),
        }
    }

    fn accepted(&mut self, id: MsgId, duplicate: bool) {
        let Some(following) = &mut self.following else {
            let mut state = vec![("state", "accepted".into()), ("duplicate", duplicate.into())];
            state.extend(self.due_ms().map(|due_ms| ("due", clock::rfc3339(due_ms).into())));
            return self.went(id, &state);
        };
        if let Some(SentMessage { number, to, .. }) = self.unanswered.remove(&id) {
            self.skew.answered(id);
            let (heard_ms, ttl_ms) = (clock::now_ms(), self.job.headers.ttl_ms());
            following.accepted(id, AcceptedMessage { number, to, duplicate, heard_ms, ttl_ms });
            self.bar.take_if(|(of, _)| *of == id);
            self.accepted += 1;
        }
    }

    /// Hears of messages that were accepted.
    fn follow(&mut self, hear: impl FnOnce(&mut UntilReporter<'a>) -> Vec<String>) {
        // What is printed may go to the same terminal.
        self.clear();
        let notes = self.following.as_mut().map(hear).unwrap_or_default();
        notes.iter().for_each(|note| self.note(note));
    }

    fn went(&mut self, id: MsgId, state: &[(&str, Value)]) {
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

    /// `why` is given the target and the server.
    fn failed_at(&mut self, id: MsgId, state: &str, why: impl FnOnce(&str, &str) -> anyhow::Error) {
        let Some(SentMessage { number, to, .. }) = self.answered(id) else { return };
        let failure = why(&to.to_string(), self.server);
        self.print(
            id,
            number,
            &to,
            &[("state", state.into()), ("error", failure.to_string().into())],
        );
        if !self.is_single() && self.refused < TOLD_MAX {
            self.note(&format!("message {number} to {to}: {failure}"));
        }
        self.failed(failure);
    }

    /// A message of which nothing was sent.
    fn untold(&mut self, error: &anyhow::Error) {
        if !self.one && self.refused < TOLD_MAX {
            self.note(&format!("message {}: {error}", self.number));
        }
    }

    /// One message to one target: its failure is told at the end, as the whole command's.
    fn is_single(&self) -> bool {
        self.one && self.job.targets.len() == 1
    }

    /// Once a second.
    fn progress(&mut self) {
        let now_ms = clock::now_ms();
        if now_ms >= self.shown_ms + PROGRESS_MS {
            // Not at once: most sends are over by then.
            if std::mem::replace(&mut self.shown_ms, now_ms) > 0 {
                let text = format!("qmsg: {} messages accepted", self.accepted);
                notices::progress(self.talk, Some(&text));
                self.shows = true;
            }
        }
    }

    fn failed(&mut self, error: anyhow::Error) {
        self.refused += 1;
        self.first.get_or_insert(error);
    }

    fn print(&mut self, id: MsgId, number: u64, to: &Target, more: &[(&str, Value)]) {
        if !self.job.show.is_json() {
            return;
        }
        // stdout may be the same terminal.
        self.clear();
        let mut fields = vec![("id", id.to_string().into()), ("to", to.to_string().into())];
        fields.push(("number", number.into()));
        fields.extend(self.excerpt.as_ref().map(|excerpt| ("truncated", excerpt.of.into())));
        fields.extend_from_slice(more);
        // What has been sent stays sent, whether or not somebody reads about it.
        if let Err(error) = print::object(&fields) {
            self.unprinted.get_or_insert(error);
        }
    }

    /// What cannot be read any more is not sent.
    pub(crate) fn unreadable(&mut self, id: MsgId, error: io::Error) {
        self.failed_at(id, "refused", |_, _| unreadable(error));
    }

    /// Whether all is answered and nothing is waited for.
    pub(crate) fn is_done(&self) -> bool {
        self.unanswered.is_empty()
            && self.again.is_empty()
            && self.following.as_ref().is_none_or(UntilReporter::is_done)
    }

    /// Whether more of the input may be sent.
    pub(crate) fn has_room(&self) -> bool {
        let sent = self.unanswered.len();
        // A delay is counted from now on by the server's clock, so that has to be known.
        if self.skew.holds_back() || self.job.is_delay && !self.skew.is_linked {
            return false;
        }
        self.following.as_ref().is_none_or(|following| following.has_room(sent))
    }

    /// What to say to the client of messages that were accepted.
    pub(crate) fn command(&mut self) -> Option<Command> {
        self.following.as_mut()?.command()
    }

    pub(crate) fn has_command(&self) -> bool {
        self.following.as_ref().is_some_and(UntilReporter::has_command)
    }

    /// When `tick` is due.
    pub(crate) fn deadline(&mut self) -> Option<Instant> {
        self.following.as_mut()?.deadline()
    }

    pub(crate) fn tick(&mut self) {
        self.follow(UntilReporter::tick);
    }

    /// Says something, on a line of its own.
    fn note(&mut self, text: &str) {
        self.clear();
        notices::note(self.talk, text);
    }

    /// Takes what is shown of progress off the terminal.
    pub(crate) fn clear(&mut self) {
        if let Some((_, bar)) = &mut self.bar {
            bar.hide();
        }
        if std::mem::take(&mut self.shows) {
            notices::progress(self.talk, None);
        }
    }

    /// All is answered, or kept: how did it go?
    pub(crate) fn close(self) -> Result<Exit> {
        let (refused, kept) = (self.refused, self.kept.len() as u64);
        let all = refused + kept + self.accepted;
        match self.first {
            None if kept > 0 => {
                let what = match all {
                    1 => "the message is not sent yet, but kept".to_owned(),
                    _ => format!("{kept} of {all} messages are not sent yet, but kept"),
                };
                let hint = "the next send that reaches the server sends it, or: qmsg spool flush";
                Err(Failure::new(Exit::TempFail, what).hint(hint).into())
            }
            None => {
                let close = |following: UntilReporter<'_>| following.close(self.talk);
                let exit = self.following.map_or(Ok(Exit::Success), close)?;
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
