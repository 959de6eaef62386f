//! `qmsg send`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use aws_lc_rs::rand;
use clap::Args;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::client::{self, ClientError, Command};
use crate::logic::{Draft, Event, Intent};
use crate::quic::Trust;
use crate::wire::{Body, Headers, MsgId, Target};

use super::fail::{self, Exit, Failure};
use super::input::{self, Cut, Framing, Input};
use super::profile::{self, Profile};
use super::units::Targets;
use super::{Patience, Talk, Who, clock, connect, print, units};

/// Commands and events on their way between the parts of a send.
const QUEUE_MAX: usize = 1024;
/// How often progress is shown.
const PROGRESS_MS: u64 = 1_000;
/// Refusals that are told one by one.
const TOLD_MAX: u64 = 10;

/// Send a message to a user, a room, or everyone
///
/// Exits 0 once the message is on the server's disk for everybody it is addressed to. If TEXT is
/// given, it is the message, and stdin is not touched. Without TEXT, or with a single -, stdin is
/// read to its end and is one message, byte for byte.
#[derive(Debug, Args)]
pub(super) struct SendArgs {
    /// Who gets it: an id, a @room, @all, or several of them separated by commas
    #[arg(value_name = "TARGET[,TARGET…]", value_parser = units::targets)]
    targets: Targets,
    /// The message; several words are joined by spaces
    ///
    /// A message that starts with - goes behind --, as in: qmsg send bob -- -n
    #[arg(value_name = "TEXT", allow_hyphen_values = false)]
    text: Vec<String>,
    /// Read the message from a file instead of stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// Send each line of the input as one message, without its newline
    ///
    /// Each line is sent as soon as it is there, so the input may be a stream without an end.
    #[arg(short, long, conflicts_with = "null")]
    lines: bool,
    /// Send each NUL-terminated piece of the input as one message
    #[arg(short = '0', long)]
    null: bool,
    /// Only for those who listen now: neither stored nor repeated
    ///
    /// Exits 0 when the server has passed the message on, without waiting for its disk, be it to
    /// nobody; with --json it says to how many. A listener that cannot keep up slows its sender
    /// down; a member of a room that cannot misses messages.
    #[arg(long)]
    volatile: bool,
    #[command(flatten)]
    who: Who,
    /// Print a JSON object for each message and target
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

impl SendArgs {
    fn input(&self) -> Result<Input> {
        let framing = match (self.lines, self.null) {
            (true, _) => Framing::Until(b'\n'),
            (_, true) => Framing::Until(0),
            _ => Framing::Whole,
        };
        if let Some(file) = &self.file {
            return Ok(Input::File(file.clone(), framing));
        }
        match self.text.as_slice() {
            [] => Ok(Input::Stdin(framing)),
            [dash] if dash == "-" => Ok(Input::Stdin(framing)),
            _ if framing != Framing::Whole => {
                Err(Failure::new(Exit::Usage, "TEXT is one message; -l and -0 cut stdin or a file")
                    .hint("leave out TEXT, or the flag")
                    .into())
            }
            words => Ok(Input::Text(words.join(" ").into())),
        }
    }
}

pub(super) fn run(args: &SendArgs, talk: Talk) -> Result<Exit> {
    let input = args.input()?;
    let Profile { id, identity, server, pin } = profile::choose(&args.who)?;
    let one = input.is_one();
    let bodies = bodies(input, talk)?;
    let patience_ms = args.patience.ms();
    let settings = client::Settings {
        dial: connect::dial(&server, Trust::Pin(pin), identity, !one),
        dialer: None,
        intent: Intent { id: id.clone(), claim: false, code: None, attach: None, patience_ms },
        trust_remote: false,
    };
    let server = server.to_string();
    let ledger = RefCell::new(Ledger::new(args, one, &server, talk));
    let result = connect::runtime()?.block_on(converse(settings, bodies, &args.targets, &ledger));
    let ledger = ledger.into_inner();
    if ledger.shows {
        fail::progress(talk, None);
    }
    match result {
        Ok(()) => ledger.close(),
        Err(error) => {
            if ledger.accepted > 0 {
                fail::note(talk, &format!("{} messages were accepted before", ledger.accepted));
            }
            Err(fail::client_failure(error, &server, id.as_str()))
        }
    }
}

/// What is to be sent, as it is read.
type Bodies = mpsc::Receiver<Result<Cut>>;

/// Reads one message before the server is called, since an input may take its time; a stream of
/// them is read beside the conversation, on its own thread, since reading blocks.
fn bodies(input: Input, talk: Talk) -> Result<Bodies> {
    let (sender, bodies) = mpsc::channel(QUEUE_MAX);
    if input.is_one() {
        let body = input::one(&input, talk)?;
        sender.try_send(Ok(Cut::Body(body))).context("an empty queue takes one")?;
    } else {
        std::thread::spawn(move || {
            let read = input.read(talk, |cut| sender.blocking_send(Ok(cut)).is_ok());
            if let Err(error) = read {
                // Whoever would hear of it has ended.
                let _ = sender.blocking_send(Err(error));
            }
        });
    }
    Ok(bodies)
}

async fn converse(
    settings: client::Settings,
    mut bodies: Bodies,
    targets: &Targets,
    ledger: &RefCell<Ledger<'_>>,
) -> Result<(), ClientError> {
    let (commands, receiver) = mpsc::channel(QUEUE_MAX);
    let (sender, mut events) = mpsc::channel::<Vec<Event>>(QUEUE_MAX);
    // Ends, and with it the queue of commands, when the input does.
    let feed = async move {
        while let Some(cut) = bodies.recv().await {
            let drafts = ledger.borrow_mut().drafts(cut, targets);
            for draft in drafts {
                if commands.send(Command::Send(draft)).await.is_err() {
                    return;
                }
            }
        }
    };
    let told = async {
        while let Some(batch) = events.recv().await {
            batch.iter().for_each(|event| ledger.borrow_mut().told(event));
        }
    };
    let beside = async {
        tokio::join!(feed, told);
        std::future::pending::<()>().await;
    };
    let result = tokio::select! {
        result = client::run(settings, receiver, sender) => result,
        () = beside => Err(ClientError::NoAnswer),
    };
    while let Ok(batch) = events.try_recv() {
        batch.iter().for_each(|event| ledger.borrow_mut().told(event));
    }
    result.map(drop)
}

/// Who has been sent what, and what came of it.
struct Ledger<'a> {
    json: bool,
    volatile: bool,
    /// One message to one target: its failure is told at the end, as the whole command's.
    single: bool,
    server: &'a str,
    talk: Talk,
    /// Number of the message in the input, from 1.
    number: u64,
    unanswered: BTreeMap<MsgId, (u64, Target)>,
    accepted: u64,
    refused: u64,
    first: Option<anyhow::Error>,
    /// When progress was shown last, and whether it was at all.
    shown_ms: u64,
    shows: bool,
}

