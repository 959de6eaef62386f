//! A conversation with the server in which messages go that are ready to be sent.

use std::collections::BTreeMap;
use std::io;

use tokio::sync::mpsc;

use crate::client::{self, ClientError};
use crate::logic::{Command, Draft, Event};
use crate::spool::file::Spooled;
use crate::wire::{Body, Envelope, MsgId, Refusal};

/// Messages on their way at a time; a long one has its file open.
const UNANSWERED_MAX: usize = 256;
/// Commands and events on their way.
const QUEUE_MAX: usize = 64;

/// What became of a message.
#[derive(Debug)]
pub(crate) enum CarryOutcome {
    /// It is on the server's disk, now or since an attempt before.
    Accepted,
    Refused(Refusal),
    /// Its body cannot be read.
    Unreadable(io::Error),
}

/// Who has messages to be carried, and wants to hear of them.
pub(crate) trait Errands {
    /// The next one, in the order in which they are to go. Asked for again after an answer.
    fn next(&mut self) -> Option<Spooled>;
    /// Said once of each that was given, unless the server does not answer.
    fn told(&mut self, id: MsgId, outcome: CarryOutcome);
    /// The server's clock is so far ahead of this machine's. Said before what was sent is answered.
    fn skewed(&mut self, _ahead_ms: i64) {}
    /// The link is gone: what was given may have been stored.
    fn unlinked(&mut self) {}
}

/// Sends all that there is.
pub(crate) async fn carry(
    settings: client::Settings,
    errands: &mut impl Errands,
) -> Result<(), ClientError> {
    let (commands, receiver) = mpsc::channel(QUEUE_MAX);
    let (sender, events) = mpsc::channel(QUEUE_MAX);
    let commands = Some(commands);
    let mut carrier = Carrier {
        errands,
        next: None,
        unanswered: BTreeMap::new(),
        ended: false,
        commands,
        events,
    };
    let result = tokio::select! {
        result = client::run(settings, receiver, sender) => result,
        () = carrier.run() => Err(ClientError::NoAnswer),
    };
    while let Ok(batch) = carrier.events.try_recv() {
        batch.iter().for_each(|event| carrier.answered(event));
    }
    result.map(drop)
}

struct Carrier<'a, E> {
    errands: &'a mut E,
    /// For the client, when it has room.
    next: Option<Draft>,
    unanswered: BTreeMap<MsgId, Spooled>,
    /// There are no more.
    ended: bool,
    /// `None` once nothing more is to be said.
    commands: Option<mpsc::Sender<Command>>,
    events: mpsc::Receiver<Vec<Event>>,
}

impl<E: Errands> Carrier<'_, E> {
    /// Goes on as long as it is let.
    async fn run(&mut self) {
        loop {
            while self.next.is_none() && !self.ended && self.unanswered.len() < UNANSWERED_MAX {
                self.load();
            }
            if self.next.is_none() && self.unanswered.is_empty() {
                // The client ends with its commands.
                self.commands = None;
            }
            tokio::select! {
                biased;
                Some(batch) = self.events.recv() => self.told(batch).await,
                true = has_place(self.commands.as_ref()), if self.next.is_some() => self.give(),
                else => std::future::pending().await,
            }
        }
    }

    fn load(&mut self) {
        let Some(parcel) = self.errands.next() else {
            self.ended = true;
            return;
        };
        let id = parcel.id;
        match parcel.content.part(0) {
            Ok(body) => {
                let (to, headers) = (parcel.to.clone(), parcel.headers.clone());
                let size = parcel.content.size();
                let envelope = Envelope { size, ..Envelope::new(id, to, headers, body) };
                self.next = Some(Draft { due_ms: parcel.due_ms, ..envelope.into() });
                self.unanswered.insert(id, parcel);
            }
            Err(error) => self.errands.told(id, CarryOutcome::Unreadable(error)),
        }
    }

    fn give(&mut self) {
        if let (Some(draft), Some(commands)) = (self.next.take(), &self.commands) {
            // There is a place. A client that has ended says so itself.
            let _ = commands.try_send(Command::Send(vec![draft]));
        }
    }

    async fn told(&mut self, batch: Vec<Event>) {
        for event in batch {
            let Event::ChunkWanted { id, index } = event else {
                self.answered(&event);
                continue;
            };
            let body = self.part(id, index);
            if let Some(commands) = &self.commands {
                // As for `give`.
                let _ = commands.send(Command::Chunk { id, index, body }).await;
            }
        }
    }

    /// A part that the client wants; empty, which says that there is none, if it cannot be read.
    fn part(&mut self, id: MsgId, index: u64) -> Body {
        let Some(parcel) = self.unanswered.get(&id) else { return Body::default() };
        parcel.content.part(index).unwrap_or_else(|error| {
            self.tell(id, 1, || CarryOutcome::Unreadable(io::Error::other(error.to_string())));
            Body::default()
        })
    }

    fn answered(&mut self, event: &Event) {
        match *event {
            Event::Accepted { id, count, .. } => self.tell(id, count, || CarryOutcome::Accepted),
            Event::Refused { id, count, why } => {
                self.tell(id, count, || CarryOutcome::Refused(why));
            }
            Event::ClockSkew { ahead_ms } => self.errands.skewed(ahead_ms),
            Event::Offline => self.errands.unlinked(),
            _ => {}
        }
    }

    fn tell(&mut self, first: MsgId, count: u32, outcome: impl Fn() -> CarryOutcome) {
        for id in (0..u64::from(count)).map(|at| first.plus(at)) {
            if self.unanswered.remove(&id).is_some() {
                self.errands.told(id, outcome());
                // What was refused may be given again, shorter.
                self.ended = false;
            }
        }
    }
}

/// Whether a command can be given, as soon as that is so.
async fn has_place(commands: Option<&mpsc::Sender<Command>>) -> bool {
    match commands {
        Some(commands) => commands.reserve().await.is_ok(),
        None => false,
    }
}
