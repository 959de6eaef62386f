//! The client's loop: one [`Peer`], the link it has at the moment, and its user behind two queues.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::logic::{Command, Ending, Event, Intent, Peer, PeerInput, PeerOutput, Time};
use crate::quic::{
    self, Connection, ConnectionEnd, DialError, DialSettings, Dialer, IdentityError, NewIdentity,
    Outgoing, Trust,
};
use crate::wire::{CloseCode, Feature, FromClient, FromServer, Pin, encode};

/// What waits between link, loop and user, each a batch.
const QUEUE_MAX: usize = 64;
/// Commands taken in one turn.
const COMMANDS_MAX: usize = 256;
/// Frames of one turn leave together; a link takes as many as its stream does.
const OUTGOING_MAX: usize = 4_096;

/// What a client is to be.
pub struct Settings {
    /// Whom to reach, as whom.
    pub dial: DialSettings,
    /// Sockets shared with other clients; `None`: its own.
    pub dialer: Option<Dialer>,
    /// What to want there.
    pub intent: Intent,
    /// Take any server key even from another machine, and report it.
    pub trust_remote: bool,
}

/// A claim with a key that is not in its file yet. It is put there before the server is told of the
/// claim, so that no id is ever given to a key that is nowhere; and not sooner, so that nothing is
/// left of a server that is not reached.
pub struct Claim {
    key: NewIdentity,
    path: PathBuf,
    stage: Stage,
}

/// How far a claim has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No server has heard of it, and the key is in memory only.
    Unsaid,
    /// The server has heard of it, and has not answered.
    Asked,
    /// The server has refused it, each time that it heard of it.
    Refused,
    /// The server may have granted it.
    Uncertain,
}

impl Claim {
    /// With this key, whose file will be at `path` and must not be there now.
    pub fn new(key: NewIdentity, path: PathBuf) -> Self {
        Self { key, path, stage: Stage::Unsaid }
    }

    /// Whether its key is in its file.
    pub fn is_kept(&self) -> bool {
        self.stage != Stage::Unsaid
    }

    /// Whether the server may have given the id to the key.
    pub fn may_be_granted(&self) -> bool {
        matches!(self.stage, Stage::Asked | Stage::Uncertain)
    }

    /// Called before the server is asked, on each link.
    fn ask(&mut self) -> Result<(), IdentityError> {
        if !self.is_kept() {
            self.key.save(&self.path)?;
        }
        if self.stage != Stage::Uncertain {
            self.stage = Stage::Asked;
        }
        Ok(())
    }

    /// Called when a link ends that has not welcomed the user.
    fn ended(&mut self, code: Option<CloseCode>) {
        use CloseCode::{Busy, DiskFull, IdReserved, IdTaken, TicketBad, TicketNeeded};
        self.stage = match (self.stage, code) {
            // Answers of who looked whether the key has the id already.
            (_, Some(DiskFull | IdReserved | IdTaken | TicketBad | TicketNeeded)) => Stage::Refused,
            (Stage::Asked, Some(Busy)) => Stage::Refused,
            (Stage::Asked, _) => Stage::Uncertain,
            (before, _) => before,
        };
    }
}

/// Why a client ended before its user did.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Trying again would not help, or nothing answered for too long.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// There was a link, and then no answer for too long.
    #[error("the server stopped answering")]
    NoAnswer,
    /// The server closed the connection for good, with this reason if this version knows it.
    #[error("the server closed the connection")]
    Rejected(Option<CloseCode>),
    /// The server does not understand something that was asked of it.
    #[error("the server does not understand {}", .0.name())]
    Unsupported(Feature),
    /// The server on another machine showed a key that nothing vouches for.
    #[error("the server's key {0} is not known here")]
    Untrusted(Pin),
    /// The client's own key could not be kept, so nothing was asked of the server.
    #[error(transparent)]
    Key(#[from] IdentityError),
}

/// Something that happened to the link.
enum Happening {
    Dialed(Box<Result<Connection<FromServer>, DialError>>),
    Frames(Vec<FromServer>),
    Ended(ConnectionEnd),
}

