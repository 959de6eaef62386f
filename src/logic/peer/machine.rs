//! [`Peer`]: hands each input to the machine that it concerns, and at the end of the turn sends
//! what the server allows.

use crate::durable::Disposition;
use crate::wire::{Bundle, FromClient, FromServer, MsgId, Refusal, Seq};

use super::chunks::{ChunkReceiver, ChunkSender};
use super::inbox::{DeliveryInbox, shortened};
use super::io::{Command, Ending, Event, Intent, PeerInput, PeerOutput, VOLATILE};
use super::link_state::LinkState;
use super::outbox::{DraftTooLong, Outbox, SendLimits};
use super::requests::{ClientRequest, RequestQueue};
use super::tracking::TrackedMessages;
use crate::logic::limits::{DRAFT_BYTES_MAX, DRAFTS_MAX, REQUESTS_MAX, Time};

/// The client's state machine: one user's side of the conversation, over any number of links.
pub struct Peer {
    link: LinkState,
    outbox: Outbox,
    chunks_out: ChunkSender,
    inbox: DeliveryInbox,
    chunks_in: ChunkReceiver,
    requests: RequestQueue,
    tracked: TrackedMessages,
}

impl Peer {
    /// A client that has not dialed yet; it dials at its first input. `seed` varies its pauses, and
    /// distinguishes it from other clients of its key.
    pub fn new(now: Time, intent: Intent, seed: u64) -> Self {
        Self {
            inbox: DeliveryInbox::new(intent.prefetch),
            link: LinkState::new(now, intent, seed),
            outbox: Outbox::default(),
            chunks_out: ChunkSender::default(),
            chunks_in: ChunkReceiver::default(),
            requests: RequestQueue::default(),
            tracked: TrackedMessages::default(),
        }
    }

    /// Takes an input and appends the outputs that the caller must carry out to `out`.
    pub fn handle(&mut self, now: Time, input: PeerInput, out: &mut Vec<PeerOutput>) {
        if self.link.is_over() {
            return;
        }
        match input {
            PeerInput::Linked => self.link.connected(),
            PeerInput::Frame(frame) => self.receive(now, frame, out),
            PeerInput::Ended(ending) => self.link_ended(now, ending, out),
            PeerInput::User(command) => self.command(now, command, out),
            PeerInput::Tick => {}
        }
        self.send_due(out);
        self.link.tick(now, self.is_patient(), out);
    }

    /// The monotonic time by which the next `Tick` is due.
    pub fn deadline(&self) -> Option<u64> {
        self.link.deadline(self.is_patient())
    }

    /// True while the peer takes more drafts and requests. Bounds how many it holds.
    pub fn has_room(&self) -> bool {
        let (messages, bytes) = self.outbox.size();
        messages < DRAFTS_MAX && bytes < DRAFT_BYTES_MAX && self.requests.len() < REQUESTS_MAX
    }

    /// True while the user has to give a chunk, which the peer takes even if it has no room for
    /// more.
    pub fn wants_chunk(&self) -> bool {
        self.chunks_out.wants_chunk()
    }

    /// True while an answer from the server is awaited.
    pub fn is_waiting(&self) -> bool {
        let active_max = self.link.limits().map_or(usize::MAX, |limits| limits.sends_max as usize);
        self.is_owed() || self.tracked.is_waiting(active_max)
    }

    /// True while a request has no answer. Tracking does not count: it waits for other users, and
    /// the sender sets a time limit of its own.
    fn is_owed(&self) -> bool {
        !self.link.was_welcomed()
            || !self.outbox.is_empty()
            || !self.requests.is_empty()
            || self.inbox.pending() > 0
    }

    /// True while patience is counted: a request has no answer, or a reader with nothing to ack has
    /// not received its whole backlog.
    fn is_patient(&self) -> bool {
        self.is_owed() || self.inbox.awaits_backlog()
    }

