//! Clients by the library, all in this process: a thousand processes would measure themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use anyhow::Result;
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::bench::limits::CONNECTING_MAX;
use crate::bench::partial::PartialArrival;
use crate::client::{Client, ClientSettings, Readiness};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Draft, Event, Prefetch};
use crate::message::ids;
use crate::profile::address::ServerAddress;
use crate::profile::dial;
use crate::profile::refusals;
use crate::quic::{Dialer, Identity, Trust};
use crate::wire::{Body, Envelope, Headers, MsgIds, Pin, RoomName, Seq, Target, UserId};

/// Durability of the messages of a run. Everything that depends on it is in this file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durability {
    /// On the server's disk: accepted when they are there.
    Stored,
    /// Not at all: passed on to those who listen.
    Volatile,
}

/// A counter of what is done in a run. Cloning shares it.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

/// The server that clients connect to, and their identity.
#[derive(Clone)]
pub(crate) struct BenchTarget {
    pub(crate) server: ServerAddress,
    pub(crate) pin: Pin,
    /// The key of all ids: the cost of making keys is not measured.
    pub(crate) identity: Identity,
    pub(crate) dialer: Dialer,
    /// Prefix of all names.
    pub(crate) prefix: String,
    pub(crate) patience: Duration,
    pub(crate) kept: Durability,
}

/// The task of a client.
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
pub(crate) struct BenchClient {
    id: UserId,
    server: String,
    kept: Durability,
    ids: MsgIds,
    client: Client,
    /// The rest of the batch that came last.
    taken: IntoIter<Event>,
    partial: PartialArrival,
    welcomed: bool,
    /// Sends without an answer.
    unanswered: u64,
    /// True while an acknowledgement is not known to be recorded.
    unsettled: bool,
    /// Attempts to connect that failed.
    retries: u64,
}

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl BenchClient {
    pub(crate) fn id(&self) -> &UserId {
        &self.id
    }

    /// Number of attempts to connect that failed.
    pub(crate) fn retries(&self) -> u64 {
        self.retries
    }

    /// Waits until it is connected and, as a receiver, caught up.
    pub(crate) async fn arrives(&mut self, wants: ClientRole) -> Result<()> {
        match wants {
            ClientRole::Receive => self.until(|event| *event == Event::CaughtUp).await?,
            _ => self.until(|event| matches!(event, Event::Welcome { .. })).await?,
        };
        Ok(())
    }

    pub(crate) async fn request(&mut self, command: Command) {
        match &command {
            Command::Send(drafts) => self.unanswered += drafts.len() as u64,
            Command::Ack(_) => self.unsettled = matches!(self.kept, Durability::Stored),
            _ => {}
        }
        // A client that has ended says so by its events.
        self.client.request(command).await;
    }

    pub(crate) async fn send(&mut self, to: &Target, body: &Bytes) {
        let message = message(&mut self.ids, self.kept, to, body);
        self.request(message).await;
    }

    /// Sends messages as fast as the server takes them. Returns the moment when the last one was
    /// accepted.
    pub(crate) async fn send_all(
        &mut self,
        to: &Target,
        body: &Bytes,
        count: u64,
        done: &Counter,
    ) -> Result<Instant> {
        let (mut sent, mut accepted) = (0, 0);
        while accepted < count {
            match self.client.ready(sent < count).await {
                Readiness::Place => {
                    while sent < count && self.client.has_place() {
                        self.client.submit(message(&mut self.ids, self.kept, to, body));
                        sent += 1;
                    }
                }
                Readiness::Events(batch) => {
                    let batch = self.checked(batch).await?;
                    let answers = batch.iter().map(answers).sum::<u64>();
                    accepted += answers;
                    done.add(answers);
                }
                // All bodies are in memory.
                Readiness::Unreadable(..) => {}
                Readiness::Ended => return Err(self.why_ended().await),
            }
        }
        Ok(clock::moment())
    }

    /// Receives and acknowledges messages. Returns the moment when the last one came.
    pub(crate) async fn receive_all(&mut self, count: u64, done: &Counter) -> Result<Instant> {
        let mut received = 0;
        while received < count {
            let seqs = seqs(&self.batch().await?);
            received += seqs.len() as u64;
            done.add(seqs.len() as u64);
            self.processed(seqs).await;
        }
        Ok(clock::moment())
    }

    /// Acknowledges messages.
    pub(crate) async fn processed(&mut self, seqs: Vec<Seq>) {
        if !seqs.is_empty() {
            self.request(Command::Ack(seqs)).await;
        }
    }

    /// Waits for a message and returns its sequence number.
    pub(crate) async fn message(&mut self) -> Result<Seq> {
        loop {
            if let Some(seq) = self.event().await?.seqs().next() {
                return Ok(seq);
            }
        }
    }

    /// Waits until all that it sent is answered, and all its acknowledgements are recorded.
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

    /// Waits for the next events; what must not happen in a run is an error.
    async fn batch(&mut self) -> Result<Vec<Event>> {
        loop {
            match self.client.ready(false).await {
                Readiness::Events(batch) => return self.checked(batch).await,
                Readiness::Place | Readiness::Unreadable(..) => {}
                Readiness::Ended => return Err(self.why_ended().await),
            }
        }
    }

    /// Checks events and reports the chunks among them; a long message comes with its last one.
    async fn checked(&mut self, batch: Vec<Event>) -> Result<Vec<Event>> {
        batch.iter().try_for_each(|event| self.check(event))?;
        let (batch, chunks) = self.partial.taken(batch);
        if chunks > 0 {
            self.client.request(Command::ChunksConsumed(chunks)).await;
        }
        Ok(batch)
    }

    fn check(&mut self, event: &Event) -> Result<()> {
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

    /// True if nothing came and nothing broke meanwhile.
    pub(crate) fn is_undisturbed(&self) -> bool {
        !self.client.has_events()
    }

    async fn why_ended(&mut self) -> anyhow::Error {
        let error = self.client.why_ended().await;
        refusals::client_failure(error, &self.server, self.id.as_str())
    }

    /// Waits until all is answered and all its acknowledgements are recorded, and leaves.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.client.finish();
        while let Readiness::Events(batch) = self.client.ready(false).await {
            batch.iter().try_for_each(|event| self.check(event))?;
        }
        let (server, id) = (self.server, self.id);
        let ended = self.client.close().await;
        ended.map(drop).map_err(|error| refusals::client_failure(error, &server, id.as_str()))
    }
}

