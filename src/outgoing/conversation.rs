//! Sending the messages of an input and, if that is wanted, tracking them to their recipients.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::client::{Client, ClientSettings};
use crate::failure::{self, Exit, Failure};
use crate::logic::{Command, Draft, Event};
use crate::message::content::Content;
use crate::message::input::{BodySource, Framing};
use crate::outgoing::job::{Job, Until};
use crate::outgoing::limits::{QUEUE_MAX, SPOOLED_TOGETHER_MAX};
use crate::outgoing::tracker::SendTracker;
use crate::process::runtime;
use crate::profile::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::spool::carry::{SendQueue, add_body, converse};
use crate::spool::deliver::{Spool, SpoolTurn};
use crate::spool::places;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::MsgId;

/// Keep-alive interval while messages are tracked, so that a restart of the server is noticed soon.
const TRACKING_KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Longest pause of an input before the server is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends the messages of an input, and uses the spool if the job has one.
pub(crate) fn carry_out(
    job: &Job,
    input: BodySource,
    profile: &Profile,
    verbosity: Verbosity,
) -> Result<Exit> {
    let one = input.framing().is_one();
    let runtime = runtime::runtime()?;
    let Some(contents) = contents(input, verbosity, runtime.handle())? else {
        return Ok(Exit::Success);
    };
    let mut contents = Some(contents);
    let server = profile.server.to_string();
    let mut tracker = SendTracker::new(job, one, &profile.id, &server, verbosity);
    let Some(keeping) = job.spool else {
        let sent = runtime.block_on(send_input(job, profile, one, &mut contents, &mut tracker));
        return finish(sent, tracker);
    };
    let spool = Spool::open(profile, keeping.bounds, job.patience, verbosity)?;
    let mut noted = false;
    loop {
        // Nothing is sent if the spool is empty.
        let sent = match spool.before(&job.targets) {
            SpoolTurn::Unreachable(error) => Err(error),
            SpoolTurn::Busy if keeping.spool => Err(places::busy().into()),
            SpoolTurn::Free | SpoolTurn::Busy => {
                runtime.block_on(send_input(job, profile, one, &mut contents, &mut tracker))
            }
        };
        tracker.clear();
        match sent {
            Err(error) if keeping.spool && failure::is_unreachable(&error) => {
                let again = job.until == Until::Accepted;
                let kept = runtime.block_on(spool_rest(&spool, &mut contents, &mut tracker, again));
                if let Err(full) = kept {
                    return finish(Err(full), tracker);
                }
                if contents.is_some() {
                    if !std::mem::replace(&mut noted, true) {
                        notices::note(verbosity, &format!("{error}; trying again"));
                    }
                    continue;
                }
                if !tracker.has_spooled() {
                    return finish(Err(error), tracker);
                }
                notices::note(verbosity, &failure::line(&error));
            }
            Err(error) => return finish(Err(error), tracker),
            Ok(()) => spool.after(),
        }
        tracker.recount_spooled(&spool)?;
        return tracker.close();
    }
}

fn finish(sent: Result<()>, mut tracker: SendTracker<'_>) -> Result<Exit> {
    tracker.clear();
    if sent.is_err() {
        tracker.note_accepted();
    }
    sent.and_then(|()| tracker.close())
}

/// Spools unanswered messages and the rest of the input. With `only_at_once` the reading stops at a
/// pause of the input.
async fn spool_rest(
    spool: &Spool<'_>,
    contents: &mut Option<Contents>,
    tracker: &mut SendTracker<'_>,
    only_at_once: bool,
) -> Result<()> {
    let mut count = 0;
    while let Some(input) = contents {
        let pause = if only_at_once { PAUSE } else { Duration::MAX };
        match tokio::time::timeout(pause, input.recv()).await {
            Ok(Some(content)) => drop(tracker.drafts(content)),
            Ok(None) => *contents = None,
            Err(_) => break,
        }
        count += 1;
        if count % SPOOLED_TOGETHER_MAX == 0 {
            tracker.spool_unanswered(spool)?;
        }
    }
    tracker.spool_unanswered(spool)
}

