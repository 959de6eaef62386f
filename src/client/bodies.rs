//! Long bodies on their way to the server: read chunk by chunk, as the server grants credit.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::logic::{Command, Event};
use crate::wire::{Body, MsgId};

/// Reads one chunk of a body, by its number from 0.
type ReadChunk = dyn Fn(u64) -> io::Result<Body> + Send + Sync;

/// Long bodies of messages without an answer, and the chunks that the server wants.
#[derive(Default)]
pub(super) struct OutgoingBodies {
    sources: BTreeMap<MsgId, Arc<ReadChunk>>,
    /// Wanted chunks, in the order in which they were asked for.
    wanted: VecDeque<(MsgId, u64)>,
    read: ChunkRead,
}

/// Read of the first wanted chunk. Kept here, so that a cancelled wait loses nothing.
#[derive(Default)]
enum ChunkRead {
    #[default]
    Idle,
    Running(JoinHandle<io::Result<Body>>),
    Done(io::Result<Body>),
}

impl OutgoingBodies {
    pub(super) fn add(
        &mut self,
        id: MsgId,
        read: impl Fn(u64) -> io::Result<Body> + Send + Sync + 'static,
    ) {
        self.sources.insert(id, Arc::new(read));
    }

    /// True if the server wants a chunk.
    pub(super) fn is_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// True if no message with a long body waits for its answer.
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Notes the chunks that events ask for, and forgets the bodies of answered messages.
    pub(super) fn note(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::ChunkWanted { id, index } => self.wanted.push_back((*id, *index)),
                _ if self.sources.is_empty() => {}
                Event::Accepted { id, count, .. }
                | Event::Refused { id, count, .. }
                | Event::VolatileSent { id, count, .. } => {
                    (0..u64::from(*count)).for_each(|at| drop(self.sources.remove(&id.plus(at))));
                }
                Event::Uncertain { id } => drop(self.sources.remove(id)),
                _ => {}
            }
        }
    }

    /// Reads the first wanted chunk and gives it to the loop. A body that cannot be read is
    /// reported once, as an error; an empty chunk then tells the loop not to send its message.
    /// Cancel-safe.
    pub(super) async fn give_next(
        &mut self,
        commands: Option<&mpsc::Sender<Command>>,
    ) -> Result<(), (MsgId, io::Error)> {
        let Some(&(id, index)) = self.wanted.front() else { return Ok(()) };
        if let ChunkRead::Idle = self.read {
            self.read = match self.sources.get(&id).cloned() {
                // A file may be slow, so it is read on a thread of its own.
                Some(read) => ChunkRead::Running(tokio::task::spawn_blocking(move || read(index))),
                // Every wanted chunk is given, even if its message has an answer by now.
                None => ChunkRead::Done(Ok(Body::default())),
            };
        }
        if let ChunkRead::Running(reading) = &mut self.read {
            self.read = ChunkRead::Done(reading.await.map_err(io::Error::other).flatten());
        }
        // The events of an ended loop report its end.
        let Some(commands) = commands else { return std::future::pending().await };
        let Ok(place) = commands.reserve().await else { return std::future::pending().await };
        let ChunkRead::Done(read) = std::mem::take(&mut self.read) else { return Ok(()) };
        self.wanted.pop_front();
        let (body, result) = match read {
            Ok(body) => (body, Ok(())),
            Err(error) => {
                self.sources.remove(&id);
                (Body::default(), Err((id, error)))
            }
        };
        place.send(Command::Chunk { id, index, body });
        result
    }
}