    fn command(&mut self, now: Time, command: Command, out: &mut Vec<PeerOutput>) {
        // Patience is counted from now, unless an answer was already awaited.
        if !self.is_patient() {
            self.link.restart_patience(now);
        }
        if !self.link.needs(command.features(), out) {
            return;
        }
        match command {
            Command::Send(drafts) => {
                drafts.into_iter().for_each(|draft| self.outbox.push(draft));
            }
            Command::Chunk { id, index, body } => {
                // The server has more to answer now.
                self.link.restart_patience(now);
                if let Some(id) = self.chunks_out.provide(id, index, body, out) {
                    self.outbox.remove_answered(id, 1);
                }
            }
            Command::Ack(seqs) => self.inbox.ack(seqs, out),
            Command::Reply { seq, reply } => {
                self.inbox.ack_with(seq, Disposition::Replied(reply), out);
            }
            Command::Reject { seq, attempts, reason } => {
                let reason = shortened(reason);
                self.inbox.ack_with(seq, Disposition::Rejected { attempts, reason }, out);
            }
            Command::Release(seqs) => self.inbox.release(seqs, out),
            Command::Return(seqs) => self.inbox.take_back(seqs, self.chunks_in.current(), out),
            Command::ChunksConsumed(chunks) => self.chunks_in.consume(chunks, out),
            Command::JoinRoom(room) => self.requests.push(ClientRequest::JoinRoom(room)),
            Command::LeaveRoom(room) => self.requests.push(ClientRequest::LeaveRoom(room)),
            Command::Track { id, to } => self.tracked.track(id, to),
            Command::Untrack(id) => self.tracked.untrack(id, out),
            Command::ListParked(drawer) => {
                self.requests.push(ClientRequest::ListParked { drawer, after: 0 });
            }
            Command::TakeParked { drawer, id, back } => {
                self.requests.push(ClientRequest::TakeParked { drawer, id, back });
            }
        }
    }

    /// Handles a frame and decides whether it is an answer, after which patience and backoff start
    /// again. An answer tells the user something. A hello or a welcome is none: a server can
    /// welcome everybody and then die.
    fn receive(&mut self, now: Time, frame: FromServer, out: &mut Vec<PeerOutput>) {
        let is_none = matches!(
            frame,
            FromServer::Hello { .. }
                | FromServer::Welcome { .. }
                | FromServer::Ping { .. }
                | FromServer::ChunkCredit { .. }
        );
        let before = out.len();
        self.frame(now, frame, out);
        let is_event = |output: &PeerOutput| matches!(output, PeerOutput::Event(_));
        if !is_none && out[before..].iter().any(is_event) {
            self.link.answered(now);
        }
    }

    fn frame(&mut self, now: Time, frame: FromServer, out: &mut Vec<PeerOutput>) {
        match frame {
            FromServer::Hello {
                time_ms,
                body_len_max,
                sends_max,
                send_bytes_max,
                features,
                ..
            } => {
                let limits = SendLimits { body_len_max, sends_max, send_bytes_max, features };
                self.link.greeted(now, time_ms, limits, out);
                if !self.link.is_over() {
                    self.inbox.subscribe(out);
                }
            }
            FromServer::Welcome { claimed, .. } => self.link.welcomed(claimed, out),
            FromServer::Ping { number } => out.push(PeerOutput::Frame(FromClient::Pong { number })),
            FromServer::Accepted { id, count, duplicate } => {
                self.answered(id, count, |count| Event::Accepted { id, count, duplicate }, out);
            }
            FromServer::Refused { id, count, why } => {
                self.answered(id, count, |count| Event::Refused { id, count, why }, out);
            }
            FromServer::VolatileSent { id, count, readers } => {
                self.answered(id, count, |count| Event::VolatileSent { id, count, readers }, out);
            }
            // Counts as an answer only if the server takes more of a body than ever before.
            FromServer::ChunkCredit { parts } => {
                if self.chunks_out.add_credit(parts) {
                    self.link.answered(now);
                }
            }
            FromServer::Deliver { seq, bundle } => self.deliver(seq, bundle, out),
            FromServer::Volatile(bundle) => self.deliver_volatile(bundle, out),
            FromServer::Chunk(body) => {
                if let Some(seq) = self.chunks_in.receive(body, out) {
                    self.inbox.complete_body(seq, out);
                }
            }
            FromServer::AbortBody => {
                if let Some(seq) = self.chunks_in.abort(out) {
                    self.inbox.abort_body(seq);
                }
            }
            FromServer::Gap { seq, to, count } => self.inbox.gap(seq, to, count, out),
            FromServer::AckRecorded { count } => self.inbox.ack_recorded(count, out),
            FromServer::CaughtUp => self.inbox.caught_up(out),
            FromServer::TrackPage { id, statuses, more } => {
                self.tracked.page(id, statuses, more, out);
            }
            FromServer::TrackUpdate { id, status } => self.tracked.update(id, status, out),
            FromServer::UnknownMessage { id } => self.tracked.unknown(id, out),
            FromServer::RoomJoined { room, changed } => {
                self.requests.room_joined(room, changed, out);
            }
            FromServer::RoomLeft { room, changed } => self.requests.room_left(room, changed, out),
            FromServer::NoSuchRoom { room } => self.requests.no_such_room(room, out),
            FromServer::RoomRefused { room } => self.requests.room_refused(room, out),
            FromServer::Parked(kept) => self.requests.parked(kept, out),
            FromServer::ParkedEnd { kind, next } => self.requests.parked_end(kind, next, out),
            FromServer::ParkedTaken { kind, id, count } => {
                self.requests.parked_taken(kind, id, count, out);
            }
        }
    }