/// Contents of messages, in the order of the input.
type Contents = mpsc::Receiver<Result<Content>>;

/// Reads the input. A single message is read here, before there is a connection, since the input
/// may take long. A stream of messages is read on a thread of its own, since reading blocks. `None`
/// if there is nothing to send, which is not an error.
fn contents(input: BodySource, verbosity: Verbosity, runtime: &Handle) -> Result<Option<Contents>> {
    let (sender, contents) = mpsc::channel(QUEUE_MAX);
    match input.framing() {
        Framing::Whole { .. } => {
            let Some(content) = input.whole(verbosity)? else { return Ok(None) };
            sender.try_send(Ok(content)).context("an empty queue takes one")?;
        }
        Framing::Until(end) => {
            let runtime = runtime.clone();
            std::thread::spawn(move || {
                let take = |content: Result<Content, Failure>| {
                    sender.blocking_send(content.map_err(Into::into)).is_ok()
                };
                if let Err(error) = input.pieces(end, verbosity, &runtime, take) {
                    // If the receiver is gone, nobody needs the error.
                    let _ = sender.blocking_send(Err(error));
                }
            });
        }
    }
    Ok(Some(contents))
}

/// Sends all of the input, and waits until each message has reached the state that the job wants.
async fn send_input(
    job: &Job,
    profile: &Profile,
    one: bool,
    contents: &mut Option<Contents>,
    tracker: &mut SendTracker<'_>,
) -> Result<()> {
    let Profile { id, identity, server, pin } = profile;
    let dial = dial::dial(server, Trust::Pin(*pin), identity.clone(), !one);
    let mut settings = ClientSettings::for_id(id.clone(), dial).patience(job.patience);
    if job.until > Until::Accepted {
        settings = settings.keep_alive(TRACKING_KEEP_ALIVE);
    }
    let mut input = InputQueue { contents, next: VecDeque::new(), tracker };
    let result = converse(settings, &mut input).await;
    result.map_err(|error| refusals::client_failure(error, &server.to_string(), id.as_str()))
}

/// The commands of a send: messages of the input, and the commands of the tracker.
struct InputQueue<'a, 'b> {
    /// `None` at the end of the input.
    contents: &'a mut Option<Contents>,
    /// Drafts of the content that was read last, one for each target.
    next: VecDeque<Draft>,
    tracker: &'a mut SendTracker<'b>,
}

impl SendQueue for InputQueue<'_, '_> {
    /// Returns commands about accepted messages first, then the next message.
    fn next_command(&mut self, client: &mut Client) -> Option<Command> {
        if let Some(command) = self.tracker.command() {
            return Some(command);
        }
        if self.next.is_empty() {
            self.next = self.tracker.take_resend();
        }
        let draft = self.next.pop_front()?;
        if let Some(content) = self.tracker.content(draft.id) {
            add_body(client, draft.id, content);
        }
        Some(Command::Send(vec![draft]))
    }

    fn is_done(&self) -> bool {
        self.contents.is_none() && self.next.is_empty() && self.tracker.is_done()
    }

    fn on_event(&mut self, event: &Event) {
        self.tracker.on_event(event);
    }

    fn on_unreadable(&mut self, id: MsgId, error: io::Error) {
        self.tracker.unreadable(id, error);
    }

    async fn wait(&mut self) {
        let has_room = self.next.is_empty() && self.tracker.has_room();
        tokio::select! {
            biased;
            () = sleep_until(self.tracker.deadline()) => self.tracker.tick(),
            content = next_content(self.contents.as_mut()), if has_room => match content {
                Some(content) => self.next = self.tracker.drafts(content),
                None => *self.contents = None,
            },
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for the next content of the input; for ever after the end.
async fn next_content(contents: Option<&mut Contents>) -> Option<Result<Content>> {
    match contents {
        Some(contents) => contents.recv().await,
        None => std::future::pending().await,
    }
}