fn id_of(target: &BenchTarget, number: u64) -> UserId {
    #[expect(clippy::expect_used, reason = "letters, digits and hyphens, far below the limit")]
    format!("{}-{number}", target.prefix).parse().expect("a name")
}

/// The room of a run.
pub(crate) fn room_of(target: &BenchTarget) -> RoomName {
    #[expect(clippy::expect_used, reason = "as for an id")]
    target.prefix.parse().expect("a name")
}

/// Starts a client, which is then on its way to the server. Must be called inside a runtime.
pub(crate) fn start_client(target: &BenchTarget, number: u64, wants: ClientRole) -> BenchClient {
    let id = id_of(target, number);
    let (server, trust) = (&target.server, Trust::Pin(target.pin));
    let dial = dial::dial(server, trust, target.identity.clone(), wants != ClientRole::Visit);
    let settings = ClientSettings::for_id(id.clone(), dial)
        .dialer(target.dialer.clone())
        .patience(target.patience)
        .trust_remote(true);
    let settings = match wants {
        ClientRole::Send => settings.claim(None),
        ClientRole::Receive => settings.claim(None).subscribe(Prefetch::DEFAULT),
        ClientRole::Visit => settings,
    };
    BenchClient {
        id,
        server: server.to_string(),
        kept: target.kept,
        ids: MsgIds::default(),
        client: Client::start(settings),
        taken: Vec::new().into_iter(),
        partial: PartialArrival::default(),
        welcomed: false,
        unanswered: 0,
        unsettled: false,
        retries: 0,
    }
}

/// Starts clients with these numbers and waits until they are connected. They come in no order.
pub(crate) async fn start_clients(
    target: &BenchTarget,
    numbers: impl IntoIterator<Item = u64>,
    wants: ClientRole,
    done: &Counter,
) -> Result<Vec<BenchClient>> {
    let (mut starting, mut ready) = (JoinSet::new(), Vec::new());
    for number in numbers {
        if starting.len() == CONNECTING_MAX
            && let Some(client) = starting.join_next().await
        {
            ready.push(client??);
        }
        let (mut client, done) = (start_client(target, number, wants), done.clone());
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

fn message(ids: &mut MsgIds, kept: Durability, to: &Target, body: &Bytes) -> Command {
    let volatile = matches!(kept, Durability::Volatile);
    // It is in memory, so no part of it is asked for.
    let (id, body) = (ids::fresh(ids), Body(body.clone()));
    let envelope = Envelope::new(id, to.clone(), Headers::default(), body);
    Command::Send(vec![Draft { volatile, ..envelope.into() }])
}

/// Messages that this event says were accepted.
fn answers(event: &Event) -> u64 {
    match event {
        Event::Accepted { count, .. } | Event::VolatileSent { count, .. } => u64::from(*count),
        _ => 0,
    }
}

fn seqs(batch: &[Event]) -> Vec<Seq> {
    batch.iter().flat_map(Event::seqs).collect()
}
