//! The handle of a running client.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};

use aws_lc_rs::rand;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::answers::{
    Acceptance, IncomingMessage, Readiness, TrackedState, acceptance, is_news_of, is_of_delivery,
    membership, parked_taken, verdict,
};
use crate::client::bodies::OutgoingBodies;
use crate::client::error::{ClientError, RequestError};
use crate::client::event_loop;
use crate::client::limits::HANDLE_QUEUE_MAX;
use crate::client::loop_clock::unix_ms;
use crate::client::settings::ClientSettings;
use crate::logic::{Command, Draft, Event, numbered};
use crate::wire::{
    Body, CHUNK_LEN_MAX, Envelope, Headers, MsgId, MsgIds, Note, ParkedKind, ParkedMessage, Pin,
    RoomName, Target,
};

/// A running client: one connection to a server, renewed whenever it is lost, with a loop in a task
/// of its own.
///
/// All waiting is cancel-safe: a dropped future loses no event. Queues are bounded: a user who does
/// not read events slows the server down. Dropping the client closes the connection at once;
/// [`Client::close`] waits for all answers first.
///
/// There are two ways to use it. Requests such as [`Client::send`] wait for their answer. On a
/// lower level, [`Command`]s and [`Event`]s serve users with many messages under way;
/// [`Client::ready`] says what happens next. While a request waits, it reads all events and keeps
/// those of deliveries and of tracked messages for later.
pub struct Client {
    /// `None` once no more commands are given.
    commands: Option<mpsc::Sender<Command>>,
    events: mpsc::Receiver<Vec<Event>>,
    bodies: OutgoingBodies,
    /// `None` once the result of the loop was returned.
    end: Option<JoinHandle<Result<Pin, ClientError>>>,
    ids: MsgIds,
    /// Events for later requests. Bounded by the prefetch and the number of tracked recipients.
    kept: VecDeque<Event>,
    /// Messages that were delivered together with the last one. Bounded by the prefetch.
    delivered: VecDeque<IncomingMessage>,
    /// Bytes missing of the long message that was delivered last.
    missing: u64,
    /// Chunks that were read and not yet reported to the server.
    consumed: u32,
    tracked: BTreeSet<MsgId>,
    /// The message of the last [`Client::ask`], while the server still sends its track updates.
    asked: Option<MsgId>,
    /// Lists of parked messages whose end has not come.
    lists: usize,
}

impl Client {
    /// Starts a client, which connects by itself. Needs a tokio runtime; one thread is enough.
    pub fn start(settings: ClientSettings) -> Self {
        let (commands, receiver) = mpsc::channel(HANDLE_QUEUE_MAX);
        let (sender, events) = mpsc::channel(HANDLE_QUEUE_MAX);
        let end = tokio::spawn(event_loop::run(settings, receiver, sender));
        Self {
            commands: Some(commands),
            events,
            bodies: OutgoingBodies::default(),
            end: Some(end),
            ids: MsgIds::default(),
            kept: VecDeque::new(),
            delivered: VecDeque::new(),
            missing: 0,
            consumed: 0,
            tracked: BTreeSet::new(),
            asked: None,
            lists: 0,
        }
    }

