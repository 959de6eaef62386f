//! `qmsg listen`.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::{self, ClientError};
use crate::logic::{Command, Event, Intent, Window, numbered};
use crate::quic::Trust;
use crate::wire::Seq;

use super::fail::{self, Exit, Failure};
use super::mail::Mail;
use super::print;
use super::profile::{self, Profile};
use super::render::{Letter, Style};
use super::{Talk, Who, connect, units};

/// What may be on its way to this listener and not yet recorded as processed.
const WINDOW: Window = Window::of(8_192, 4 << 20);
/// Batches between link, printer and loop.
const QUEUE_MAX: usize = 16;
/// How long an end may take, so that what was printed is recorded: when it came by itself, and when
/// somebody wants it.
const GOODBYE: Duration = Duration::from_secs(10);
const GOODBYE_QUICK: Duration = Duration::from_secs(1);
/// How long `--poll` goes without an answer from the server.
const PATIENCE_MS: u64 = 10_000;

/// Print messages as they arrive, and first those that are waiting
///
/// A message counts as processed once it has been printed. One that was not printed is offered
/// again, to this listener or the next. On a terminal each message is shown with its time, sender
/// and target; otherwise as its body, with a newline added where it ends in none. It goes on until
/// it is ended, also through restarts of the server.
///
/// A message is printed when all of it has come; one that is longer than 1 MiB is in $TMPDIR until
/// then.
#[derive(Debug, Args)]
pub(super) struct ListenArgs {
    #[command(flatten)]
    who: Who,
    /// End after this many messages
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time
    ///
    /// Written like 500ms, 10s, 5m or 1h30m. The exit code is 124 if --count was given and not
    /// reached, otherwise 0; it is 69 if the server could not be reached at all.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// End once everything that was waiting has been printed
    #[arg(long)]
    poll: bool,
    /// Print a JSON object for each message
    #[arg(long, conflicts_with_all = ["raw", "null"])]
    json: bool,
    /// Print bodies byte for byte, with nothing added
    ///
    /// Refused on a terminal, since a body may hold what a terminal takes for commands.
    #[arg(long, conflicts_with = "null")]
    raw: bool,
    /// Print bodies byte for byte, each followed by a NUL
    ///
    /// Refused on a terminal, as --raw is.
    #[arg(short = '0', long)]
    null: bool,
}

impl ListenArgs {
    fn style(&self, talk: Talk) -> Result<Style> {
        let terminal = print::is_terminal();
        match (self.json, self.raw, self.null) {
            (true, _, _) => Ok(Style::Json),
            (_, true, _) | (_, _, true) if terminal => {
                Err(Failure::new(Exit::Usage, "bodies are not printed raw on a terminal")
                    .hint("they may hold what a terminal takes for commands; use a pipe or a file")
                    .into())
            }
            (_, true, _) => Ok(Style::Raw),
            (_, _, true) => Ok(Style::Null),
            _ if terminal => Ok(Style::Terminal { color: talk.color.is_on() }),
            _ => Ok(Style::Lines),
        }
    }
}

pub(super) fn run(args: &ListenArgs, talk: Talk) -> Result<Exit> {
    let style = args.style(talk)?;
    let Profile { id, identity, server, pin } = profile::choose(&args.who)?;
    let messages = args.count.map_or(WINDOW.messages, |n| n.min(WINDOW.messages.into()) as u32);
    let settings = client::Settings {
        dial: connect::dial(&server, Trust::Pin(pin), identity, true),
        dialer: None,
        intent: Intent {
            id: id.clone(),
            claim: false,
            code: None,
            attach: Some(Window { messages, ..WINDOW }),
            patience_ms: args.poll.then_some(PATIENCE_MS),
        },
        trust_remote: false,
    };
    let server = server.to_string();
    let runtime = connect::runtime()?;
    let end = runtime.block_on(listen(args, settings, style, &server, talk))?;
    match end {
        End::Done => Ok(Exit::Success),
        End::Signal(exit) => Ok(exit),
        End::Client(error) => Err(fail::client_failure(error, &server, id.as_str())),
        End::Timeout { welcomed: false } => {
            Err(fail::client_failure(ClientError::NoAnswer, &server, id.as_str()))
        }
        // Said by the code alone: a time that is up is what was asked for.
        End::Timeout { .. } if args.count.is_some() => Ok(Exit::Timeout),
        End::Timeout { .. } => Ok(Exit::Success),
    }
}