/// Runs a client until its commands end and everything asked for is answered. The pin of the server
/// it spoke with.
///
/// Needs a tokio runtime; one thread is enough. Events come in batches, in order. A user that is
/// slow to take them slows the server down, nothing else.
///
/// A user who sends a body in parts keeps `commands` until all parts that were asked for are given.
/// While one is missing commands are taken even if there is no room for more messages.
pub async fn run(
    settings: Settings,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Vec<Event>>,
) -> Result<Pin, ClientError> {
    run_claim(settings, None, commands, events).await
}

/// The same for a client that claims an id with a new key.
pub async fn run_claim(
    settings: Settings,
    claim: Option<&mut Claim>,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Vec<Event>>,
) -> Result<Pin, ClientError> {
    let (sender, mut happenings) = mpsc::channel(QUEUE_MAX);
    let mut shell = Shell::new(settings, claim, sender);
    let mut batch = Vec::new();
    let mut open = true;
    shell.feed([PeerInput::Tick])?;
    while open || shell.peer.is_waiting() || !shell.untold.is_empty() {
        let takes = open && (shell.peer.has_room() || shell.peer.wants_chunk());
        let deadline = shell.peer.deadline().map(|at_ms| shell.at(at_ms));
        tokio::select! {
            biased;
            // A user who hears nothing wants nothing.
            permit = events.reserve(), if !shell.untold.is_empty() => match permit {
                Ok(permit) => permit.send(std::mem::take(&mut shell.untold)),
                Err(_) => break,
            },
            Some(happening) = happenings.recv() => shell.happened(happening)?,
            count = commands.recv_many(&mut batch, COMMANDS_MAX), if takes => {
                open = count > 0;
                shell.feed(inputs(batch.drain(..)))?;
            }
            () = until(deadline) => shell.feed([PeerInput::Tick])?,
        }
        shell.flush();
        // Mostly there is a place at once; otherwise it is waited for above.
        if !shell.untold.is_empty()
            && let Ok(permit) = events.try_reserve()
        {
            permit.send(std::mem::take(&mut shell.untold));
        }
    }
    let pin = shell.pin;
    shell.hang_up(&mut happenings).await;
    pin.ok_or(ClientError::NoAnswer)
}

struct Shell<'a> {
    peer: Peer,
    claim: Option<&'a mut Claim>,
    dial: DialSettings,
    dialer: Option<Dialer>,
    trust_remote: bool,
    start: Instant,
    happenings: mpsc::Sender<Happening>,
    /// The way to the link there is.
    outgoing: Option<mpsc::Sender<Outgoing>>,
    buffer: BytesMut,
    /// For the user. Bounded by what the user asked for and by the window.
    untold: Vec<Event>,
    pin: Option<Pin>,
    /// Why the last dial failed.
    failure: Option<DialError>,
}

impl<'a> Shell<'a> {
    fn new(
        settings: Settings,
        claim: Option<&'a mut Claim>,
        happenings: mpsc::Sender<Happening>,
    ) -> Self {
        let start = Instant::now();
        let Settings { dial, dialer, intent, trust_remote } = settings;
        let now = time(start);
        // From the operating system, so that no two clients of a key have the same.
        let seed = RandomState::new().build_hasher().finish();
        Self {
            peer: Peer::new(now, intent, seed),
            claim,
            dial,
            dialer,
            trust_remote,
            start,
            happenings,
            outgoing: None,
            buffer: BytesMut::new(),
            untold: Vec::new(),
            pin: None,
            failure: None,
        }
    }

    fn at(&self, mono_ms: u64) -> Instant {
        self.start + Duration::from_millis(mono_ms)
    }