impl<'a> Ledger<'a> {
    fn new(args: &SendArgs, one: bool, server: &'a str, talk: Talk) -> Self {
        Self {
            json: args.json,
            volatile: args.volatile,
            single: one && args.targets.0.len() == 1,
            server,
            talk,
            number: 0,
            unanswered: BTreeMap::new(),
            accepted: 0,
            refused: 0,
            first: None,
            shown_ms: 0,
            shows: false,
        }
    }

    /// The next message of the input, once for each target.
    fn drafts(&mut self, cut: Result<Cut>, targets: &Targets) -> Vec<Draft> {
        self.number += 1;
        let body = match cut {
            Ok(Cut::Body(body)) => Body(body),
            Ok(Cut::TooLong) => {
                self.failed(input::too_long().into());
                return Vec::new();
            }
            Err(error) => {
                self.failed(error);
                return Vec::new();
            }
        };
        let drafts = targets.0.iter().map(|to| {
            let draft = draft(to.clone(), body.clone(), self.volatile);
            self.unanswered.insert(draft.id, (self.number, to.clone()));
            draft
        });
        drafts.collect()
    }

    fn told(&mut self, event: &Event) {
        match *event {
            Event::Accepted { id, duplicate } => {
                self.went(id, &[("state", "accepted".into()), ("duplicate", duplicate.into())]);
            }
            Event::Passed { id, readers } => {
                self.went(id, &[("state", "passed".into()), ("readers", readers.into())]);
            }
            Event::Refused { id, why } => {
                self.failed_at(id, "refused", |to, server| fail::refusal(why, to, server));
            }
            Event::Uncertain { id } => {
                self.failed_at(id, "unknown", |_, server| fail::uncertain(server));
            }
            Event::Offline => {
                fail::note(self.talk, &format!("no link to {}, trying again", self.server));
            }
            _ => {}
        }
    }

    fn went(&mut self, id: MsgId, state: &[(&str, Value)]) {
        let Some((number, to)) = self.unanswered.remove(&id) else { return };
        self.accepted += 1;
        self.progress();
        self.print(id, number, &to, state);
    }

    fn failed_at(&mut self, id: MsgId, state: &str, why: impl Fn(&str, &str) -> Failure) {
        let Some((number, to)) = self.unanswered.remove(&id) else { return };
        let failure = why(&to.to_string(), self.server);
        self.print(
            id,
            number,
            &to,
            &[("state", state.into()), ("error", failure.to_string().into())],
        );
        if !self.single && self.refused < TOLD_MAX {
            fail::note(self.talk, &format!("message {number} to {to}: {failure}"));
        }
        self.failed(failure.into());
    }

    /// Once a second.
    fn progress(&mut self) {
        let now_ms = clock::now_ms();
        if now_ms >= self.shown_ms + PROGRESS_MS {
            // Not at once: most sends are over by then.
            if std::mem::replace(&mut self.shown_ms, now_ms) > 0 {
                let text = format!("qmsg: {} messages accepted", self.accepted);
                fail::progress(self.talk, Some(&text));
                self.shows = true;
            }
        }
    }

    fn failed(&mut self, error: anyhow::Error) {
        self.refused += 1;
        self.first.get_or_insert(error);
    }

    fn print(&self, id: MsgId, number: u64, to: &Target, more: &[(&str, Value)]) {
        if !self.json {
            return;
        }
        let mut fields = vec![("id", id.to_string().into()), ("to", to.to_string().into())];
        fields.push(("number", number.into()));
        fields.extend_from_slice(more);
        // What has been sent stays sent, whether or not somebody reads about it.
        let _ = print::object(&fields);
    }

    /// All is answered: how did it go?
    fn close(self) -> Result<Exit> {
        match self.first {
            None => Ok(Exit::Success),
            Some(error) if self.accepted == 0 => Err(error),
            Some(error) => {
                let (refused, all) = (self.refused, self.refused + self.accepted);
                let what = format!("{refused} of {all} messages were not stored");
                Err(error.context(
                    Failure::new(Exit::Partial, what).hint("the others were; --json tells which"),
                ))
            }
        }
    }
}

pub(super) fn draft(to: Target, body: Body, volatile: bool) -> Draft {
    let mut random = [0; 10];
    // It fails on no system that has a generator; a clash of ids would be told by the server.
    let _ = rand::fill(&mut random);
    Draft {
        id: MsgId::new(clock::now_ms(), random),
        to,
        headers: Headers::default(),
        size: body.len() as u64,
        body,
        volatile,
    }
}