/// How listening ended.
enum End {
    /// All that was asked for was printed, or nobody reads stdout any more.
    Done,
    Timeout {
        welcomed: bool,
    },
    Signal(Exit),
    Client(ClientError),
}

async fn listen(
    args: &ListenArgs,
    settings: client::Settings,
    style: Style,
    server: &str,
    talk: Talk,
) -> Result<End> {
    let (commands, receiver) = mpsc::channel(QUEUE_MAX);
    let (sender, events) = mpsc::channel(QUEUE_MAX);
    let mut client = tokio::spawn(client::run(settings, receiver, sender));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut listener = Listener::new(args, events, commands, style, server, talk);
    let end = tokio::select! {
        biased;
        _ = interrupt.recv() => End::Signal(Exit::Interrupted),
        _ = terminate.recv() => End::Signal(Exit::Terminated),
        done = listener.run() => match done? {
            true => End::Done,
            // The events have ended, so the client has.
            false => return Ok(client_end(client.await.context("the client broke off")?)),
        },
        () = pause(args.timeout) => End::Timeout { welcomed: listener.welcomed },
    };
    let goodbye = async {
        listener.finish().await;
        (&mut client).await
    };
    let patience = if matches!(end, End::Done) { GOODBYE } else { GOODBYE_QUICK };
    if tokio::time::timeout(patience, goodbye).await.is_err() {
        tracing::info!("not all that was printed is recorded: it will be offered again");
    }
    Ok(end)
}

fn client_end(result: Result<crate::wire::Pin, ClientError>) -> End {
    result.map_or_else(End::Client, |_| End::Done)
}

async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Between the client and the printer.
struct Listener<'a> {
    events: mpsc::Receiver<Vec<Event>>,
    commands: mpsc::Sender<Command>,
    to_print: mpsc::Sender<Batch>,
    printed: mpsc::Receiver<std::io::Result<Vec<Seq>>>,
    /// Messages as they come.
    mail: Mail,
    /// For the printer, when it has room. Bounded by the window.
    waiting: VecDeque<Letter>,
    /// Batches with the printer.
    printing: usize,
    /// Messages that may still be taken.
    wanted: u64,
    poll: bool,
    caught_up: bool,
    welcomed: bool,
    server: &'a str,
    talk: Talk,
}

type Batch = Vec<Letter>;

impl<'a> Listener<'a> {
    fn new(
        args: &ListenArgs,
        events: mpsc::Receiver<Vec<Event>>,
        commands: mpsc::Sender<Command>,
        style: Style,
        server: &'a str,
        talk: Talk,
    ) -> Self {
        let (to_print, printed) = printer(style);
        Self {
            events,
            commands,
            to_print,
            printed,
            mail: Mail::new(talk),
            waiting: VecDeque::new(),
            printing: 0,
            wanted: args.count.unwrap_or(u64::MAX),
            poll: args.poll,
            caught_up: false,
            welcomed: false,
            server,
            talk,
        }
    }