    /// Tells the user of the answer to a send and up to `count - 1` following ones that had no
    /// answer yet.
    fn answered(
        &mut self,
        id: MsgId,
        count: u32,
        event: impl FnOnce(u32) -> Event,
        out: &mut Vec<PeerOutput>,
    ) {
        let count = self.outbox.remove_answered(id, count);
        if count > 0 {
            self.chunks_out.abort(id, out);
            out.push(PeerOutput::Event(event(count)));
        }
    }

    fn deliver(&mut self, seq: Seq, bundle: Bundle, out: &mut Vec<PeerOutput>) {
        // No server uses seqs this high.
        if seq.checked_add(bundle.count()).is_none() {
            return;
        }
        if !bundle.first.is_long() {
            return self.inbox.deliver(seq, &bundle, out);
        }
        let is_new = self.inbox.begin_body(seq);
        self.chunks_in.begin(seq, &bundle.first, is_new);
        if is_new {
            out.push(PeerOutput::Event(Event::Messages { seq, bundle: bundle.first.into() }));
        }
    }

    fn deliver_volatile(&mut self, bundle: Bundle, out: &mut Vec<PeerOutput>) {
        self.inbox.deliver_volatile(bundle.count());
        self.chunks_in.begin(VOLATILE, &bundle.first, true);
        out.push(PeerOutput::Event(Event::Messages { seq: VOLATILE, bundle }));
    }

    fn link_ended(&mut self, now: Time, ending: Ending, out: &mut Vec<PeerOutput>) {
        for id in self.outbox.link_lost() {
            out.push(PeerOutput::Event(Event::Uncertain { id }));
        }
        self.chunks_out.link_lost();
        if let Some(seq) = self.chunks_in.link_lost(out) {
            self.inbox.abort_body(seq);
        }
        self.inbox.link_lost();
        self.requests.link_lost();
        self.tracked.link_lost();
        self.link.ended(now, ending, out);
    }

    /// Sends the requests, drafts and chunks that the server allows now.
    fn send_due(&mut self, out: &mut Vec<PeerOutput>) {
        let Some(limits) = self.link.limits() else { return };
        self.requests.send_due(out);
        while self.chunks_out.send_due(out)
            && let Some(next) = self.outbox.next_frame(&limits)
        {
            out.push(match next {
                Ok((draft, frame)) => {
                    self.chunks_out.begin(&draft);
                    PeerOutput::Frame(frame)
                }
                Err(DraftTooLong { id, max }) => {
                    let why = Refusal::BodyTooLong { max };
                    PeerOutput::Event(Event::Refused { id, count: 1, why })
                }
            });
        }
        self.tracked.send_due(limits.sends_max as usize, out);
    }
}
