//! The client's brain: one user's side of the conversation, over as many links as it takes.

use std::collections::VecDeque;

use crate::durable::Disposition;
use crate::wire::{CloseCode, FromClient, FromServer, Session};

use super::chunks::Chunks;
use super::deliver::shortened;
use super::inbox::Inbox;
use super::io::{Command, Ending, Event, Intent, PeerInput, PeerOutput, VOLATILE};
use super::outbox::{Allowed, Outbox};
use super::pauses::Pauses;
use super::requests::Request;
use super::tracking::Following;
use crate::logic::limits::{
    DIAL_SILENT_MS, DRAFT_BYTES_MAX, DRAFTS_MAX, REQUESTS_MAX, SKEW_MS_MAX, Time,
};
use crate::logic::prefetch::Prefetch;

enum Stage {
    /// No link; the next attempt is due then.
    Resting { until_ms: u64 },
    /// An attempt is under way; if it still is then, the user is told.
    Dialing { told_at_ms: u64 },
    /// A link, on which the server has not spoken yet.
    Linked,
    /// The server has spoken: what it allows.
    Greeted(Allowed),
    /// Given up or rejected.
    Over,
}

/// The client's state machine.
pub struct Peer {
    intent: Intent,
    stage: Stage,
    welcomed: bool,
    pub(super) outbox: Outbox,
    pub(super) requests: VecDeque<Request>,
    /// So many of them, the first, have been made on this link.
    pub(super) requests_out: usize,
    pub(super) parts: Chunks,
    pub(super) shown: Inbox,
    pub(super) following: Following,
    /// Volatile messages of this link that the user has not dealt with.
    pub(super) passed: u32,
    pauses: Pauses,
    /// Something that waits for this reader may be on its way: it has never caught up.
    expects: bool,
    /// `Offline` has been said.
    offline: bool,
    /// `Blocked` has been said.
    blocked: bool,
    /// Why the server ended the last link, if it did.
    turned_away: Option<CloseCode>,
    /// When something that is awaited was asked for, or the last answer came.
    waiting_since_ms: u64,
    /// What the server knows its links by: one that it still holds for alive is not to say anything
    /// behind what the next one says.
    session: Session,
}

impl Peer {
    /// A client that has not dialed yet; it will at its first input. `seed` varies its pauses, and
    /// is what the server tells clients with one key apart by.
    pub fn new(now: Time, intent: Intent, seed: u64) -> Self {
        Self {
            shown: Inbox::new(intent.prefetch.as_ref()),
            expects: intent.prefetch.is_some(),
            intent,
            stage: Stage::Resting { until_ms: now.mono_ms },
            welcomed: false,
            outbox: Outbox::default(),
            requests: VecDeque::new(),
            requests_out: 0,
            parts: Chunks::default(),
            following: Following::default(),
            passed: 0,
            pauses: Pauses::new(seed),
            offline: false,
            blocked: false,
            turned_away: None,
            waiting_since_ms: now.mono_ms,
            session: Session { client: seed, link: 0 },
        }
    }