    /// Starts a client and waits until the server has welcomed it.
    ///
    /// ```no_run
    /// # use std::path::Path;
    /// # use std::time::Duration;
    /// # use qmsg::client::{Client, ClientSettings};
    /// # use qmsg::quic::Identity;
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::load(Path::new("key.pem"))?;
    /// let pin = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".parse()?;
    /// let settings = ClientSettings::new("example.org", 4433, pin, "alice".parse()?, identity)
    ///     .patience(Duration::from_secs(10));
    /// match Client::connect(settings).await {
    ///     Ok(client) => drop(client.close().await?),
    ///     Err(error) if error.is_unreachable() => eprintln!("no server: {error}"),
    ///     Err(error) if error.is_denied() => eprintln!("not for me: {error}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(settings: ClientSettings) -> Result<Self, ClientError> {
        let mut client = Self::start(settings);
        loop {
            match client.ready(false).await {
                Readiness::Events(batch) => {
                    let is_welcome = |event: &Event| matches!(event, Event::Welcome { .. });
                    let is_welcomed = batch.iter().any(is_welcome);
                    client.keep(batch);
                    if is_welcomed {
                        return Ok(client);
                    }
                }
                Readiness::Ended => return Err(client.why_ended().await),
                Readiness::Place | Readiness::Unreadable(..) => {}
            }
        }
    }

    /// Waits for events or, if the user has a command, for place in the queue.
    pub async fn ready(&mut self, has_command: bool) -> Readiness {
        let Self { commands, events, bodies, .. } = self;
        let commands = commands.as_ref();
        loop {
            tokio::select! {
                biased;
                batch = events.recv() => {
                    let Some(batch) = batch else { return Readiness::Ended };
                    bodies.note(&batch);
                    return Readiness::Events(batch);
                }
                result = bodies.give_next(commands), if bodies.is_wanted() => {
                    if let Err((id, error)) = result {
                        return Readiness::Unreadable(id, error);
                    }
                }
                true = has_place(commands), if has_command => return Readiness::Place,
            }
        }
    }

    /// True if the queue has place for a command now.
    pub fn has_place(&self) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.capacity() > 0)
    }

    /// True if events wait to be read, or the client has ended.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty() || self.events.is_closed()
    }

    /// Queues a command when there is place, as [`Client::ready`] has said.
    pub fn submit(&mut self, command: Command) {
        if let Some(commands) = &self.commands {
            // After the end of the client its events report the error.
            let _ = commands.try_send(command);
        }
    }

    /// Waits for place and queues a command. Reads no events meanwhile, so it suits users with few
    /// commands.
    pub async fn request(&mut self, command: Command) {
        if let Some(commands) = &self.commands {
            // As in `submit`.
            let _ = commands.send(command).await;
        }
    }

    /// Sets how the chunks of a long body are read; call it before its [`Command::Send`]. A chunk
    /// may be asked for again after a lost connection. `read` may block.
    pub fn add_body(
        &mut self,
        id: MsgId,
        read: impl Fn(u64) -> io::Result<Body> + Send + Sync + 'static,
    ) {
        self.bodies.add(id, read);
    }

    /// Ends the commands: the client ends when all is answered.
    pub fn finish(&mut self) {
        self.commands = None;
    }

    /// Waits until all is answered and all acks are recorded, then closes the connection. Returns
    /// the pin of the server's key.
    pub async fn close(mut self) -> Result<Pin, ClientError> {
        self.untrack_all().await;
        // The loop still asks for chunks of long bodies.
        while !self.bodies.is_empty() && !matches!(self.ready(false).await, Readiness::Ended) {}
        self.finish();
        while self.events.recv().await.is_some() {}
        self.end().await
    }

    /// Waits for the error with which a client ended, once [`Client::ready`] has said so.
    pub async fn why_ended(&mut self) -> ClientError {
        self.end().await.err().unwrap_or(ClientError::NoAnswer)
    }

    async fn end(&mut self) -> Result<Pin, ClientError> {
        let Some(end) = &mut self.end else { return Err(ClientError::Ended) };
        let ended = end.await;
        self.end = None;
        match ended.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(result) => result,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime shuts down.
            Err(Err(_)) => Err(ClientError::Ended),
        }
    }

    /// A message to be sent, with a new id.
    pub fn draft(&mut self, to: Target, body: impl Into<Bytes>) -> Draft {
        let body = Body(body.into());
        let id = self.ids.next_id(unix_ms(), || {
            let mut random = [0; 10];
            // Fails on no system with a random generator; a clash of ids would be refused.
            let _ = rand::fill(&mut random);
            random
        });
        Envelope::new(id, to, Headers::default(), body).into()
    }

    /// Sends a message and waits until the server has accepted it. After a lost connection it is
    /// sent again, unless it is volatile; the server stores it once. A future dropped after the
    /// message was queued does not stop the message.
    ///
    /// ```no_run
    /// # use qmsg::client::{Client, RequestError};
    /// # async fn example(mut client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let draft = client.draft("bob".parse()?, "the backup is done");
    /// match client.send(draft).await {
    ///     Ok(acceptance) => println!("{acceptance:?}"),
    ///     Err(RequestError::Refused(why)) => eprintln!("not stored: {why:?}"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&mut self, draft: Draft) -> Result<Acceptance, RequestError> {
        let sent = draft.id;
        self.request(Command::Send(vec![draft])).await;
        self.answer(Some(sent), |event| acceptance(event, sent)).await?
    }

    /// Sends a message with this body, chunk by chunk as the server asks for it, and waits until
    /// the server has accepted it. The draft's body is ignored. After a lost connection the body is
    /// read again from its second chunk on. Reading may block; it has a thread of its own.
    ///
    /// ```no_run
    /// # use qmsg::client::Client;
    /// # async fn example(mut client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let file = std::fs::File::open("dump.sql")?;
    /// let size = file.metadata()?.len();
    /// let draft = client.draft("bob".parse()?, "");
    /// let read = move |at, chunk: &mut [u8]| {
    ///     std::os::unix::fs::FileExt::read_exact_at(&file, chunk, at)
    /// };
    /// client.send_in_chunks(draft, size, read).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_in_chunks(
        &mut self,
        draft: Draft,
        size: u64,
        read_exact_at: impl Fn(u64, &mut [u8]) -> io::Result<()> + Send + Sync + 'static,
    ) -> Result<Acceptance, RequestError> {
        let read = move |index: u64| {
            let at = index.saturating_mul(CHUNK_LEN_MAX as u64);
            let mut chunk = vec![0; size.saturating_sub(at).min(CHUNK_LEN_MAX as u64) as usize];
            read_exact_at(at, &mut chunk).map(|()| Body(chunk.into()))
        };
        let body = read(0).map_err(RequestError::Unreadable)?;
        if size > CHUNK_LEN_MAX as u64 {
            self.add_body(draft.id, read);
        }
        self.send(Draft { envelope: Envelope { size, body, ..draft.envelope }, ..draft }).await
    }

    /// Sends a message and waits for a recipient's reply, empty after a plain ack. Fails if the
    /// message was rejected or is gone. From a room or from everyone, the first answer counts.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use qmsg::client::Client;
    /// # async fn example(mut client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let draft = client.draft("clock".parse()?, "what time is it?");
    /// let reply = tokio::time::timeout(Duration::from_secs(5), client.ask(draft)).await??;
    /// println!("{reply:?}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ask(&mut self, draft: Draft) -> Result<Note, RequestError> {
        self.untrack_asked().await;
        let (sent, to) = (draft.id, draft.to.clone());
        self.send(draft).await?;
        self.asked = Some(sent);
        self.request(Command::Track { id: sent, to }).await;
        let verdict = self.answer(None, |event| verdict(event, sent)).await?;
        self.untrack_asked().await;
        verdict
    }

    async fn untrack_asked(&mut self) {
        if let Some(id) = self.asked {
            self.request(Command::Untrack(id)).await;
            self.asked = None;
        }
    }

    /// Asks for track updates on an accepted message, until [`Client::untrack`].
    ///
    /// ```no_run
    /// # use qmsg::client::Client;
    /// # async fn example(mut client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let draft = client.draft("@ops".parse()?, "disk full");
    /// let (id, to) = (draft.id, draft.to.clone());
    /// client.send(draft).await?;
    /// client.track(id, to).await;
    /// for recipient in client.tracked().await?.recipients.unwrap_or_default() {
    ///     println!("{}: {:?}", recipient.user, recipient.state);
    /// }
    /// client.untrack(id).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn track(&mut self, id: MsgId, to: Target) {
        self.tracked.insert(id);
        self.request(Command::Track { id, to }).await;
    }

    /// Waits for the next update on any tracked message.
    pub async fn tracked(&mut self) -> Result<TrackedState, ClientError> {
        let is_news = |event: &Event| {
            matches!(event, Event::TrackUpdate { .. } | Event::UnknownMessage { .. })
        };
        loop {
            match self.kept_event(is_news).await? {
                Event::TrackUpdate { id, standings, complete } => {
                    return Ok(TrackedState { id, recipients: Some(standings), complete });
                }
                Event::UnknownMessage { id } => {
                    return Ok(TrackedState { id, recipients: None, complete: true });
                }
                _ => {}
            }
        }
    }

    /// Stops the updates on a message.
    pub async fn untrack(&mut self, id: MsgId) {
        self.request(Command::Untrack(id)).await;
        self.tracked.remove(&id);
        self.kept.retain(|event| !is_news_of(event, id));
    }

    async fn untrack_all(&mut self) {
        self.untrack_asked().await;
        while let Some(id) = self.tracked.first().copied() {
            self.untrack(id).await;
        }
    }

    /// Waits for the next message of a client that has subscribed. Skips the unread rest of the
    /// body before it. Gap notices (messages removed unread) are acked and not shown.
    ///
    /// ```no_run
    /// # use qmsg::client::{Client, ClientSettings};
    /// # use qmsg::logic::Prefetch;
    /// # async fn example(settings: ClientSettings) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut client = Client::connect(settings.subscribe(Prefetch::DEFAULT)).await?;
    /// loop {
    ///     let incoming = client.delivery().await?;
    ///     let mut body = Vec::new();
    ///     client.read_body(&incoming, &mut body).await?;
    ///     println!("{}: {}", incoming.message.from, String::from_utf8_lossy(&body));
    ///     client.ack(&incoming).await;
    /// }
    /// # }
    /// ```
    pub async fn delivery(&mut self) -> Result<IncomingMessage, ClientError> {
        loop {
            if let Some(incoming) = self.delivered.pop_front() {
                let message = &incoming.message;
                self.missing = message.size.saturating_sub(message.body.len() as u64);
                return Ok(incoming);
            }
            match self.delivery_event().await? {
                Event::Messages { seq, bundle } => {
                    let incoming = numbered(seq, &bundle);
                    let incoming = incoming.map(|(seq, message)| IncomingMessage { seq, message });
                    self.delivered.extend(incoming);
                }
                Event::Chunk(_) => self.consumed += 1,
                _ => {}
            }
        }
    }

    /// Writes the whole body of the last delivered message, with calls that may block. After an
    /// error the rest is still unread.
    pub async fn read_body(
        &mut self,
        incoming: &IncomingMessage,
        out: &mut impl Write,
    ) -> Result<(), RequestError> {
        out.write_all(&incoming.message.body.0).map_err(RequestError::Unwritable)?;
        while self.missing > 0 {
            match self.delivery_event().await? {
                Event::Chunk(body) => {
                    self.consumed += 1;
                    self.missing = self.missing.saturating_sub(body.len() as u64);
                    out.write_all(&body.0).map_err(RequestError::Unwritable)?;
                }
                _ => {
                    self.missing = 0;
                    return Err(RequestError::BodyAborted);
                }
            }
        }
        self.report_consumed().await;
        Ok(())
    }

    /// Queues an ack: the message has been processed. Recorded once [`Event::AckRecorded`] has come
    /// or [`Client::close`] returns `Ok`. Does nothing after the client's end, which
    /// [`Client::delivery`] reports.
    pub async fn ack(&mut self, incoming: &IncomingMessage) {
        self.request(Command::Ack(vec![incoming.seq])).await;
    }

    /// Queues an ack with a reply, recorded as [`Client::ack`]; volatile messages are only acked.
    pub async fn reply(&mut self, incoming: &IncomingMessage, reply: Note) {
        self.settle(incoming, Command::Reply { seq: incoming.seq, reply }).await;
    }

    /// Queues a rejection after this many attempts, recorded as in [`Client::ack`]: the message
    /// becomes a dead letter. A volatile message is only acked.
    pub async fn reject(&mut self, incoming: &IncomingMessage, attempts: u32, reason: Note) {
        self.settle(incoming, Command::Reject { seq: incoming.seq, attempts, reason }).await;
    }

    /// Queues a release: the message stays for other readers and comes again on the next
    /// connection; not after the client's end, as [`Client::ack`]. A volatile message is acked.
    pub async fn release(&mut self, incoming: &IncomingMessage) {
        self.settle(incoming, Command::Release(vec![incoming.seq])).await;
    }

    async fn settle(&mut self, incoming: &IncomingMessage, command: Command) {
        let volatile = incoming.seq == 0;
        self.request(if volatile { Command::Ack(vec![incoming.seq]) } else { command }).await;
    }

    /// Joins a room. Returns `false` if the user was a member already.
    ///
    /// ```no_run
    /// # use qmsg::client::Client;
    /// # async fn example(mut client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.join_room("ops".parse()?).await?;
    /// client.leave_room("ops".parse()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn join_room(&mut self, room: RoomName) -> Result<bool, RequestError> {
        self.request(Command::JoinRoom(room.clone())).await;
        self.answer(None, |event| membership(event, &room)).await?
    }

    /// Leaves a room. Returns `false` if the user was not a member.
    pub async fn leave_room(&mut self, room: RoomName) -> Result<bool, RequestError> {
        self.request(Command::LeaveRoom(room.clone())).await;
        self.answer(None, |event| membership(event, &room)).await?
    }

    /// Lists the dead letters or the scheduled messages; holds all of them in memory.
    ///
    /// ```no_run
    /// # use qmsg::client::Client;
    /// # use qmsg::wire::ParkedKind;
    /// # async fn example(mut client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// for dead in client.list_parked(ParkedKind::DeadLetters).await? {
    ///     client.take_parked(ParkedKind::DeadLetters, Some(dead.message.id), true).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list_parked(
        &mut self,
        kind: ParkedKind,
    ) -> Result<Vec<ParkedMessage>, RequestError> {
        self.request(Command::ListParked(kind)).await;
        self.lists += 1;
        let (mut earlier, mut found) = (self.lists - 1, Vec::new());
        loop {
            // Skips the end of an earlier list whose future was dropped.
            self.answer(None, |event| match event {
                Event::Parked(parked) => {
                    found.push(parked.clone());
                    None
                }
                Event::ParkedEnd(_) => Some(()),
                _ => None,
            })
            .await?;
            self.lists -= 1;
            if earlier == 0 {
                return Ok(found);
            }
            earlier -= 1;
            found.clear();
        }
    }

    /// Takes out one parked message, or all of a kind, and deletes it. With `back` a dead letter is
    /// delivered again, and a scheduled message is sent now. Returns the number of messages.
    pub async fn take_parked(
        &mut self,
        kind: ParkedKind,
        id: Option<MsgId>,
        back: bool,
    ) -> Result<u64, RequestError> {
        self.request(Command::TakeParked { drawer: kind, id, back }).await;
        self.answer(None, |event| parked_taken(event, kind, id)).await
    }

    /// Waits for the event from which `answer` takes a value. Fails if the body of the message
    /// `sent` cannot be read.
    async fn answer<T>(
        &mut self,
        sent: Option<MsgId>,
        mut answer: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, RequestError> {
        loop {
            match self.ready(false).await {
                Readiness::Events(batch) => {
                    let found = batch.iter().find_map(&mut answer);
                    self.keep(batch);
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Readiness::Unreadable(id, error) if Some(id) == sent => {
                    return Err(RequestError::Unreadable(error));
                }
                // Belongs to a request whose future was dropped.
                Readiness::Unreadable(..) | Readiness::Place => {}
                Readiness::Ended => return Err(self.why_ended().await.into()),
            }
        }
    }

    /// The next event of this kind, first among the kept ones.
    async fn kept_event(&mut self, is_it: impl Fn(&Event) -> bool) -> Result<Event, ClientError> {
        loop {
            let at = self.kept.iter().position(&is_it);
            if let Some(event) = at.and_then(|at| self.kept.remove(at)) {
                return Ok(event);
            }
            match self.ready(false).await {
                Readiness::Events(batch) => self.keep(batch),
                Readiness::Unreadable(..) | Readiness::Place => {}
                Readiness::Ended => return Err(self.why_ended().await),
            }
        }
    }

    async fn delivery_event(&mut self) -> Result<Event, ClientError> {
        self.report_consumed().await;
        self.kept_event(is_of_delivery).await
    }

    /// Reports consumed chunks to the server, which may then send as many more.
    async fn report_consumed(&mut self) {
        if self.consumed > 0 {
            self.request(Command::ChunksConsumed(self.consumed)).await;
            self.consumed = 0;
        }
    }

    /// Keeps the events that a later request may want.
    fn keep(&mut self, batch: Vec<Event>) {
        let tracked = &self.tracked;
        let is_kept = |event: &Event| match event {
            Event::TrackUpdate { id, .. } | Event::UnknownMessage { id } => tracked.contains(id),
            event => is_of_delivery(event),
        };
        self.kept.extend(batch.into_iter().filter(is_kept));
    }
}

/// Resolves with `true` when there is place for a command; `false` once no more are given.
async fn has_place(commands: Option<&mpsc::Sender<Command>>) -> bool {
    match commands {
        Some(commands) => commands.reserve().await.is_ok(),
        None => false,
    }
}
