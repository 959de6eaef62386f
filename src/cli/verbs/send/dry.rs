//! `qmsg send --dry-run`: shows what would be sent, without the server.

use anyhow::Result;
use serde_json::{Map, Value};

use crate::cli::args::{Who, profile};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::message::content::Content;
use crate::message::input::{BodySource, Framing};
use crate::outgoing::job::{Job, Show, check, headers_of, message_id};
use crate::process::runtime;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::wire::{MsgId, MsgIds, Target};

/// Shows the messages. Returns the exit code of the send, as far as it can be known without the
/// server.
pub(crate) fn run(job: &Job, input: BodySource, who: &Who, verbosity: Verbosity) -> Result<Exit> {
    // Sending fails without a profile.
    profile(who)?;
    let mut dry = Dry { job, number: 0, failed: 0, first: None, verbosity };
    match input.framing() {
        Framing::Whole { .. } => {
            let Some(content) = input.whole(verbosity)? else { return Ok(Exit::Success) };
            check(job, &content)?;
            dry.message(&content, 0)?;
        }
        Framing::Until(end) => {
            let runtime = runtime::runtime()?;
            let mut printed = Ok(());
            input.pieces(end, verbosity, runtime.handle(), |cut| {
                printed = dry.piece(cut);
                printed.is_ok()
            })?;
            printed?;
        }
    }
    dry.close()
}

struct Dry<'a> {
    job: &'a Job,
    number: u64,
    failed: u64,
    first: Option<Failure>,
    verbosity: Verbosity,
}

impl Dry<'_> {
    fn piece(&mut self, content: Result<Content, Failure>) -> Result<()> {
        let number = self.number + 1;
        match content.and_then(|content| check(self.job, &content).map(|()| content)) {
            Ok(content) => self.message(&content, number),
            Err(failure) => {
                self.number += 1;
                self.failed += 1;
                notices::note(self.verbosity, &format!("message {number}: {failure}"));
                self.first.get_or_insert(failure);
                Ok(())
            }
        }
    }

    /// Shows a message for each target.
    fn message(&mut self, content: &Content, place: u64) -> Result<()> {
        self.number += 1;
        self.job.targets.iter().try_for_each(|to| {
            // A random id would differ in the real send.
            let keyed = self.job.key.is_some();
            let id = keyed.then(|| message_id(self.job, &mut MsgIds::default(), to, place, 0));
            match self.job.show {
                Show::Json => self.object(to, content, id),
                _ => print::line(&self.line(to, content, id)),
            }
        })
    }

    fn line(&self, to: &Target, content: &Content, id: Option<MsgId>) -> String {
        let mut line = format!("{} bytes to {to}", content.size());
        line.extend(self.job.due_ms.map(|due_ms| format!(" at {}", clock::local(due_ms))));
        line.extend(id.map(|id| format!(", id {id}")));
        line.extend(self.job.volatile.then_some(", volatile"));
        let headers = headers_of(self.job, content);
        line.extend(headers.iter().map(|(name, value)| format!(", {name}: {value}")));
        line
    }

    fn object(&self, to: &Target, content: &Content, id: Option<MsgId>) -> Result<()> {
        let Job { due_ms, volatile, .. } = self.job;
        let headers = headers_of(self.job, content);
        let headers: Map<String, Value> =
            headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        print::object(&[
            ("id", id.map(|id| id.to_string()).into()),
            ("to", to.to_string().into()),
            ("number", self.number.into()),
            ("state", "dry-run".into()),
            ("size", content.size().into()),
            ("headers", headers.into()),
            ("due", due_ms.map(clock::rfc3339).into()),
            ("volatile", (*volatile).into()),
        ])
    }

    fn close(self) -> Result<Exit> {
        match self.first {
            None => Ok(Exit::Success),
            Some(failure) if self.failed == self.number => Err(failure.into()),
            Some(_) => {
                let what = format!("{} of {} messages cannot be sent", self.failed, self.number);
                Err(Failure::new(Exit::Partial, what).into())
            }
        }
    }
}
