//! Clients by the library, all in this process: a thousand processes would measure themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use anyhow::Result;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use crate::bench::partial::PartialArrival;
use crate::client::{self, ClientError, Settings};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Draft, Event, Intent, Prefetch};
use crate::message::ids;
use crate::profile::address::ServerAddress;
use crate::profile::dial;
use crate::profile::refusals;
use crate::quic::{Dialer, Identity, Trust};
use crate::wire::{Body, Envelope, Headers, MsgIds, Pin, RoomName, Seq, Target, UserId};

/// Commands and batches of events on their way.
const QUEUE_MAX: usize = 256;
/// Clients that are started at one time.
const STARTING_MAX: usize = 64;

/// How the messages of a run are kept. Everything that depends on it is in this file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durability {
    /// On the server's disk: accepted when they are there, and settled when the reader is done.
    Stored,
    /// Not at all: passed on to who listens.
    Volatile,
}

/// What counts up while a run goes on. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

/// Where clients go, and as whom.
#[derive(Clone)]
pub(crate) struct BenchTarget {
    pub(crate) server: ServerAddress,
    pub(crate) pin: Pin,
    /// One key owns all ids: what it costs to make keys is not measured.
    pub(crate) identity: Identity,
    pub(crate) dialer: Dialer,
    /// Of all names.
    pub(crate) prefix: String,
    pub(crate) patience: Duration,
    pub(crate) kept: Durability,
}

/// What a client is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientRole {
    /// To claim its id, and to stay and send.
    Send,
    /// To claim its id, and to take deliveries.
    Receive,
    /// To act as the id it has, and to leave.
    Visit,
}

/// A running client.
pub(crate) struct Client {
    pub(crate) id: UserId,
    server: String,
    kept: Durability,
    ids: MsgIds,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Vec<Event>>,
    /// Of the batch last taken.
    taken: IntoIter<Event>,
    partial: PartialArrival,
    end: JoinHandle<Result<Pin, ClientError>>,
    welcomed: bool,
    /// Sends without an answer.
    unanswered: u64,
    /// A report is not known to be recorded.
    unsettled: bool,
    /// Attempts to link that failed.
    pub(crate) retries: u64,
}

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl BenchTarget {
    fn id(&self, number: u64) -> UserId {
        #[expect(clippy::expect_used, reason = "letters, digits and hyphens, far below the limit")]
        format!("{}-{number}", self.prefix).parse().expect("a name")
    }

    pub(crate) fn room(&self) -> RoomName {
        #[expect(clippy::expect_used, reason = "as for an id")]
        self.prefix.parse().expect("a name")
    }

    /// A client that is on its way to the server. Must be called inside a runtime.
    pub(crate) fn client(&self, number: u64, wants: ClientRole) -> Client {
        let id = self.id(number);
        let (server, trust) = (&self.server, Trust::Pin(self.pin));
        let settings = Settings {
            dial: dial::dial(server, trust, self.identity.clone(), wants != ClientRole::Visit),
            dialer: Some(self.dialer.clone()),
            intent: Intent {
                id: id.clone(),
                claim: wants != ClientRole::Visit,
                code: None,
                prefetch: (wants == ClientRole::Receive).then_some(Prefetch::DEFAULT),
                patience_ms: Some(self.patience.as_millis() as u64),
            },
            trust_remote: true,
        };
        let (commands, receiver) = mpsc::channel(QUEUE_MAX);
        let (sender, events) = mpsc::channel(QUEUE_MAX);
        Client {
            id,
            server: server.to_string(),
            kept: self.kept,
            ids: MsgIds::default(),
            commands,
            events,
            taken: Vec::new().into_iter(),
            partial: PartialArrival::default(),
            end: tokio::spawn(client::run(settings, receiver, sender)),
            welcomed: false,
            unanswered: 0,
            unsettled: false,
            retries: 0,
        }
    }

    /// Clients with these numbers that are there, in no order.
    pub(crate) async fn clients(
        &self,
        numbers: impl IntoIterator<Item = u64>,
        wants: ClientRole,
        done: &Counter,
    ) -> Result<Vec<Client>> {
        let (mut starting, mut ready) = (JoinSet::new(), Vec::new());
        for number in numbers {
            if starting.len() == STARTING_MAX
                && let Some(client) = starting.join_next().await
            {
                ready.push(client??);
            }
            let (mut client, done) = (self.client(number, wants), done.clone());
            starting.spawn(async move {
                client.arrives(wants).await?;
                done.add(1);
                anyhow::Ok(client)
            });
        }
        while let Some(client) = starting.join_next().await {
            ready.push(client??);
        }
        Ok(ready)
    }
}

impl Client {
    /// Waits until it is where it wants to be.
    pub(crate) async fn arrives(&mut self, wants: ClientRole) -> Result<()> {
        match wants {
            ClientRole::Receive => self.until(|event| *event == Event::CaughtUp).await?,
            _ => self.until(|event| matches!(event, Event::Welcome { .. })).await?,
        };
        Ok(())
    }

    pub(crate) async fn tell(&mut self, command: Command) -> Result<()> {
        match &command {
            Command::Send(drafts) => self.unanswered += drafts.len() as u64,
            Command::Ack(_) => self.unsettled = matches!(self.kept, Durability::Stored),
            _ => {}
        }
        if self.commands.send(command).await.is_err() {
            return Err(self.why_ended().await);
        }
        Ok(())
    }

    pub(crate) async fn send(&mut self, to: &Target, body: &Bytes) -> Result<()> {
        let message = message(&mut self.ids, self.kept, to, body);
        self.tell(message).await
    }

