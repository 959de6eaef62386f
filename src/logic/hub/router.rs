//! The server's brain: who is linked, what they may do, where messages go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::durable::{Disposition, Read, RequestId, Upload, Write};
use crate::wire::{
    Bundle, CloseCode, Frame, FromClient, FromServer, Message, MsgId, Pin, Refusal, Target, UserId,
};

use super::budget::DeliveryBudget;
use super::gathering::ResumeGrace;
use super::held::can_wait;
use super::io::{Input, LinkId, Output};
use super::lapsing::Expirations;
use super::link::{Link, Stage};
use super::mailbox::Mailbox;
use super::parked::Taking;
use super::pending::{PendingAppend, PendingRequests, PendingRoom, PendingTable};
use super::reading::Log;
use super::relaying::{VolatileBody, VolatileId};
use super::scheduling::Schedule;
use super::succeeding::Sessions;
use super::wall_clock::TrustedClock;
use super::watching::{Asked, Tracking};
use crate::logic::limits::{Limits, Time, held_frames_max};
use crate::logic::prefetch::Prefetch;

/// The server's state machine.
pub struct Hub {
    pub(super) limits: Limits,
    /// The moment of what is being handled.
    pub(super) now: Time,
    pub(super) links: BTreeMap<LinkId, Link>,
    pub(super) mailboxes: BTreeMap<UserId, Mailbox>,
    pub(super) logs: BTreeMap<Target, Log>,
    pub(super) pending: PendingRequests,
    /// Long bodies being stored, nothing having been said of them to their senders.
    pub(super) uploads: BTreeMap<Upload, (LinkId, Arc<Bundle>)>,
    /// Long volatile bodies on their way from sender to readers.
    pub(super) relays: BTreeMap<VolatileId, VolatileBody>,
    /// Links that are to be told that they may send so many parts more.
    pub(super) allowed: BTreeMap<LinkId, u32>,
    pub(super) flight: DeliveryBudget,
    pub(super) watching: Tracking,
    pub(super) lapses: Expirations,
    /// Links that may be to be asked what has come.
    pub(super) pinging: BTreeSet<LinkId>,
    pub(super) schedule: Schedule,
    pub(super) gathering: ResumeGrace,
    pub(super) sessions: Sessions,
    next_name: u64,
    /// Links that have not said who they are, by the moment they must have.
    silent: BTreeSet<(u64, LinkId)>,
    /// When to sweep next; `None` while a sweep is under way.
    pub(super) sweep_at_ms: Option<u64>,
    /// What sweeps go by.
    believed: TrustedClock,
}

