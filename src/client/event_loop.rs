//! Loop of a client: one [`Peer`], its connection, and two queues to its user.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::client::claim::Claim;
use crate::client::error::{ClientError, is_transient};
use crate::client::limits::{COMMANDS_MAX, CONNECTION_QUEUE_MAX, OUTGOING_MAX};
use crate::client::loop_clock::LoopClock;
use crate::client::settings::{ClientSettings, LoopSettings};
use crate::logic::{Command, Ending, Event, Peer, PeerInput, PeerOutput};
use crate::quic::{
    self, Connection, ConnectionEnd, DialError, DialSettings, Dialer, Outgoing, Trust,
};
use crate::wire::{CloseCode, FromClient, FromServer, Pin, encode};

/// Something that happened to the connection.
enum LinkEvent {
    Dialed(Box<Result<Connection<FromServer>, DialError>>),
    Frames(Vec<FromServer>),
    Ended(ConnectionEnd),
}

/// Runs a client until its commands end and every request is answered, or until its events have no
/// reader. Returns the pin of the server's key.
///
/// Needs a tokio runtime; one thread is enough. Events come in batches, in order. A user who reads
/// them slowly only slows the server down.
///
/// A user who sends a body in chunks must keep `commands` open until all wanted chunks are given.
/// While a chunk is missing, commands are taken even if there is no room for more messages.
pub(super) async fn run(
    settings: ClientSettings,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Vec<Event>>,
) -> Result<Pin, ClientError> {
    let (sender, mut link_events) = mpsc::channel(CONNECTION_QUEUE_MAX);
    let mut shell = EventLoop::new(settings, sender);
    let mut batch = Vec::new();
    let mut open = true;
    shell.feed([PeerInput::Tick])?;
    while open || shell.peer.is_waiting() || !shell.unread.is_empty() {
        let takes = open && (shell.peer.has_room() || shell.peer.wants_chunk());
        let deadline = shell.peer.deadline().map(|at_ms| shell.clock.instant(at_ms));
        tokio::select! {
            biased;
            // Nobody reads events, so no result is wanted.
            () = events.closed() => break,
            permit = events.reserve(), if !shell.unread.is_empty() => match permit {
                Ok(permit) => permit.send(std::mem::take(&mut shell.unread)),
                Err(_) => break,
            },
            Some(event) = link_events.recv() => shell.on_link_event(event)?,
            count = commands.recv_many(&mut batch, COMMANDS_MAX), if takes => {
                open = count > 0;
                shell.feed(inputs(batch.drain(..)))?;
            }
            () = until(deadline) => shell.feed([PeerInput::Tick])?,
        }
        shell.flush();
        // Common case: there is place at once; otherwise the loop waits for it above.
        if !shell.unread.is_empty()
            && let Ok(permit) = events.try_reserve()
        {
            permit.send(std::mem::take(&mut shell.unread));
        }
    }
    let pin = shell.pin;
    shell.hang_up(&mut link_events).await;
    pin.ok_or(ClientError::NoAnswer)
}

/// State of the loop.
struct EventLoop {
    peer: Peer,
    claim: Option<Arc<Claim>>,
    dial: DialSettings,
    dialer: Option<Dialer>,
    trust_remote: bool,
    clock: LoopClock,
    link_events: mpsc::Sender<LinkEvent>,
    /// Queue to the current connection, if there is one.
    outgoing: Option<mpsc::Sender<Outgoing>>,
    buffer: BytesMut,
    /// Events for the user. Bounded by the user's requests and its prefetch.
    unread: Vec<Event>,
    pin: Option<Pin>,
    /// The error of the last failed dial.
    failure: Option<DialError>,
}

impl EventLoop {
    fn new(settings: ClientSettings, link_events: mpsc::Sender<LinkEvent>) -> Self {
        let clock = LoopClock::start();
        let LoopSettings { dial, dialer, intent, trust_remote, claim } = settings.into_loop();
        // A random seed of the operating system, so that clients of one key differ.
        let seed = RandomState::new().build_hasher().finish();
        Self {
            peer: Peer::new(clock.now(), intent, seed),
            claim,
            dial,
            dialer,
            trust_remote,
            clock,
            link_events,
            outgoing: None,
            buffer: BytesMut::new(),
            unread: Vec::new(),
            pin: None,
            failure: None,
        }
    }

    /// Handles inputs that came together.
    fn feed(&mut self, inputs: impl IntoIterator<Item = PeerInput>) -> Result<(), ClientError> {
        let (now, mut outputs) = (self.clock.now(), Vec::new());
        for input in inputs {
            self.peer.handle(now, input, &mut outputs);
        }
        for output in outputs {
            match output {
                PeerOutput::Dial => self.dial(),
                PeerOutput::Frame(frame) => {
                    if let (FromClient::Hello { .. }, Some(claim)) = (&frame, &self.claim) {
                        claim.before_asking()?;
                    }
                    encode(&frame, &mut self.buffer);
                }
                PeerOutput::Event(Event::Unsupported(feature)) => {
                    return Err(ClientError::Unsupported(feature));
                }
                PeerOutput::Event(Event::GaveUp(None)) => return Err(self.gave_up()),
                PeerOutput::Event(Event::GaveUp(code) | Event::Denied(code)) => {
                    return Err(ClientError::Rejected(code));
                }
                PeerOutput::Event(event) => self.unread.push(event),
            }
        }
        Ok(())
    }

