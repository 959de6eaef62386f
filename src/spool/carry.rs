//! Conversations with the server in which messages are sent, from a queue or from the spool.

use std::collections::BTreeSet;
use std::io;

use crate::client::{Client, ClientError, ClientSettings, Readiness};
use crate::logic::{Command, Draft, Event};
use crate::message::content::Content;
use crate::message::ids;
use crate::spool::file::Spooled;
use crate::spool::limits::UNANSWERED_MAX;
use crate::wire::{CHUNK_LEN_MAX, Envelope, MsgId, Refusal};

/// A source of commands for one conversation. Called with the events caused by its commands.
pub(crate) trait SendQueue {
    /// Returns the next command, if there is one now. Adds bodies of long messages to the client.
    fn next_command(&mut self, client: &mut Client) -> Option<Command>;
    /// True if no more commands are expected. Only asked when there is none.
    fn is_done(&self) -> bool;
    fn on_event(&mut self, event: &Event);
    /// Called if the body of a message cannot be read. The message is then not sent.
    fn on_unreadable(&mut self, id: MsgId, error: io::Error);
    /// Waits until there may be a new command, other than by an event. Cancel-safe.
    async fn wait(&mut self);
}

/// Sends all commands of a queue, and waits until each message has an answer.
pub(crate) async fn converse(
    settings: ClientSettings,
    queue: &mut impl SendQueue,
) -> Result<(), ClientError> {
    let (mut client, mut next) = (Client::start(settings), None);
    loop {
        if next.is_none() {
            next = queue.next_command(&mut client);
        }
        if next.is_none() && queue.is_done() {
            client.finish();
        }
        tokio::select! {
            biased;
            ready = client.ready(next.is_some()) => match ready {
                Readiness::Events(batch) => batch.iter().for_each(|event| queue.on_event(event)),
                Readiness::Place => next.take().into_iter().for_each(|it| client.submit(it)),
                Readiness::Unreadable(id, error) => queue.on_unreadable(id, error),
                Readiness::Ended => return client.close().await.map(drop),
            },
            () = queue.wait() => {}
        }
    }
}

/// Lets the client read the chunks of a body after the first, if there are any.
pub(crate) fn add_body(client: &mut Client, id: MsgId, content: &Content) {
    if content.size() > CHUNK_LEN_MAX as u64 {
        let content = content.clone();
        client.add_body(id, move |index| content.part(index));
    }
}

/// The result of sending a message.
#[derive(Debug)]
pub(crate) enum CarryOutcome {
    /// The message is on the server's disk, now or since an earlier attempt.
    Accepted,
    Refused(Refusal),
    /// The body cannot be read.
    Unreadable(io::Error),
}

/// A source of messages that are ready to be sent. Called with the result of each.
pub(crate) trait SpoolQueue {
    /// Returns the next message to send, if there is one now. Called again after each answer.
    fn next_spooled(&mut self) -> Option<Spooled>;
    /// Called once for each message, unless the server does not answer.
    fn on_outcome(&mut self, id: MsgId, outcome: CarryOutcome);
    /// Called if the server's clock is ahead of this machine's by this many milliseconds, or behind
    /// if the number is negative; before the answers to messages on that link.
    fn on_skew(&mut self, _ahead_ms: i64) {}
    /// Called when the link is lost. Unanswered messages may have been stored.
    fn on_disconnect(&mut self) {}
}

/// Sends all messages of a queue.
pub(crate) async fn carry(
    settings: ClientSettings,
    queue: &mut impl SpoolQueue,
) -> Result<(), ClientError> {
    converse(settings, &mut Carrier { queue, unanswered: BTreeSet::new() }).await
}

/// A queue of ready messages, and the ids of those that have no answer.
struct Carrier<'a, Q> {
    queue: &'a mut Q,
    unanswered: BTreeSet<MsgId>,
}

impl<Q: SpoolQueue> Carrier<'_, Q> {
    fn finished(&mut self, first: MsgId, count: u32, outcome: impl Fn() -> CarryOutcome) {
        for id in ids::span(first, count) {
            if self.unanswered.remove(&id) {
                self.queue.on_outcome(id, outcome());
            }
        }
    }
}

impl<Q: SpoolQueue> SendQueue for Carrier<'_, Q> {
    fn next_command(&mut self, client: &mut Client) -> Option<Command> {
        while self.unanswered.len() < UNANSWERED_MAX {
            let Spooled { id, to, headers, due_ms, content, .. } = self.queue.next_spooled()?;
            match content.part(0) {
                Ok(body) => {
                    add_body(client, id, &content);
                    self.unanswered.insert(id);
                    let size = content.size();
                    let envelope = Envelope { size, ..Envelope::new(id, to, headers, body) };
                    let draft = Draft { due_ms, ..envelope.into() };
                    return Some(Command::Send(vec![draft]));
                }
                Err(error) => self.queue.on_outcome(id, CarryOutcome::Unreadable(error)),
            }
        }
        None
    }

    fn is_done(&self) -> bool {
        self.unanswered.is_empty()
    }

    fn on_event(&mut self, event: &Event) {
        match *event {
            Event::Accepted { id, count, .. } => {
                self.finished(id, count, || CarryOutcome::Accepted);
            }
            Event::Refused { id, count, why } => {
                self.finished(id, count, || CarryOutcome::Refused(why));
            }
            Event::ClockSkew { ahead_ms } => self.queue.on_skew(ahead_ms),
            Event::Offline => self.queue.on_disconnect(),
            _ => {}
        }
    }

    fn on_unreadable(&mut self, id: MsgId, error: io::Error) {
        if self.unanswered.remove(&id) {
            self.queue.on_outcome(id, CarryOutcome::Unreadable(error));
        }
    }

    async fn wait(&mut self) {
        std::future::pending::<()>().await;
    }
}