    /// Takes what happened; says what to do.
    pub fn handle(&mut self, now: Time, input: PeerInput, out: &mut Vec<PeerOutput>) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        match input {
            PeerInput::Linked => self.stage = Stage::Linked,
            PeerInput::Frame(frame) => self.frame(now, frame, out),
            PeerInput::Ended(ending) => self.ended(now, ending, out),
            PeerInput::User(command) => self.command(now, command, out),
            PeerInput::Tick => {}
        }
        self.tick(now, out);
    }

    fn command(&mut self, now: Time, command: Command, out: &mut Vec<PeerOutput>) {
        match command {
            Command::Send(drafts) => {
                self.awaits(now);
                drafts.into_iter().for_each(|draft| self.outbox.push(draft));
                self.send(out);
            }
            Command::Ack(seqs) => {
                self.awaits(now);
                self.take(&seqs, out);
                let stored = seqs.into_iter().filter(|seq| *seq != VOLATILE);
                let report = self.shown.processed(stored);
                self.report(&report, out);
                self.recorded(out);
            }
            Command::Release(seqs) => {
                self.awaits(now);
                self.shown.skipped(seqs);
                self.report_known(out);
            }
            Command::Return(seqs) => {
                let seqs = self.shown.give_back(seqs, self.parts.receiving());
                out.push(PeerOutput::Event(Event::Returned(seqs)));
            }
            Command::JoinRoom(room) => self.request(now, Request::JoinRoom(room), out),
            Command::LeaveRoom(room) => self.request(now, Request::LeaveRoom(room), out),
            Command::Chunk { id, index, body } => {
                // What the server has to answer has grown.
                self.waiting_since_ms = now.mono_ms;
                self.part_given((id, index), body, out);
            }
            Command::ChunksConsumed(parts) => self.parts_taken(parts, out),
            Command::Reply { seq, reply } => {
                self.judge(now, seq, Disposition::Replied(reply), out);
            }
            Command::Reject { seq, attempts, reason } => {
                let reason = shortened(reason);
                self.judge(now, seq, Disposition::Rejected { attempts, reason }, out);
            }
            Command::Track { id, to } => self.watch(now, id, to, out),
            Command::Untrack(id) => self.unwatch(now, id, out),
            Command::ListParked(drawer) => {
                self.request(now, Request::ListParked { drawer, after: 0 }, out)
            }
            Command::TakeParked { drawer, id, back } => {
                self.request(now, Request::TakeParked { drawer, id, back }, out);
            }
        }
    }

    /// When the next `Tick` is due, in the monotonic clock.
    pub fn deadline(&self) -> Option<u64> {
        let dial = match self.stage {
            Stage::Resting { until_ms } => Some(until_ms),
            Stage::Dialing { told_at_ms } => Some(told_at_ms).filter(|_| !self.offline),
            Stage::Linked | Stage::Greeted(_) => None,
            Stage::Over => return None,
        };
        dial.into_iter().chain(self.gives_up_at_ms()).min()
    }

    /// Whether it takes more messages to send. Those it has are bounded by this.
    pub fn has_room(&self) -> bool {
        let (messages, bytes) = self.outbox.size();
        messages < DRAFTS_MAX && bytes < DRAFT_BYTES_MAX && self.requests.len() < REQUESTS_MAX
    }

    /// Whether it waits for a part that it asked its user for, and takes it in spite of having no
    /// room for more messages.
    pub fn wants_part(&self) -> bool {
        self.parts.is_asking()
    }

    /// Whether an answer from the server is awaited.
    pub fn is_waiting(&self) -> bool {
        self.is_owed() || self.following.is_waiting(self.watches_max().unwrap_or(usize::MAX))
    }

    /// Whether something that was asked for has no answer. Who watches messages waits for what
    /// others do, and looks at a clock for it.
    fn is_owed(&self) -> bool {
        !self.welcomed
            || !self.outbox.is_empty()
            || !self.requests.is_empty()
            || self.shown.pending() > 0
    }

    /// Whether patience is counted: an answer is owed, or a reader that has nothing to do has not
    /// been given all that waits for it.
    fn is_patient(&self) -> bool {
        let is_idle = self.passed == 0 && !self.shown.is_open();
        self.is_owed() || self.expects && is_idle
    }

    /// What the server allows, once it has spoken on this link.
    pub(super) fn allowed(&self) -> Option<Allowed> {
        match self.stage {
            Stage::Greeted(allowed) => Some(allowed),
            Stage::Resting { .. } | Stage::Dialing { .. } | Stage::Linked | Stage::Over => None,
        }
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.allowed().is_some()
    }

    /// How many messages may be watched on this link, once the server has spoken.
    pub(super) fn watches_max(&self) -> Option<usize> {
        self.allowed().map(|allowed| allowed.sends_max as usize)
    }

    fn gives_up_at_ms(&self) -> Option<u64> {
        let patience_ms = self.intent.patience_ms.filter(|_| self.is_patient())?;
        Some(self.waiting_since_ms.saturating_add(patience_ms))
    }

    /// Patience is counted from now, unless something is awaited since before.
    pub(super) fn awaits(&mut self, now: Time) {
        if !self.is_patient() {
            self.waiting_since_ms = now.mono_ms;
        }
    }

    fn tick(&mut self, now: Time, out: &mut Vec<PeerOutput>) {
        if self.gives_up_at_ms().is_some_and(|at_ms| at_ms <= now.mono_ms) {
            self.stage = Stage::Over;
            out.push(PeerOutput::Event(Event::GaveUp(self.turned_away)));
        }
        if let Stage::Dialing { told_at_ms } = self.stage
            && told_at_ms <= now.mono_ms
            && !std::mem::replace(&mut self.offline, true)
        {
            out.push(PeerOutput::Event(Event::Offline));
        }
        if let Stage::Resting { until_ms } = self.stage
            && until_ms <= now.mono_ms
        {
            self.stage = Stage::Dialing { told_at_ms: now.mono_ms + DIAL_SILENT_MS };
            self.pauses.tries();
            out.push(PeerOutput::Dial);
        }
    }

    fn ended(&mut self, now: Time, ending: Ending, out: &mut Vec<PeerOutput>) {
        for id in self.outbox.rewind() {
            out.push(PeerOutput::Event(Event::Uncertain { id }));
        }
        self.rewind_parts(out);
        self.shown.rewind();
        self.following.rewind();
        self.passed = 0;
        self.requests_out = 0;
        if let Ending::Closed(code) = ending
            && !code.is_some_and(CloseCode::is_transient)
        {
            self.stage = Stage::Over;
            return out.push(PeerOutput::Event(Event::Denied(code)));
        }
        self.turned_away = match ending {
            Ending::Closed(code) => code,
            Ending::Silence | Ending::Blocked(_) => None,
        };
        if let Ending::Blocked(why) = ending
            && !std::mem::replace(&mut self.blocked, true)
        {
            out.push(PeerOutput::Event(Event::Blocked(why)));
        }
        if !std::mem::replace(&mut self.offline, true) {
            out.push(PeerOutput::Event(Event::Offline));
        }
        let until_ms = now.mono_ms + self.pauses.next_ms();
        self.stage = Stage::Resting { until_ms };
    }

    /// Patience and pauses begin anew with an answer: a frame that tells the user something, other
    /// than a greeting or a welcome, or that takes more of a body than was ever taken before. A
    /// server can welcome everybody and then die.
    fn frame(&mut self, now: Time, frame: FromServer, out: &mut Vec<PeerOutput>) {
        let before = out.len();
        let is_answer = match &frame {
            FromServer::Hello { .. } | FromServer::Welcome { .. } | FromServer::Ping { .. } => {
                false
            }
            FromServer::ChunkCredit { parts } => self.parts.goes_on(*parts),
            _ => true,
        };
        let is_more = matches!(frame, FromServer::ChunkCredit { .. });
        self.heard(now, frame, out);
        let tells = |output: &PeerOutput| matches!(output, PeerOutput::Event(_));
        if is_answer && (is_more || out[before..].iter().any(tells)) {
            self.waiting_since_ms = now.mono_ms;
            self.pauses.reset();
            self.offline = false;
        }
    }

    fn heard(&mut self, now: Time, frame: FromServer, out: &mut Vec<PeerOutput>) {
        let event = match frame {
            FromServer::Hello { time_ms, body_len_max, sends_max, send_bytes_max, .. } => {
                let ahead_ms = (time_ms as i64).saturating_sub(now.unix_ms as i64);
                if ahead_ms.unsigned_abs() > SKEW_MS_MAX {
                    out.push(PeerOutput::Event(Event::ClockSkew { ahead_ms }));
                }
                let allowed = Allowed { body_len_max, sends_max, send_bytes_max };
                self.stage = Stage::Greeted(allowed);
                return self.introduce(out);
            }
            FromServer::Welcome { claimed, .. } => {
                self.welcomed = true;
                self.pauses.welcomed();
                self.blocked = false;
                Event::Welcome { claimed }
            }
            FromServer::Accepted { id, count, duplicate } => {
                let accepted = |count| Event::Accepted { id, count, duplicate };
                return self.sent((id, count), accepted, out);
            }
            FromServer::Refused { id, count, why } => {
                return self.sent((id, count), |count| Event::Refused { id, count, why }, out);
            }
            FromServer::VolatileSent { id, count, readers } => {
                return self.sent(
                    (id, count),
                    |count| Event::VolatileSent { id, count, readers },
                    out,
                );
            }
            FromServer::Deliver { seq, bundle } => return self.deliver(seq, bundle, out),
            FromServer::Volatile(bundle) => return self.pass(bundle, out),
            FromServer::Gap { seq, to, count } => {
                return self.lost(seq, to, count, out);
            }
            FromServer::AckRecorded { count } => {
                self.shown.settled(count);
                Event::AckRecorded { pending: self.shown.pending() }
            }
            FromServer::CaughtUp => {
                self.expects = false;
                self.shown.caught_up();
                self.recorded(out);
                Event::CaughtUp
            }
            FromServer::Chunk(body) => return self.part_came(body, out),
            FromServer::AbortBody => return self.cut(out),
            FromServer::ChunkCredit { parts } => return self.parts_allowed(parts, out),
            FromServer::Ping { number } => {
                return out.push(PeerOutput::Frame(FromClient::Pong { number }));
            }
            FromServer::TrackPage { id, standings, more } => {
                return self.watched(id, standings, more, out);
            }
            FromServer::UnknownMessage { id } => return self.not_there(id, out),
            FromServer::TrackUpdate { id, standing } => return self.stood(id, standing, out),
            FromServer::RoomJoined { .. }
            | FromServer::RoomLeft { .. }
            | FromServer::RoomRefused { .. }
            | FromServer::Parked(_)
            | FromServer::ParkedEnd { .. }
            | FromServer::ParkedTaken { .. }
            | FromServer::NoSuchRoom { .. } => return self.requested(frame, out),
        };
        out.push(PeerOutput::Event(event));
    }

    /// Says who this is, and goes on where the last link left off, without waiting for the welcome.
    fn introduce(&mut self, out: &mut Vec<PeerOutput>) {
        let Intent { id, claim, code, prefetch, .. } = self.intent.clone();
        self.session.link += 1;
        let session = Some(self.session);
        out.push(PeerOutput::Frame(FromClient::Hello { id, claim, code, session }));
        if let Some(Prefetch { messages, bytes, start, share }) = prefetch {
            let start = self.shown.start(start);
            let holds = if share { self.shown.held() } else { Vec::new() };
            if !holds.is_empty() {
                out.push(PeerOutput::Frame(FromClient::Resume(holds)));
            }
            out.push(PeerOutput::Frame(FromClient::Subscribe { messages, bytes, start, share }));
        }
        self.requests_out = 0;
        self.ask(out);
        self.send(out);
        self.follow(out);
    }
}