    /// Sends so many messages as fast as the server takes them. When the last was accepted.
    pub(crate) async fn send_all(
        &mut self,
        to: &Target,
        body: &Bytes,
        count: u64,
        done: &Counter,
    ) -> Result<Instant> {
        let (commands, kept, mut ids) = (self.commands.clone(), self.kept, MsgIds::default());
        let feed = async {
            for _ in 0..count {
                // Why it has ended is told to who waits for its events.
                if commands.send(message(&mut ids, kept, to, body)).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let answers = async {
            let mut accepted = 0;
            while accepted < count {
                let batch = self.batch().await?;
                let answers = batch.iter().map(answers).sum::<u64>();
                accepted += answers;
                done.add(answers);
            }
            anyhow::Ok(clock::moment())
        };
        tokio::try_join!(feed, answers).map(|((), last)| last)
    }

    /// Takes so many messages and reports each. When the last has come.
    pub(crate) async fn receive_all(&mut self, count: u64, done: &Counter) -> Result<Instant> {
        let mut received = 0;
        while received < count {
            let seqs = seqs(&self.batch().await?);
            received += seqs.len() as u64;
            done.add(seqs.len() as u64);
            self.processed(seqs).await?;
        }
        Ok(clock::moment())
    }

    /// Says that it has dealt with messages.
    pub(crate) async fn processed(&mut self, seqs: Vec<Seq>) -> Result<()> {
        if seqs.is_empty() { Ok(()) } else { self.tell(Command::Ack(seqs)).await }
    }

    /// Waits for a message, by what names it.
    pub(crate) async fn message(&mut self) -> Result<Seq> {
        loop {
            if let Some(seq) = self.event().await?.seqs().next() {
                return Ok(seq);
            }
        }
    }

    /// Waits until all that it sent is answered, and all that it reported is recorded.
    pub(crate) async fn quiet(&mut self) -> Result<()> {
        while self.unanswered > 0 || self.unsettled {
            self.event().await?;
        }
        Ok(())
    }

    pub(crate) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        loop {
            let event = self.event().await?;
            if wanted(&event) {
                return Ok(event);
            }
        }
    }

    async fn event(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.taken.next() {
                self.unanswered = self.unanswered.saturating_sub(answers(&event));
                if matches!(event, Event::AckRecorded { pending: 0 }) {
                    self.unsettled = false;
                }
                return Ok(event);
            }
            self.taken = self.batch().await?.into_iter();
        }
    }

    /// The next events; what must not happen in a run is an error.
    async fn batch(&mut self) -> Result<Vec<Event>> {
        let Some(batch) = self.events.recv().await else { return Err(self.why_ended().await) };
        batch.iter().try_for_each(|event| self.sound(event))?;
        let (batch, parts) = self.partial.taken(batch);
        if parts > 0 {
            // If it has ended, its events will have too.
            let _ = self.commands.send(Command::ChunksConsumed(parts)).await;
        }
        Ok(batch)
    }

    fn sound(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Welcome { .. } => self.welcomed = true,
            Event::Offline if self.welcomed => {
                let what = format!("the connection to {} was lost during the run", self.server);
                return Err(Failure::new(Exit::Unavailable, what)
                    .hint("figures of the rest would mean nothing; is the server still there?")
                    .into());
            }
            Event::Offline => self.retries += 1,
            Event::Refused { why, .. } => {
                return Err(refusals::refusal(*why, "the receiver", &self.server).into());
            }
            Event::Gap { to, count } => {
                let what = format!("{count} messages to {to} were removed before they were read");
                return Err(Failure::new(Exit::Partial, what)
                    .hint("raise the server's --max-mailbox, or send less")
                    .into());
            }
            Event::RoomRefused { room } => {
                let what = format!("{} takes no further member of {room}", self.server);
                return Err(Failure::new(Exit::NoSpace, what).into());
            }
            _ => {}
        }
        Ok(())
    }

    /// Nothing came and nothing broke while nobody looked.
    pub(crate) fn is_undisturbed(&mut self) -> bool {
        self.events.try_recv() == Err(mpsc::error::TryRecvError::Empty)
    }

    async fn why_ended(&mut self) -> anyhow::Error {
        let error = match (&mut self.end).await {
            Ok(Err(error)) => error,
            Ok(Ok(_)) => ClientError::NoAnswer,
            Err(panicked) => return panicked.into(),
        };
        refusals::client_failure(error, &self.server, self.id.as_str())
    }

    /// Lets it do what it has to do, and leave: then all that it reported is recorded.
    pub(crate) async fn end(mut self) -> Result<()> {
        // Its sender gone, the client ends when all is answered.
        self.commands = mpsc::channel(1).0;
        while let Some(batch) = self.events.recv().await {
            batch.iter().try_for_each(|event| self.sound(event))?;
        }
        match (&mut self.end).await? {
            Ok(_) => Ok(()),
            Err(error) => Err(refusals::client_failure(error, &self.server, self.id.as_str())),
        }
    }
}

fn message(ids: &mut MsgIds, kept: Durability, to: &Target, body: &Bytes) -> Command {
    let volatile = matches!(kept, Durability::Volatile);
    // It is in memory, so no part of it is asked for.
    let (id, body) = (ids::fresh(ids), Body(body.clone()));
    let envelope = Envelope::new(id, to.clone(), Headers::default(), body);
    Command::Send(vec![Draft { volatile, ..envelope.into() }])
}

/// How many messages went well by this.
fn answers(event: &Event) -> u64 {
    match event {
        Event::Accepted { count, .. } | Event::VolatileSent { count, .. } => u64::from(*count),
        _ => 0,
    }
}

fn seqs(batch: &[Event]) -> Vec<Seq> {
    batch.iter().flat_map(Event::seqs).collect()
}
