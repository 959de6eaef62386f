//! Volatile messages: go from their sender to the users who read now, are not stored, and are never
//! sent again. A long body goes chunk by chunk, without the disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::durable::Read;
use crate::wire::{Body, Bundle, FromServer, Target};

use crate::logic::hub::download::VolatileId;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::todo::Todo;
use crate::logic::hub::turn::Turn;

/// Volatile messages between their senders and their readers.
#[derive(Default)]
pub(crate) struct VolatileMessages {
    /// Messages that wait until their readers have room. For a room only long messages wait, and
    /// messages after a long one. Bounded by the sends that a link may leave unanswered.
    queues: BTreeMap<Target, VecDeque<Queued>>,
    bodies: BTreeMap<VolatileId, VolatileBody>,
}

/// Volatile messages that wait for room.
struct Queued {
    sender: LinkId,
    bundle: Arc<Bundle>,
    body: Option<VolatileId>,
}

/// A long volatile body on its way.
struct VolatileBody {
    sender: LinkId,
    bundle: Arc<Bundle>,
    /// Links that get the body. `None` while no reader has room for it.
    readers: Option<Vec<LinkId>>,
    /// Chunks that were not sent on yet. At most as many as the sender has credit for.
    chunks: VecDeque<Body>,
    /// True once all chunks have come.
    is_whole: bool,
}

/// Readers that take volatile messages.
pub(crate) enum Takers {
    /// Readers of these links, which take the first `count` messages.
    Links { links: Vec<LinkId>, count: u64 },
    /// No reader: all are without room.
    Full,
    /// No reader: nobody reads, except perhaps the sender.
    Nobody,
}

impl VolatileMessages {
    /// True while messages for this target wait for room. Newer ones must then wait too.
    pub(crate) fn is_queued(&self, to: &Target) -> bool {
        self.queues.contains_key(to)
    }

