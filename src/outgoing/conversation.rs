//! A conversation with the server in which messages are sent, and, if that is wanted, followed to
//! their recipients.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::client::{self, ClientError};
use crate::failure::{self, Exit};
use crate::logic::{Command, Draft, Event, Intent};
use crate::message::input::{BodySource, Cut, Framing};
use crate::outgoing::job::{Job, Until};
use crate::outgoing::tracker::SendTracker;
use crate::process::runtime;
use crate::profile::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::spool::deliver::{Spool, SpoolTurn};
use crate::spool::places;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Body, MsgId};

/// Commands and events on their way between the parts of a send.
const QUEUE_MAX: usize = 1024;
/// Who waits for others, mostly not for long, has to see soon that the server was started again.
const FOLLOWING_KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How long an input that goes on may pause before the server is tried again.
const PAUSE: Duration = Duration::from_millis(100);
/// Messages that go into the spool together.
const KEPT_TOGETHER_MAX: usize = 256;

/// Sends what the input holds.
pub(crate) fn carry_out(
    job: &Job,
    input: BodySource,
    profile: &Profile,
    talk: Verbosity,
) -> Result<Exit> {
    let one = input.framing().is_one();
    let runtime = runtime::runtime()?;
    let Some(contents) = contents(input, talk, runtime.handle())? else {
        return Ok(Exit::Success);
    };
    let mut contents = Some(contents);
    let server = profile.server.to_string();
    let mut ledger = SendTracker::new(job, one, &profile.id, &server, talk);
    let Some(keeping) = job.spool else {
        let talked = runtime.block_on(converse(job, profile, one, &mut contents, &mut ledger));
        return finish(talked, ledger);
    };
    let spool = Spool::of(profile, keeping.bounds, job.patience, talk)?;
    let mut noted = false;
    loop {
        // With nothing in the spool this asks nobody.
        let talked = match spool.before(&job.targets) {
            SpoolTurn::Unreachable(error) => Err(error),
            SpoolTurn::Busy if keeping.spool => Err(places::busy().into()),
            SpoolTurn::Free | SpoolTurn::Busy => {
                runtime.block_on(converse(job, profile, one, &mut contents, &mut ledger))
            }
        };
        ledger.clear();
        match talked {
            Err(error) if keeping.spool && failure::is_unreachable(&error) => {
                let again = job.until == Until::Accepted;
                let kept = runtime.block_on(keep(&spool, &mut contents, &mut ledger, again));
                if let Err(full) = kept {
                    return finish(Err(full), ledger);
                }
                if contents.is_some() {
                    if !std::mem::replace(&mut noted, true) {
                        notices::note(talk, &format!("{error}; trying again"));
                    }
                    continue;
                }
                if !ledger.has_kept() {
                    return finish(Err(error), ledger);
                }
                notices::note(talk, &failure::line(&error));
            }
            Err(error) => return finish(Err(error), ledger),
            Ok(()) => spool.after(),
        }
        ledger.look_into(&spool)?;
        return ledger.close();
    }
}

fn finish(talked: Result<()>, mut ledger: SendTracker<'_>) -> Result<Exit> {
    ledger.clear();
    if talked.is_err() {
        ledger.note_accepted();
    }
    talked.and_then(|()| ledger.close())
}

/// Keeps what is read and not answered. Goes on with the input to its end, or only as long as there
/// is more at once.
async fn keep(
    spool: &Spool<'_>,
    contents: &mut Option<Contents>,
    ledger: &mut SendTracker<'_>,
    only_at_once: bool,
) -> Result<()> {
    let mut count = 0;
    while let Some(input) = contents {
        let pause = if only_at_once { PAUSE } else { Duration::MAX };
        match tokio::time::timeout(pause, input.recv()).await {
            Ok(Some(cut)) => drop(ledger.drafts(cut)),
            Ok(None) => *contents = None,
            Err(_) => break,
        }
        count += 1;
        if count % KEPT_TOGETHER_MAX == 0 {
            ledger.keep(spool)?;
        }
    }
    ledger.keep(spool)
}

/// What is to be sent, as it is read.
type Contents = mpsc::Receiver<Result<Cut>>;