impl Hub {
    /// A hub to which nobody is linked.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Time::default(),
            links: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            logs: BTreeMap::new(),
            pending: PendingRequests::default(),
            uploads: BTreeMap::new(),
            relays: BTreeMap::new(),
            allowed: BTreeMap::new(),
            flight: DeliveryBudget::new(&limits),
            watching: Tracking::default(),
            lapses: Expirations::default(),
            pinging: BTreeSet::new(),
            schedule: Schedule::new(),
            gathering: ResumeGrace::default(),
            sessions: Sessions::default(),
            next_name: 0,
            silent: BTreeSet::new(),
            sweep_at_ms: Some(0),
            believed: TrustedClock::default(),
        }
    }

    /// Takes what happened; says what to do.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        self.now = now;
        match input {
            Input::Opened { link, key } => self.opened(now, link, key, out),
            Input::Frame { link, frame } => self.frame(now, link, frame, out),
            Input::Closed { link } => self.forget(link, out),
            Input::Durable(answers) => {
                for (ticket, outcome) in answers {
                    self.durable(now, ticket, outcome, out);
                }
            }
            Input::Found(ticket, found) => self.found(now, ticket, found, out),
            Input::Tick => self.tick(now, out),
        }
        self.allow_more(out);
        self.ping(out);
    }

    /// When the next `Tick` is due, in the monotonic clock.
    pub fn deadline(&self) -> Option<u64> {
        let silent = self.silent.first().map(|&(at_ms, _)| at_ms);
        let others = [
            silent,
            self.sweep_at_ms,
            self.schedule.deadline(),
            self.gathering.deadline(),
            self.lapses.deadline(),
        ];
        others.into_iter().flatten().min()
    }

    /// Notes what waits for the answer to a request, which gets the number returned.
    pub(super) fn ask<T>(
        &mut self,
        table: impl FnOnce(&mut PendingRequests) -> &mut PendingTable<T>,
        waiting: T,
    ) -> RequestId {
        let request = self.request();
        table(&mut self.pending).insert(request, waiting);
        request
    }

    /// The number of a request whose answer needs nothing but itself.
    pub(super) fn request(&mut self) -> RequestId {
        RequestId(self.name())
    }

    /// A number that was not given before.
    pub(super) fn name(&mut self) -> u64 {
        self.next_name += 1;
        self.next_name
    }

    /// Ends a link because of what came on it.
    pub(super) fn close(&mut self, link: LinkId, code: CloseCode, out: &mut Vec<Output>) {
        out.push(Output::Close { link, code });
        self.forget(link, out);
    }

    fn forget(&mut self, id: LinkId, out: &mut Vec<Output>) {
        let Some(mut link) = self.links.remove(&id) else { return };
        link.land(&mut self.flight);
        self.sessions.end(id, link.key, link.session);
        self.abandon(link.incoming, out);
        self.unwatch_all(id, link.watches);
        match (&link.stage, &link.reader) {
            (Stage::Silent { until_ms }, _) => drop(self.silent.remove(&(*until_ms, id))),
            (Stage::Known(user), Some(reader)) => self.detach(id, user, reader, out),
            (Stage::Known(_) | Stage::Checking { .. }, _) => {}
        }
        self.bequeath(id, link.heir_of, out);
    }

    fn tick(&mut self, now: Time, out: &mut Vec<Output>) {
        while let Some(&(at_ms, link)) = self.silent.first()
            && at_ms <= now.mono_ms
        {
            self.close(link, CloseCode::TooSlow, out);
        }
        if self.sweep_at_ms.take_if(|at_ms| *at_ms <= now.mono_ms).is_some() {
            let ticket = self.request();
            let now_ms = self.believed.unix_ms(now);
            out.push(Output::Write(ticket, Write::Sweep { now_ms }));
        }
        self.release(now, out);
        self.gathered(now, out);
        self.lapse(now, out);
    }

    fn opened(&mut self, now: Time, id: LinkId, key: Pin, out: &mut Vec<Output>) {
        if self.links.len() >= self.limits.links_max {
            return out.push(Output::Close { link: id, code: CloseCode::Busy });
        }
        let until_ms = now.mono_ms + self.limits.hello_ms_max;
        self.links.insert(id, Link::new(key, until_ms));
        self.silent.insert((until_ms, id));
    }

    fn frame(&mut self, now: Time, id: LinkId, frame: FromClient, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.count(&frame, &self.limits) {
            return self.close(id, CloseCode::OverLimit, out);
        }
        match &mut link.stage {
            Stage::Silent { .. } => self.hello(now, id, frame, out),
            Stage::Checking { held, .. }
                if held.len() < held_frames_max(&self.limits) && can_wait(held, &frame) =>
            {
                held.push(frame);
            }
            Stage::Checking { .. } => self.close(id, CloseCode::OutOfTurn, out),
            Stage::Known(user) => {
                let user = user.clone();
                self.act(now, id, &user, frame, out);
            }
        }
    }

    fn hello(&mut self, now: Time, link: LinkId, frame: FromClient, out: &mut Vec<Output>) {
        let FromClient::Hello { id, claim, code, session } = frame else {
            return self.close(link, CloseCode::OutOfTurn, out);
        };
        if !session.is_none_or(|session| self.succeed(link, session, out)) {
            return self.close(link, CloseCode::TakenOver, out);
        }
        if claim && id.is_reserved() {
            return self.close(link, CloseCode::IdReserved, out);
        }
        let request = self.request();
        let Some(state) = self.links.get_mut(&link) else { return };
        let checking = Stage::Checking { id: id.clone(), held: Vec::new() };
        if let Stage::Silent { until_ms } = std::mem::replace(&mut state.stage, checking) {
            self.silent.remove(&(until_ms, link));
        }
        out.push(if claim {
            let (key, now_ms) = (state.key, now.unix_ms);
            let code_needed = self.limits.code_needed;
            self.pending.claims.insert(request, link);
            Output::Write(request, Write::Claim { id, key, code_needed, code, now_ms })
        } else {
            self.pending.owners.insert(request, link);
            Output::Read(request, Read::Owner { id })
        });
    }

    /// The store has said whether the link's key may act as the id it wants.
    pub(super) fn admit(
        &mut self,
        now: Time,
        id: LinkId,
        verdict: Result<bool, CloseCode>,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let claimed = match verdict {
            Ok(claimed) => claimed,
            Err(code) => return self.close(id, code, out),
        };
        let Stage::Checking { id: user, held } = &mut link.stage else { return };
        let (user, held) = (user.clone(), std::mem::take(held));
        link.stage = Stage::Known(user.clone());
        out.push(Output::Frame {
            link: id,
            frame: FromServer::Welcome { id: user.clone(), claimed },
        });
        for frame in held {
            self.act(now, id, &user, frame, out);
        }
    }

    /// A frame from a link that is known to act as `user`.
    fn act(
        &mut self,
        now: Time,
        link: LinkId,
        user: &UserId,
        frame: FromClient,
        out: &mut Vec<Output>,
    ) {
        // One of the frames before may have ended the link.
        let Some(state) = self.links.get_mut(&link) else { return };
        if !state.bodies.take(frame.piece()) {
            return self.close(link, CloseCode::OutOfTurn, out);
        }
        self.heir_says(link, &frame, out);
        match frame {
            FromClient::Send { envelope, others } => {
                let first = Message { from: user.clone(), time_ms: now.unix_ms, envelope };
                self.send(now, link, Arc::new(Bundle { first, others }), out);
            }
            FromClient::Volatile { envelope, others } => {
                let first = Message { from: user.clone(), time_ms: now.unix_ms, envelope };
                self.pass(link, Arc::new(Bundle { first, others }), out);
            }
            FromClient::AckVolatile { count } => self.took(link, user, count, out),
            FromClient::Subscribe { messages, bytes, start, share } => {
                self.attach(link, user, &Prefetch { messages, bytes, start, share }, out);
            }
            FromClient::Resume(spans) => self.holds(link, &spans, out),
            FromClient::Ack(spans) => self.processed(now, link, user, &spans, out),
            FromClient::Release(spans) => self.skipped(link, user, &spans, out),
            FromClient::JoinRoom(room) => {
                let (user, asked) = (user.clone(), room.clone());
                let join = PendingRoom { link, user: user.clone(), room: asked };
                let ticket = self.ask(|pending| &mut pending.joins, join);
                out.push(Output::Write(ticket, Write::JoinRoom { user, room }));
            }
            FromClient::LeaveRoom(room) => {
                let (user, asked) = (user.clone(), room.clone());
                let leave = PendingRoom { link, user: user.clone(), room: asked };
                let ticket = self.ask(|pending| &mut pending.leaves, leave);
                out.push(Output::Write(ticket, Write::LeaveRoom { user, room }));
            }
            FromClient::Chunk(body) => self.part(link, body, out),
            FromClient::AbortBody => self.cut(link, out),
            FromClient::ChunkCredit { parts } => self.more(link, parts, out),
            FromClient::Track { id, to, after } => {
                self.watch(link, user, Asked { id, to, after }, out);
            }
            FromClient::Untrack { id } => self.unwatch(link, id),
            FromClient::Pong { number } => self.pong(now, link, user, number, out),
            FromClient::Reply { seq, reply } => {
                self.judged(now, link, user, (seq, Disposition::Replied(reply)), out);
            }
            FromClient::Reject { seq, attempts, reason } => {
                let verdict = Disposition::Rejected { attempts, reason };
                self.judged(now, link, user, (seq, verdict), out);
            }
            FromClient::Schedule { due_ms, envelope } => {
                let message = Message { from: user.clone(), time_ms: now.unix_ms, envelope };
                self.later(now, link, (message, due_ms), out);
            }
            FromClient::ListParked { drawer, after } => self.look(link, user, (drawer, after), out),
            FromClient::TakeParked { drawer, id, back } => {
                self.take_out(now, link, user, Taking { drawer, id, back, count: 0 }, out);
            }
            FromClient::Hello { .. } => self.close(link, CloseCode::OutOfTurn, out),
        }
    }

    /// What stands against an id. One made of a key tells no time: the store remembers it for as
    /// long.
    pub(super) fn objection(&self, now: Time, id: MsgId) -> Option<Refusal> {
        if id.is_keyed() {
            None
        } else if id.unix_ms() + self.limits.id_age_ms_max < now.unix_ms {
            Some(Refusal::IdTooOld)
        } else if id.unix_ms() > now.unix_ms + self.limits.id_ahead_ms_max {
            Some(Refusal::IdInFuture)
        } else {
            None
        }
    }

    fn send(&mut self, now: Time, link: LinkId, bundle: Arc<Bundle>, out: &mut Vec<Output>) {
        let id = bundle.first.id;
        if let Some(why) = self.objection(now, id) {
            self.swallow(link, &bundle.first);
            let count = bundle.count() as u32;
            return self.answer(link, &bundle, FromServer::Refused { id, count, why }, out);
        }
        if bundle.first.is_long() {
            return self.begin_upload(link, bundle, out);
        }
        let append = PendingAppend { link, bundle: bundle.clone(), upload: None };
        let ticket = self.ask(|pending| &mut pending.appends, append);
        out.push(Output::Write(ticket, Write::Append { bundle, upload: None }));
    }
}