    /// Takes what happened at one moment.
    fn feed(&mut self, inputs: impl IntoIterator<Item = PeerInput>) -> Result<(), ClientError> {
        let (now, mut outputs) = (time(self.start), Vec::new());
        for input in inputs {
            self.peer.handle(now, input, &mut outputs);
        }
        for output in outputs {
            match output {
                PeerOutput::Dial => self.dial(),
                PeerOutput::Frame(frame) => {
                    if let (FromClient::Hello { .. }, Some(claim)) = (&frame, &mut self.claim) {
                        claim.ask()?;
                    }
                    encode(&frame, &mut self.buffer);
                }
                PeerOutput::Event(Event::GaveUp(None)) => return Err(self.gave_up()),
                PeerOutput::Event(Event::GaveUp(code) | Event::Denied(code)) => {
                    return Err(ClientError::Rejected(code));
                }
                PeerOutput::Event(Event::Unsupported(what)) => Err(ClientError::Unsupported(what))?,
                PeerOutput::Event(event) => self.untold.push(event),
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
        let (settings, happenings) = (self.dial.clone(), self.happenings.clone());
        let dialer = self.dialer.clone();
        tokio::spawn(async move {
            let result = Box::new(match dialer {
                Some(dialer) => dialer.dial(&settings).await,
                None => quic::dial(&settings).await,
            });
            // The loop may have ended meanwhile.
            let _ = happenings.send(Happening::Dialed(result)).await;
        });
    }

    fn happened(&mut self, happening: Happening) -> Result<(), ClientError> {
        match happening {
            Happening::Dialed(result) => match *result {
                Ok(connection) => self.linked(connection),
                Err(error) if passes(&error) => {
                    tracing::debug!(%error, "no link");
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
            Happening::Frames(frames) => self.feed(frames.into_iter().map(PeerInput::Frame)),
            Happening::Ended(end) => {
                tracing::debug!(?end, "link ended");
                self.outgoing = None;
                self.buffer.clear();
                let ending = match end {
                    ConnectionEnd::ClosedByPeer(code) => Ending::Closed(code),
                    ConnectionEnd::Unreachable(error) => Ending::Blocked(error.text()),
                    ConnectionEnd::Malformed(_) => Ending::Closed(Some(CloseCode::Malformed)),
                    ConnectionEnd::Lost | ConnectionEnd::ClosedHere(_) => Ending::Silence,
                };
                if let Some(claim) = &mut self.claim {
                    claim.ended(if let Ending::Closed(code) = ending { code } else { None });
                }
                self.feed([PeerInput::Ended(ending)])
            }
        }
    }

    fn linked(&mut self, connection: Connection<FromServer>) -> Result<(), ClientError> {
        let pin = connection.pin();
        if self.dial.trust == Trust::AnyAndReport
            && !self.trust_remote
            && !connection.remote_address().ip().is_loopback()
        {
            return Err(ClientError::Untrusted(pin));
        }
        // From now on it is this server or none.
        self.dial.trust = Trust::Pin(pin);
        self.pin = Some(pin);
        self.failure = None;
        let (outgoing, queue) = mpsc::channel(OUTGOING_MAX);
        self.outgoing = Some(outgoing);
        let happenings = self.happenings.clone();
        tokio::spawn(async move {
            let end = connection.run(queue, happenings.clone(), Happening::Frames).await;
            // The loop may have ended meanwhile.
            let _ = happenings.send(Happening::Ended(end)).await;
        });
        self.feed([PeerInput::Linked])
    }

    /// What a turn has to say leaves in one piece. The peer keeps to the server's limits, which
    /// bound the queue; a link that is gone says so by itself.
    fn flush(&mut self) {
        if !self.buffer.is_empty()
            && let Some(outgoing) = &self.outgoing
        {
            let _ = outgoing.try_send(Outgoing::Frames(self.buffer.split().freeze()));
        }
    }

    /// Ends the link, so that the server knows at once.
    async fn hang_up(self, happenings: &mut mpsc::Receiver<Happening>) {
        let Some(outgoing) = self.outgoing else { return };
        if outgoing.try_send(Outgoing::Close(CloseCode::Done)).is_err() {
            return;
        }
        while let Some(happening) = happenings.recv().await {
            if matches!(happening, Happening::Ended(_)) {
                return;
            }
        }
    }
}

/// What was asked for in one turn, sends that follow one another as one.
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

/// Whether trying again may help. A name that cannot be resolved now may be later.
fn passes(error: &DialError) -> bool {
    match error {
        DialError::NoAnswer { .. }
        | DialError::Unreachable(_)
        | DialError::Resolve { .. }
        | DialError::Other(_) => true,
        DialError::WrongPin { .. } | DialError::Version | DialError::Closed(_) => false,
    }
}

fn time(start: Instant) -> Time {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time { mono_ms: start.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as u64 }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