/// Reads one message before the server is called, since an input may take its time; a stream of
/// them is read beside the conversation, on its own thread, since reading blocks. `None`: there is
/// nothing to send, and that is no mistake.
fn contents(input: BodySource, talk: Verbosity, runtime: &Handle) -> Result<Option<Contents>> {
    let (sender, contents) = mpsc::channel(QUEUE_MAX);
    match input.framing() {
        Framing::Whole { .. } => {
            let Some(content) = input.whole(talk)? else { return Ok(None) };
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
    Ok(Some(contents))
}

/// Until all of the input is sent, and all that was sent has come as far as it is to.
async fn converse(
    job: &Job,
    profile: &Profile,
    one: bool,
    contents: &mut Option<Contents>,
    ledger: &mut SendTracker<'_>,
) -> Result<()> {
    let Profile { id, identity, server, pin } = profile;
    let patience_ms = Some(job.patience.as_millis() as u64);
    let mut dial = dial::dial(server, Trust::Pin(*pin), identity.clone(), !one);
    if job.until > Until::Accepted {
        dial.keep_alive = Some(FOLLOWING_KEEP_ALIVE);
    }
    let settings = client::Settings {
        dial,
        dialer: None,
        intent: Intent { id: id.clone(), claim: false, code: None, prefetch: None, patience_ms },
        trust_remote: false,
    };
    let (commands, receiver) = mpsc::channel(QUEUE_MAX);
    let (sender, events) = mpsc::channel(QUEUE_MAX);
    let commands = Some(commands);
    let mut user = User { contents, next: VecDeque::new(), commands, events, ledger };
    let result = tokio::select! {
        result = client::run(settings, receiver, sender) => result,
        () = user.run() => Err(ClientError::NoAnswer),
    };
    while let Ok(batch) = user.events.try_recv() {
        batch.iter().for_each(|event| user.ledger.told(event));
    }
    result
        .map(drop)
        .map_err(|error| refusals::client_failure(error, &server.to_string(), id.as_str()))
}

/// The client's user: gives it drafts and the parts of long ones, hears what became of them, and
/// follows them as far as is wanted.
struct User<'a, 'b> {
    /// `None` at their end.
    contents: &'a mut Option<Contents>,
    /// Of the content that was read last: for the client, when it has room.
    next: VecDeque<Draft>,
    /// `None` once nothing more is to be said.
    commands: Option<mpsc::Sender<Command>>,
    events: mpsc::Receiver<Vec<Event>>,
    ledger: &'a mut SendTracker<'b>,
}

impl User<'_, '_> {
    /// Goes on as long as it is let.
    async fn run(&mut self) {
        loop {
            if self.next.is_empty() {
                self.next = self.ledger.again();
            }
            if self.contents.is_none() && self.next.is_empty() && self.ledger.is_done() {
                // The client ends with its commands.
                self.commands = None;
            }
            let is_given = !self.next.is_empty() || self.ledger.has_command();
            let has_room = self.next.is_empty() && self.ledger.has_room();
            tokio::select! {
                biased;
                Some(batch) = self.events.recv() => self.told(batch).await,
                () = until(self.ledger.deadline()) => self.ledger.tick(),
                true = has_place(self.commands.as_ref()), if is_given => self.give(),
                cut = next(self.contents.as_mut()), if has_room => match cut {
                    Some(cut) => self.next = self.ledger.drafts(cut),
                    None => *self.contents = None,
                },
            }
        }
    }

    /// What was accepted goes before what is still to be sent.
    fn give(&mut self) {
        let send = || self.next.pop_front().map(|draft| Command::Send(vec![draft]));
        if let Some(command) = self.ledger.command().or_else(send)
            && let Some(commands) = &self.commands
        {
            // There is a place. A client that has ended says so itself.
            let _ = commands.try_send(command);
        }
    }

    async fn told(&mut self, batch: Vec<Event>) {
        for event in batch {
            let Event::ChunkWanted { id, index } = event else {
                self.ledger.told(&event);
                continue;
            };
            let body = self.part(id, index).await;
            if let Some(commands) = &self.commands {
                // As for `give`.
                let _ = commands.send(Command::Chunk { id, index, body }).await;
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

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Never, after the end.
async fn next(contents: Option<&mut Contents>) -> Option<Result<Cut>> {
    match contents {
        Some(contents) => contents.recv().await,
        None => std::future::pending().await,
    }
}
