//! `qmsg send`.

mod ledger;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::client::{self, ClientError};
use crate::logic::{Command, Draft, Event, Intent};
use crate::quic::Trust;
use crate::wire::{Body, MsgId, Target};

use super::fail::{self, Exit, Failure};
use super::headers::HeaderArgs;
use super::input::{Cut, Framing, Input};
use super::profile::{self, Profile};
use super::units::Targets;
use super::{Patience, Talk, Who, connect, units};
use ledger::Ledger;

/// Commands and events on their way between the parts of a send.
const QUEUE_MAX: usize = 1024;

/// Send a message to a user, a room, or everyone
///
/// Exits 0 once the message is on the server's disk for everybody it is addressed to. If TEXT is
/// given, it is the message, and stdin is not touched. Without TEXT, or with a single -, stdin is
/// read to its end and is one message, byte for byte.
///
/// A long message takes little memory: a file is read while it is sent, so it must not change until
/// then, and what comes through a pipe is first copied to $TMPDIR, up to 1 GiB.
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
    /// Send it once, however often this is run with the same key
    ///
    /// A message that was sent by the same user to the same target with the same key within the
    /// server's duplicate window is not sent again, whatever is in it; the exit code is 0 all the
    /// same. With -l and -0 the message's number belongs to the key.
    #[arg(long = "id", value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    #[arg(conflicts_with = "volatile")]
    key: Option<String>,
    #[command(flatten)]
    headers: HeaderArgs,
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
    let headers = args.headers.headers()?;
    let Profile { id, identity, server, pin } = profile::choose(&args.who)?;
    let one = input.framing() == Framing::Whole;
    let runtime = connect::runtime()?;
    let contents = contents(input, talk, runtime.handle())?;
    let patience_ms = args.patience.ms();
    let settings = client::Settings {
        dial: connect::dial(&server, Trust::Pin(pin), identity, !one),
        dialer: None,
        intent: Intent { id: id.clone(), claim: false, code: None, attach: None, patience_ms },
        trust_remote: false,
    };
    let server = server.to_string();
    let mut ledger = Ledger::new(args, headers, one, &server, talk);
    let result = runtime.block_on(converse(settings, contents, &args.targets.0, &mut ledger));
    ledger.clear();
    match result {
        Ok(()) => ledger.close(),
        Err(error) => {
            ledger.note_accepted();
            Err(fail::client_failure(error, &server, id.as_str()))
        }
    }
}

/// What is to be sent, as it is read.
type Contents = mpsc::Receiver<Result<Cut>>;

/// Reads one message before the server is called, since an input may take its time; a stream of
/// them is read beside the conversation, on its own thread, since reading blocks.
fn contents(input: Input, talk: Talk, runtime: &Handle) -> Result<Contents> {
    let (sender, contents) = mpsc::channel(QUEUE_MAX);
    match input.framing() {
        Framing::Whole => {
            let content = input.whole(talk)?;
            sender.try_send(Ok(Cut::Body(content))).context("an empty queue takes one")?;
        }
        Framing::Until(end) => {
            let runtime = runtime.clone();
            std::thread::spawn(move || {
                let take = |cut| sender.blocking_send(Ok(cut)).is_ok();
                if let Err(error) = input.pieces(end, talk, &runtime, take) {
                    // Whoever would hear of it has ended.
                    let _ = sender.blocking_send(Err(error));
                }
            });
        }
    }
    Ok(contents)
}

async fn converse(
    settings: client::Settings,
    contents: Contents,
    targets: &[Target],
    ledger: &mut Ledger<'_>,
) -> Result<(), ClientError> {
    let (commands, receiver) = mpsc::channel(QUEUE_MAX);
    let (sender, events) = mpsc::channel(QUEUE_MAX);
    let (contents, commands) = (Some(contents), Some(commands));
    let mut user = User { contents, targets, next: VecDeque::new(), commands, events, ledger };
    let result = tokio::select! {
        result = client::run(settings, receiver, sender) => result,
        () = user.run() => Err(ClientError::NoAnswer),
    };
    while let Ok(batch) = user.events.try_recv() {
        batch.iter().for_each(|event| user.ledger.told(event));
    }
    result.map(drop)
}

/// The client's user: gives it drafts, the parts of long ones, and hears what became of them.
struct User<'a, 'b> {
    /// `None` at their end.
    contents: Option<Contents>,
    targets: &'a [Target],
    /// Of the content that was read last: for the client, when it has room.
    next: VecDeque<Draft>,
    /// `None` once nothing more is to be said.
    commands: Option<mpsc::Sender<Command>>,
    events: mpsc::Receiver<Vec<Event>>,
    ledger: &'a mut Ledger<'b>,
}

impl User<'_, '_> {
    /// Goes on as long as it is let.
    async fn run(&mut self) {
        loop {
            if self.contents.is_none() && self.next.is_empty() && self.ledger.is_answered() {
                // The client ends with its commands.
                self.commands = None;
            }
            let is_given = !self.next.is_empty();
            tokio::select! {
                biased;
                Some(batch) = self.events.recv() => self.told(batch).await,
                true = has_place(self.commands.as_ref()), if is_given => self.give(),
                cut = next(self.contents.as_mut()), if !is_given => match cut {
                    Some(cut) => self.next = self.ledger.drafts(cut, self.targets),
                    None => self.contents = None,
                },
                else => std::future::pending().await,
            }
        }
    }

    fn give(&mut self) {
        if let (Some(draft), Some(commands)) = (self.next.pop_front(), &self.commands) {
            // There is a place. A client that has ended says so itself.
            let _ = commands.try_send(Command::Send(vec![draft]));
        }
    }

    async fn told(&mut self, batch: Vec<Event>) {
        for event in batch {
            let Event::PartWanted { id, index } = event else {
                self.ledger.told(&event);
                continue;
            };
            let body = self.part(id, index).await;
            if let Some(commands) = &self.commands {
                // As for `give`.
                let _ = commands.send(Command::Part { id, index, body }).await;
            }
        }
    }

    /// A part that the client wants; empty, which says that there is none, if it cannot be read.
    /// Each is answered, also one of a message that has its answer.
    async fn part(&mut self, id: MsgId, index: u64) -> Body {
        let Some(content) = self.ledger.part(id, index) else { return Body::default() };
        // A file may be slow.
        let read = tokio::task::spawn_blocking(move || content.part(index)).await;
        read.map_err(io::Error::other).flatten().unwrap_or_else(|error| {
            self.ledger.unreadable(id, error);
            Body::default()
        })
    }
}

/// Whether a command can be given, as soon as that is so.
async fn has_place(commands: Option<&mpsc::Sender<Command>>) -> bool {
    match commands {
        Some(commands) => commands.reserve().await.is_ok(),
        None => false,
    }
}

/// Never, after the end.
async fn next(contents: Option<&mut Contents>) -> Option<Result<Cut>> {
    match contents {
        Some(contents) => contents.recv().await,
        None => std::future::pending().await,
    }
}