    /// The logs among these for which messages wait.
    pub(crate) fn queued<'a>(&self, mut logs: impl Iterator<Item = &'a Target>) -> Vec<Target> {
        // Common case: no message waits.
        if self.queues.is_empty() {
            return Vec::new();
        }
        logs.by_ref().filter(|log| self.queues.contains_key(log)).cloned().collect()
    }

    /// Takes messages from their sender. Returns whether the hub wants the chunks of their long
    /// body.
    pub(crate) fn send(
        &mut self,
        turn: &mut Turn,
        (sender, bundle): (LinkId, Arc<Bundle>),
        body: Option<VolatileId>,
        takers: Takers,
    ) -> bool {
        let to = &bundle.first.to;
        let waits = matches!(to, Target::User(_)) || body.is_some() || self.is_queued(to);
        match takers {
            Takers::Links { links, count } => {
                self.add_body(sender, &bundle, body);
                let messages = Queued { sender, bundle, body };
                if let Some(rest) = self.deliver(turn, messages, (links, count)) {
                    self.queue(rest);
                }
                true
            }
            // The messages wait until the readers of a single user have room, which slows down a
            // fast sender. A long message to a room waits while all its readers receive another
            // one.
            Takers::Full if waits => {
                self.add_body(sender, &bundle, body);
                self.queue(Queued { sender, bundle, body });
                true
            }
            // In a room the messages do not wait for slow members.
            Takers::Full => {
                answer(turn, sender, bundle, 0);
                false
            }
            Takers::Nobody => {
                let read = Read::Target { to: to.clone() };
                turn.read(|pending| &mut pending.targets, (sender, bundle), read);
                false
            }
        }
    }

    /// Returns the first messages that wait for the readers of a log. Drops expired ones.
    pub(crate) fn first_queued(
        &mut self,
        turn: &mut Turn,
        to: &Target,
    ) -> Option<(Arc<Bundle>, Option<VolatileId>)> {
        while let Some(queued) = self.queues.get(to)?.front() {
            if !turn.is_expired(&queued.bundle) {
                return Some((queued.bundle.clone(), queued.body));
            }
            let messages = self.take_first(to)?;
            self.deliver_to_nobody(turn, messages);
        }
        None
    }

    /// Delivers the first waiting messages to readers that have room. Returns `false` if none has:
    /// the messages go on waiting.
    pub(crate) fn deliver_first(&mut self, turn: &mut Turn, to: &Target, takers: Takers) -> bool {
        let takers = match takers {
            Takers::Links { links, count } => Some((links, count)),
            Takers::Nobody => None,
            Takers::Full => return false,
        };
        let Some(messages) = self.take_first(to) else { return false };
        match takers {
            Some(takers) => {
                if let Some(rest) = self.deliver(turn, messages, takers) {
                    self.queues.entry(to.clone()).or_default().push_front(rest);
                }
            }
            None => self.deliver_to_nobody(turn, messages),
        }
        true
    }

    /// Takes a chunk from the sender.
    pub(crate) fn receive_chunk(
        &mut self,
        turn: &mut Turn,
        id: VolatileId,
        (chunk, is_last): (Body, bool),
    ) {
        if let Some(body) = self.bodies.get_mut(&id) {
            body.chunks.push_back(chunk);
            body.is_whole = is_last;
            self.send_chunks(turn, id);
        }
    }

    /// Sends the chunks on, as far as the readers give credit; this slows down a fast sender. In a
    /// room, a reader that is half a window of chunks behind another one gets no more of the body.
    pub(crate) fn send_chunks(&mut self, turn: &mut Turn, id: VolatileId) {
        while let Some(body) = self.bodies.get_mut(&id) {
            let Some(readers) = &mut body.readers else { return };
            if readers.is_empty() || body.is_whole && body.chunks.is_empty() {
                return self.end(turn, id);
            }
            if body.chunks.is_empty() {
                return;
            }
            let budget = turn.budget_mut();
            let (ready, full): (Vec<LinkId>, Vec<LinkId>) =
                readers.iter().partition(|link| budget.is_open(**link));
            if !full.is_empty() {
                let is_one_user = matches!(body.bundle.first.to, Target::User(_));
                if is_one_user || !ready.iter().any(|link| budget.is_far_ahead(*link)) {
                    return;
                }
                *readers = ready;
                for link in full {
                    turn.note(Todo::EndVolatileBody { link, is_whole: false });
                }
                continue;
            }
            let Some(chunk) = body.chunks.pop_front() else { return };
            ready.iter().for_each(|link| budget.send_chunk(*link));
            turn.send_chunk(ready, chunk);
            turn.credit_chunks(body.sender, 1);
        }
    }

    /// Removes a reader whose link is gone from a body; the others get the rest.
    pub(crate) fn forget_reader(&mut self, turn: &mut Turn, id: VolatileId, link: LinkId) {
        let readers = self.bodies.get_mut(&id).and_then(|body| body.readers.as_mut());
        if let Some(readers) = readers {
            readers.retain(|reader| *reader != link);
            self.send_chunks(turn, id);
        }
    }

    /// Drops a body whose sender has aborted it. Returns its message.
    pub(crate) fn abort(&mut self, turn: &mut Turn, id: VolatileId) -> Option<Arc<Bundle>> {
        let body = self.bodies.remove(&id)?;
        turn.credit_chunks(body.sender, body.chunks.len() as u32);
        match body.readers {
            Some(readers) => {
                for link in readers {
                    turn.note(Todo::EndVolatileBody { link, is_whole: false });
                }
            }
            None => {
                let to = &body.bundle.first.to;
                if let Some(queue) = self.queues.get_mut(to) {
                    queue.retain(|queued| queued.body != Some(id));
                    if queue.is_empty() {
                        self.queues.remove(to);
                    }
                }
            }
        }
        Some(body.bundle)
    }

    fn add_body(&mut self, sender: LinkId, bundle: &Arc<Bundle>, id: Option<VolatileId>) {
        if let Some(id) = id {
            let (bundle, chunks) = (bundle.clone(), VecDeque::new());
            let body = VolatileBody { sender, bundle, readers: None, chunks, is_whole: false };
            self.bodies.insert(id, body);
        }
    }

    fn queue(&mut self, messages: Queued) {
        let to = messages.bundle.first.to.clone();
        self.queues.entry(to).or_default().push_back(messages);
    }

    fn take_first(&mut self, to: &Target) -> Option<Queued> {
        let queue = self.queues.get_mut(to)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(to);
        }
        first
    }

    /// Delivers the first `count` of these messages. Returns the others.
    fn deliver(
        &mut self,
        turn: &mut Turn,
        messages: Queued,
        (links, count): (Vec<LinkId>, u64),
    ) -> Option<Queued> {
        let Queued { sender, bundle, body } = messages;
        if let Some(id) = body {
            if let Some(body) = self.bodies.get_mut(&id) {
                body.readers = Some(links.clone());
                turn.deliver_volatile(links, bundle);
                self.send_chunks(turn, id);
            }
            return None;
        }
        let rest = bundle.count() - count;
        let rest = (rest > 0).then(|| Arc::new(bundle.slice(count, rest)));
        let bundle = if rest.is_none() { bundle } else { Arc::new(bundle.slice(0, count)) };
        let readers = links.len();
        // Readers are served before the sender is answered.
        turn.deliver_volatile(links, bundle.clone());
        answer(turn, sender, bundle, readers);
        rest.map(|bundle| Queued { sender, bundle, body: None })
    }

    fn deliver_to_nobody(&mut self, turn: &mut Turn, messages: Queued) {
        match messages.body {
            Some(body) => self.end(turn, body),
            None => answer(turn, messages.sender, messages.bundle, 0),
        }
    }

    /// Answers the sender of a body: all chunks were sent on, or no reader is left.
    fn end(&mut self, turn: &mut Turn, id: VolatileId) {
        let Some(body) = self.bodies.remove(&id) else { return };
        let readers = body.readers.unwrap_or_default();
        turn.note(Todo::DropVolatileChunks { link: body.sender, body: id });
        turn.credit_chunks(body.sender, body.chunks.len() as u32);
        answer(turn, body.sender, body.bundle, readers.len());
        for link in readers {
            turn.note(Todo::EndVolatileBody { link, is_whole: true });
        }
    }
}

fn answer(turn: &mut Turn, link: LinkId, bundle: Arc<Bundle>, readers: usize) {
    let (id, count) = (bundle.first.id, bundle.count() as u32);
    let frame = FromServer::VolatileSent { id, count, readers: readers as u32 };
    turn.note(Todo::Answer { link, bundle, frame });
}