    /// Until all that is wanted is printed: `true`. `false`: the client has ended.
    async fn run(&mut self) -> Result<bool> {
        while !self.is_done() {
            let room = self.to_print.capacity() > 0 && !self.waiting.is_empty();
            if room {
                self.mail.hide_progress();
                let batch: Batch = self.waiting.drain(..).collect();
                self.to_print.send(batch).await.context("the printer broke off")?;
                self.printing += 1;
            }
            tokio::select! {
                biased;
                Some(result) = self.printed.recv() => {
                    if !self.printed(result).await? {
                        return Ok(true);
                    }
                }
                batch = self.events.recv() => match batch {
                    Some(batch) => self.told(batch).await?,
                    None => return Ok(false),
                },
            }
        }
        Ok(true)
    }

    fn is_done(&self) -> bool {
        let enough = self.wanted == 0 || (self.poll && self.caught_up);
        enough && self.mail.is_whole() && self.waiting.is_empty() && self.printing == 0
    }

    /// A batch has left for stdout: that is what processed means here. `false`: nobody reads it.
    async fn printed(&mut self, result: std::io::Result<Vec<Seq>>) -> Result<bool> {
        self.printing -= 1;
        match result {
            Ok(seqs) => {
                // The client may have ended; then its end is told by the events.
                let _ = self.commands.send(Command::Processed(seqs)).await;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).context("stdout cannot be written"),
        }
    }

    async fn told(&mut self, batch: Vec<Event>) -> Result<()> {
        let mut parts = 0;
        for event in batch {
            match event {
                Event::Messages { seq, bundle } => {
                    let wanted = numbered(seq, &bundle).take(self.wanted as usize);
                    for (seq, message) in wanted {
                        self.wanted -= 1;
                        self.waiting.extend(self.mail.message(seq, message)?);
                    }
                }
                Event::Part(body) if !self.mail.is_whole() => {
                    parts += 1;
                    let is_quiet = self.printing == 0 && self.waiting.is_empty();
                    self.waiting.extend(self.mail.part(&body, is_quiet)?);
                }
                Event::Cut if self.mail.drop_partial() => self.wanted += 1,
                event => self.noted(event),
            }
        }
        if parts > 0 {
            // As for `Processed`.
            let _ = self.commands.send(Command::PartsTaken(parts)).await;
        }
        Ok(())
    }

    fn noted(&mut self, event: Event) {
        match event {
            Event::CaughtUp => {
                tracing::info!("caught up");
                self.caught_up = true;
            }
            Event::Welcome { .. } => self.welcomed = true,
            Event::Offline => self.note(&format!("no link to {}, trying again", self.server)),
            Event::Lost { to, count } => {
                self.note(&format!("{count} messages to {to} were removed before they were read"));
            }
            _ => {}
        }
    }

    /// Says something, on a line of its own.
    fn note(&mut self, text: &str) {
        self.mail.hide_progress();
        fail::note(self.talk, text);
    }

    /// Reports what is still being printed and lets the client end when that is recorded.
    async fn finish(&mut self) {
        self.waiting.clear();
        self.mail.drop_partial();
        while self.printing > 0 {
            let Some(result) = self.printed.recv().await else { break };
            if !self.printed(result).await.unwrap_or(false) {
                break;
            }
        }
        // Its sender gone, the client ends when all is answered.
        let (gone, _) = mpsc::channel(1);
        self.commands = gone;
        while self.events.recv().await.is_some() {}
    }
}

/// A thread that prints, since a pipe that nobody empties blocks its writer.
fn printer(style: Style) -> (mpsc::Sender<Batch>, mpsc::Receiver<std::io::Result<Vec<Seq>>>) {
    let (to_print, mut batches) = mpsc::channel::<Batch>(2);
    let (sender, printed) = mpsc::channel(QUEUE_MAX);
    std::thread::spawn(move || {
        while let Some(batch) = batches.blocking_recv() {
            let seqs = batch.iter().map(|letter| letter.seq).collect();
            let printed = print::letters(style, &batch);
            // Its bytes make room before others come.
            drop(batch);
            if sender.blocking_send(printed.map(|()| seqs)).is_err() {
                return;
            }
        }
    });
    (to_print, printed)
}