    fn gave_up(&mut self) -> ClientError {
        match self.failure.take() {
            Some(failure) => failure.into(),
            // The first attempt has not failed yet.
            None if self.pin.is_none() => ClientError::Dial(DialError::timed_out(&self.dial)),
            None => ClientError::NoAnswer,
        }
    }

    fn dial(&self) {
        let (settings, link_events) = (self.dial.clone(), self.link_events.clone());
        let dialer = self.dialer.clone();
        tokio::spawn(async move {
            let result = Box::new(match dialer {
                Some(dialer) => dialer.dial(&settings).await,
                None => quic::dial(&settings).await,
            });
            // The loop may have ended meanwhile.
            let _ = link_events.send(LinkEvent::Dialed(result)).await;
        });
    }

    fn on_link_event(&mut self, event: LinkEvent) -> Result<(), ClientError> {
        match event {
            LinkEvent::Dialed(result) => match *result {
                Ok(connection) => self.connected(connection),
                Err(error) if is_transient(&error) => {
                    tracing::debug!(%error, "no connection");
                    let ending = match error {
                        DialError::Unreachable(error) => Ending::Blocked(error.text()),
                        _ => Ending::Silence,
                    };
                    self.failure = Some(error);
                    self.feed([PeerInput::Ended(ending)])
                }
                Err(DialError::Closed(code)) => self.feed([PeerInput::Ended(Ending::Closed(code))]),
                Err(error) => Err(error.into()),
            },
            LinkEvent::Frames(frames) => self.feed(frames.into_iter().map(PeerInput::Frame)),
            LinkEvent::Ended(end) => {
                tracing::debug!(?end, "connection ended");
                self.outgoing = None;
                self.buffer.clear();
                let ending = match end {
                    ConnectionEnd::ClosedByPeer(code) => Ending::Closed(code),
                    ConnectionEnd::Unreachable(error) => Ending::Blocked(error.text()),
                    ConnectionEnd::Malformed(_) => Ending::Closed(Some(CloseCode::Malformed)),
                    ConnectionEnd::Lost | ConnectionEnd::ClosedHere(_) => Ending::Silence,
                };
                if let Some(claim) = &self.claim {
                    claim.connection_ended(if let Ending::Closed(code) = ending {
                        code
                    } else {
                        None
                    });
                }
                self.feed([PeerInput::Ended(ending)])
            }
        }
    }

    fn connected(&mut self, connection: Connection<FromServer>) -> Result<(), ClientError> {
        let pin = connection.pin();
        if self.dial.trust == Trust::AnyAndReport
            && !self.trust_remote
            && !connection.remote_address().ip().is_loopback()
        {
            return Err(ClientError::Untrusted(pin));
        }
        // A later connection must reach the same server.
        self.dial.trust = Trust::Pin(pin);
        self.pin = Some(pin);
        self.failure = None;
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        self.outgoing = Some(outgoing);
        let link_events = self.link_events.clone();
        tokio::spawn(async move {
            let end = connection.run(queue, link_events.clone(), LinkEvent::Frames).await;
            // The loop may have ended meanwhile.
            let _ = link_events.send(LinkEvent::Ended(end)).await;
        });
        self.feed([PeerInput::Linked])
    }

    /// Sends the frames of a turn in one piece. The peer keeps to the server's limits, which bound
    /// the queue; the end of a connection is reported by its own event.
    fn flush(&mut self) {
        if !self.buffer.is_empty()
            && let Some(outgoing) = &self.outgoing
        {
            let _ = outgoing.try_send(Outgoing::Frames(self.buffer.split().freeze()));
        }
    }

    /// Closes the connection, so that the server notices at once.
    async fn hang_up(self, link_events: &mut mpsc::Receiver<LinkEvent>) {
        let Some(outgoing) = self.outgoing else { return };
        if outgoing.try_send(Outgoing::Close(CloseCode::Done)).is_err() {
            return;
        }
        while let Some(event) = link_events.recv().await {
            if matches!(event, LinkEvent::Ended(_)) {
                return;
            }
        }
    }
}

/// Inputs for the commands of one turn. Consecutive sends are merged.
fn inputs(commands: impl Iterator<Item = Command>) -> Vec<PeerInput> {
    let mut inputs = Vec::new();
    for command in commands {
        match (command, inputs.last_mut()) {
            (Command::Send(drafts), Some(PeerInput::User(Command::Send(before)))) => {
                before.extend(drafts);
            }
            (command, _) => inputs.push(command.into()),
        }
    }
    inputs
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
