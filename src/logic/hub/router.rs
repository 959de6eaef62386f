//! The hub: routes each input, and each note from one machine to another, to the machine it is for.

use std::sync::Arc;

use crate::durable::{
    AppendOutcome, Disposition, Found, MessageOutcome, NoTarget, NotStored, Outcome, Record,
    RequestId, RoomLeft, RoomNotLeft, Write,
};
use crate::wire::{
    Bundle, CloseCode, Feature, FromClient, FromServer, Refusal, Seq, Span, Target, UserId,
};

use super::bodies::{Aborted, Incoming, Takers, Uploads, VolatileMessages};
use super::download::VolatileId;
use super::io::{Input, LinkId, Output};
use super::mailbox::Mailbox;
use super::mailboxes::Mailboxes;
use super::parked::{self, Parked};
use super::pending::{
    PendingAck, PendingAppend, PendingRecipients, PendingRoom, PendingTake, PendingTrack,
};
use super::publish::{accept, append, check_id, refusal, verdict};
use super::sessions::Sessions;
use super::sweep::Sweeper;
use super::todo::Todo;
use super::tracking::Tracking;
use super::turn::Turn;
use crate::logic::limits::{Limits, Time};
use crate::logic::prefetch::Prefetch;

/// The server's state machine: routes to machines that each own a part of the state.
///
/// A machine gets the `Turn` and never calls another machine: it returns what the hub needs to
/// know, or notes a `Todo`, which the hub carries out before the turn ends.
pub struct Hub {
    turn: Turn,
    sessions: Sessions,
    mailboxes: Mailboxes,
    uploads: Uploads,
    volatile: VolatileMessages,
    tracking: Tracking,
    parked: Parked,
    sweeper: Sweeper,
}

impl Hub {
    /// A hub without links.
    pub fn new(limits: Limits) -> Self {
        Self {
            turn: Turn::new(limits),
            sessions: Sessions::default(),
            mailboxes: Mailboxes::default(),
            uploads: Uploads::default(),
            volatile: VolatileMessages::default(),
            tracking: Tracking::default(),
            parked: Parked::new(),
            sweeper: Sweeper::new(),
        }
    }

    /// Takes an input and appends the outputs that the caller must carry out to `out`.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) {
        self.turn.begin(now, out);
        match input {
            Input::Opened { link, key } => self.sessions.open(&mut self.turn, link, key),
            Input::Frame { link, frame } => {
                if let Some((user, frame)) = self.sessions.receive(&mut self.turn, link, frame) {
                    self.act(link, &user, frame);
                }
            }
            Input::Closed { link } => self.forget(link),
            Input::Durable(answers) => {
                for (request, outcome) in answers {
                    self.take_outcome(request, outcome);
                    self.do_all();
                }
            }
            Input::Found(request, found) => self.take_found(request, found),
            Input::Tick => self.tick(),
        }
        self.do_all();
        self.sessions.credit_chunks(&mut self.turn);
        self.confirm_deliveries();
        self.tracking.send_pings(&mut self.turn);
        *out = self.turn.end();
    }

    /// The monotonic time by which the next `Tick` is due.
    pub fn deadline(&self) -> Option<u64> {
        let deadlines = [
            self.sessions.deadline(),
            self.sweeper.deadline(),
            self.parked.deadline(),
            self.mailboxes.deadline(),
            self.tracking.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let Self { turn, .. } = self;
        self.sessions.close_silent(turn);
        self.sweeper.begin_due(turn);
        self.parked.release_due(turn);
        for link in self.mailboxes.end_grace(turn) {
            if let Some(user) = self.sessions.user(link) {
                self.mailboxes.start(turn, link, user);
            }
        }
        self.tracking.expire_due(turn);
    }

    /// Carries out all work that machines have noted for others.
    fn do_all(&mut self) {
        while let Some(todo) = self.turn.next_todo() {
            self.carry_out(todo);
        }
    }

    fn carry_out(&mut self, todo: Todo) {
        let turn = &mut self.turn;
        match todo {
            Todo::Close { link, code } => self.close(link, code),
            Todo::Answer { link, bundle, frame } => {
                self.sessions.answer(turn, link, &bundle, frame);
            }
            Todo::Reply { link, frame } => self.sessions.reply(turn, link, frame),
            Todo::TakeOver { from, to } => {
                self.mailboxes.take_over(from, to, self.sessions.user(from));
            }
            Todo::DeliverVolatile { user } => self.deliver_volatile(&user),
            Todo::EndVolatileBody { link, is_whole } => {
                let Some(user) = self.sessions.user(link).cloned() else { return };
                if let Some(mailbox) = self.mailboxes.get_mut(&user) {
                    mailbox.end_volatile_body(turn, link, is_whole);
                    self.deliver_volatile(&user);
                }
            }
            Todo::DropVolatileChunks { link, body } => {
                self.uploads.drop_rest(link, Incoming::Volatile(body));
            }
            Todo::ResumeReader { link } => {
                if let Some((turn, mailbox)) = self.mailbox(link) {
                    mailbox.resume_page(turn, link);
                }
            }
            Todo::ConfirmDelivery { link, log, seq } => {
                if self.sessions.features(link).contains(Feature::Confirm) {
                    for seq in self.tracking.within(&log, Span::one(seq)) {
                        self.tracking.confirm(turn, link, &log, seq);
                    }
                }
            }
            Todo::TrackRemoved { user, log, through, held } => {
                let tracked = self.tracking.within(&log, Span { first: 0, last: through });
                for seq in tracked.into_iter().filter(|seq| !held.contains(*seq)) {
                    if self.mailboxes.is_unacked(&user, &log, seq) {
                        self.tracking.gone(turn, (&log, seq), &user, 0);
                    }
                }
            }
        }
    }

    fn close(&mut self, link: LinkId, code: CloseCode) {
        if self.sessions.contains(link) {
            self.turn.hang_up(link, code);
            self.forget(link);
        }
    }

    /// Forgets a link that is gone.
    fn forget(&mut self, link: LinkId) {
        let Some(user) = self.sessions.remove(link) else { return };
        self.turn.budget_mut().forget_link(link);
        self.abort_body(link);
        self.tracking.forget_link(link);
        if let Some(user) = user {
            self.forget_reader(link, &user);
        }
        self.mailboxes.disinherit(&mut self.turn, link);
    }

    fn forget_reader(&mut self, link: LinkId, user: &UserId) {
        let queued = self.volatile.queued(self.mailboxes.logs(user));
        let Some(gone) = self.mailboxes.detach(&mut self.turn, link, user) else { return };
        if let Some(body) = gone.volatile_body() {
            self.volatile.forget_reader(&mut self.turn, body, link);
        }
        for log in &queued {
            self.deliver_queued(log);
        }
        for (span, delivery) in gone.unacked().iter() {
            self.expire_released(user, delivery.log(), span);
        }
        self.mailboxes.drop_idle(user);
    }

    /// Ends the body that comes on a link early. Returns its message if it has no answer yet.
    fn abort_body(&mut self, link: LinkId) -> Option<Arc<Bundle>> {
        match self.uploads.abort(&mut self.turn, link)? {
            Aborted::Stored(bundle) => Some(bundle),
            Aborted::Volatile(body) => self.volatile.abort(&mut self.turn, body),
        }
    }

    /// Acts on a frame of a link that acts as `user`.
    fn act(&mut self, link: LinkId, user: &UserId, frame: FromClient) {
        let turn = &mut self.turn;
        if !self.sessions.admits_body(turn, link, &frame) {
            return;
        }
        // A client that begins with any other frame resumes nothing of its earlier link.
        if !matches!(frame, FromClient::Resume(_) | FromClient::Subscribe { .. }) {
            self.mailboxes.disinherit(turn, link);
        }
        match frame {
            FromClient::Send { envelope, others } => {
                let first = accept(turn, user, envelope);
                self.send(link, Arc::new(Bundle { first, others }));
            }
            FromClient::Volatile { envelope, others } => {
                let first = accept(turn, user, envelope);
                self.send_volatile(link, Arc::new(Bundle { first, others }));
            }
            FromClient::Schedule { due_ms, envelope } => {
                let message = accept(turn, user, envelope);
                self.parked.schedule(turn, link, message, due_ms);
            }
            FromClient::Chunk(body) => {
                let is_last = !self.sessions.is_partial(link);
                let volatile = self.uploads.receive_chunk(turn, link, (body, is_last));
                if let Some((id, chunk)) = volatile {
                    self.volatile.receive_chunk(turn, id, (chunk, is_last));
                }
            }
            FromClient::AbortBody => {
                if let Some(bundle) = self.abort_body(link) {
                    self.sessions.release_sends(link, &bundle);
                }
            }
            FromClient::ListParked { kind: drawer, after } => {
                parked::list(turn, link, user, (drawer, after));
            }
            FromClient::TakeParked { kind, id, back } => {
                let user = user.clone();
                parked::take(turn, PendingTake { link, user, kind, id, back, count: 0 });
            }
            FromClient::Track { id, to, after } => {
                self.tracking.track(turn, user, PendingTrack { link, id, to, after });
            }
            FromClient::Untrack { id } => self.tracking.untrack(link, id),
            FromClient::Pong { number } => self.tracking.pong(turn, link, user, number),
            frame => self.act_as_reader(link, user, frame),
        }
    }

    /// Acts on a frame that concerns the user's reading.
    fn act_as_reader(&mut self, link: LinkId, user: &UserId, frame: FromClient) {
        let turn = &mut self.turn;
        match frame {
            FromClient::Subscribe { messages, bytes, start, share } => {
                let prefetch = Prefetch { messages, bytes, start, share };
                let features = self.sessions.features(link);
                self.mailboxes.subscribe(turn, link, user, (&prefetch, features));
            }
            FromClient::Resume(spans) => self.mailboxes.resume(turn, link, user, &spans),
            FromClient::JoinRoom(room) => {
                let write = Write::JoinRoom { user: user.clone(), room: room.clone() };
                let waiting = PendingRoom { link, user: user.clone(), room };
                turn.write(|pending| &mut pending.joins, waiting, write);
            }
            FromClient::LeaveRoom(room) => {
                let write = Write::LeaveRoom { user: user.clone(), room: room.clone() };
                let waiting = PendingRoom { link, user: user.clone(), room };
                turn.write(|pending| &mut pending.leaves, waiting, write);
            }
            FromClient::ChunkCredit { parts } => {
                if !turn.budget_mut().credit_chunks(link, parts) {
                    return turn.close(link, CloseCode::OutOfTurn);
                }
                let mailbox = self.mailboxes.get_mut(user);
                if let Some(body) = mailbox.and_then(|it| it.continue_body(turn, link)) {
                    self.volatile.send_chunks(turn, body);
                }
            }
            frame => self.act_on_deliveries(link, user, frame),
        }
    }

    /// Acts on a frame that acks or releases deliveries.
    fn act_on_deliveries(&mut self, link: LinkId, user: &UserId, frame: FromClient) {
        let turn = &mut self.turn;
        let Some(mailbox) = self.mailboxes.get_mut(user) else {
            return turn.close(link, CloseCode::OutOfTurn);
        };
        match frame {
            FromClient::Ack(spans) => mailbox.ack(turn, link, &spans, None),
            FromClient::Reply { seq, reply } => {
                let disposition = Disposition::Replied(reply);
                mailbox.ack(turn, link, &[Span::one(seq)], Some(&disposition));
            }
            FromClient::Reject { seq, attempts, reason } => {
                let disposition = Disposition::Rejected { attempts, reason };
                mailbox.ack(turn, link, &[Span::one(seq)], Some(&disposition));
            }
            FromClient::Release(spans) => {
                for (span, log) in mailbox.release(turn, link, &spans) {
                    self.expire_released(user, &log, span);
                }
            }
            FromClient::AckVolatile { count } => {
                if mailbox.ack_volatile(turn, link, count) {
                    self.deliver_volatile(user);
                }
            }
            // Of the frames that reach this match, only a second `Hello` is left.
            _ => turn.close(link, CloseCode::OutOfTurn),
        }
    }

    /// Returns the mailbox of the user that a link acts as, if it is in memory.
    fn mailbox(&mut self, link: LinkId) -> Option<(&mut Turn, &mut Mailbox)> {
        let user = self.sessions.user(link)?;
        Some((&mut self.turn, self.mailboxes.get_mut(user)?))
    }

    /// Takes messages that are to be stored.
    fn send(&mut self, link: LinkId, bundle: Arc<Bundle>) {
        let turn = &mut self.turn;
        if let Err(why) = check_id(turn, bundle.first.id) {
            let frame = refusal(&bundle, why);
            self.sessions.answer(turn, link, &bundle, frame);
        } else if bundle.first.is_long() {
            self.uploads.begin(turn, link, bundle);
        } else {
            append(turn, link, bundle);
        }
    }

    /// Takes volatile messages.
    fn send_volatile(&mut self, link: LinkId, bundle: Arc<Bundle>) {
        let turn = &mut self.turn;
        let body = bundle.first.is_long().then(|| VolatileId(turn.new_number()));
        let takers = match self.volatile.is_queued(&bundle.first.to) {
            // Older messages wait, so these must wait too.
            true => Takers::Full,
            false => self.mailboxes.take_volatile(turn, &bundle, body),
        };
        let is_wanted = self.volatile.send(turn, (link, bundle), body, takers);
        if let Some(body) = body.filter(|_| is_wanted) {
            self.uploads.expect_volatile(link, body);
        }
    }

    /// Delivers waiting volatile messages to a user's readers, as far as they have room.
    fn deliver_volatile(&mut self, user: &UserId) {
        for log in self.volatile.queued(self.mailboxes.logs(user)) {
            self.deliver_queued(&log);
        }
    }

    fn deliver_queued(&mut self, log: &Target) {
        let turn = &mut self.turn;
        while let Some((bundle, body)) = self.volatile.first_queued(turn, log) {
            let takers = self.mailboxes.take_volatile(turn, &bundle, body);
            if !self.volatile.deliver_first(turn, log, takers) {
                return;
            }
        }
    }

    /// Tells senders of messages that have expired and that a reader has released: they are gone.
    fn expire_released(&mut self, user: &UserId, log: &Target, span: Span) {
        for seq in self.tracking.within(log, span) {
            if let Some(at_ms) = self.tracking.expired_ms(&self.turn, log, seq)
                && !self.mailboxes.has_taken(user, log, seq)
            {
                self.tracking.gone(&mut self.turn, (log, seq), user, at_ms);
            }
        }
    }

    /// Asks clients to confirm the tracked messages delivered to them in this turn. Long messages
    /// are confirmed at the end of their bodies.
    fn confirm_deliveries(&mut self) {
        for (links, record) in self.turn.deliveries() {
            if record.bundle.first.is_long() {
                continue;
            }
            let log = &record.bundle.first.to;
            for seq in self.tracking.within(log, record.span()) {
                let can_confirm =
                    |link: &&LinkId| self.sessions.features(**link).contains(Feature::Confirm);
                for link in links.iter().filter(can_confirm) {
                    self.tracking.confirm(&self.turn, *link, log, seq);
                }
            }
        }
    }

    /// Takes the answer to a write. Ignores an answer that no request waits for.
    fn take_outcome(&mut self, request: RequestId, outcome: Outcome) {
        let turn = &mut self.turn;
        match outcome {
            Outcome::Claim(outcome) => {
                let Some(link) = turn.pending().claims.remove(&request) else { return };
                let admitted = self.sessions.admit_claim(turn, link, outcome);
                self.act_on_held(link, admitted);
            }
            Outcome::Append(outcome) => {
                let Some(append) = turn.pending().appends.remove(&request) else { return };
                self.take_append(&append, outcome);
            }
            Outcome::BeginUpload(outcome) => {
                let Some(upload) = turn.pending().begun_uploads.remove(&request) else { return };
                self.uploads.begun(turn, upload, outcome);
            }
            Outcome::AppendChunk(outcome) => {
                let Some(chunk) = turn.pending().chunks.remove(&request) else { return };
                self.uploads.chunk_stored(turn, &chunk, outcome.map_err(NotStored::from));
            }
            // Invitations are never written by the hub, but by another process.
            Outcome::DiscardUpload | Outcome::Invite(_) => {}
            Outcome::Ack => {
                let Some(ack) = turn.pending().acks.remove(&request) else { return };
                let PendingAck { link, user, messages, bytes, acked } = ack;
                self.tracking.acked(turn, &user, &acked);
                self.mailboxes.record_ack(turn, link, &user, (messages, bytes));
            }
            Outcome::Schedule(outcome) => {
                let Some(schedule) = turn.pending().scheduled.remove(&request) else { return };
                self.parked.scheduled(turn, &schedule, outcome);
            }
            Outcome::ReleaseDue(outcome) => {
                for record in self.parked.released(turn, outcome) {
                    self.mailboxes.publish(turn, record);
                }
            }
            Outcome::TakeParked(outcome) => {
                let Some(take) = turn.pending().taken.remove(&request) else { return };
                let is_linked = self.sessions.contains(take.link);
                for record in parked::taken(turn, take, outcome, is_linked) {
                    self.mailboxes.publish(turn, record);
                }
            }
            Outcome::JoinRoom(outcome) => {
                let Some(join) = turn.pending().joins.remove(&request) else { return };
                self.mailboxes.join_room(turn, join, outcome);
            }
            Outcome::LeaveRoom(outcome) => {
                let Some(leave) = turn.pending().leaves.remove(&request) else { return };
                self.take_leave(leave, outcome);
            }
            Outcome::Sweep(swept) => self.sweeper.end(turn, swept),
        }
    }

    /// Acts on the frames that were held until the user of their link was known.
    fn act_on_held(&mut self, link: LinkId, admitted: Option<(UserId, Vec<FromClient>)>) {
        let Some((user, held)) = admitted else { return };
        for frame in held {
            self.act(link, &user, frame);
            self.do_all();
        }
    }

    fn take_append(&mut self, append: &PendingAppend, outcome: AppendOutcome) {
        let PendingAppend { link, bundle, upload } = append;
        // Belongs to an upload whose sender was told of a failure before.
        if upload.is_some_and(|upload| !self.uploads.end(upload)) {
            return;
        }
        let parts = match outcome {
            AppendOutcome::All(outcome) => return self.publish(*link, bundle, outcome),
            AppendOutcome::Mixed(parts) => parts,
        };
        let mut at = 0;
        for (count, outcome) in parts {
            let part = Arc::new(bundle.slice(at, count));
            at += count;
            self.publish(*link, &part, outcome);
        }
    }

    /// Publishes stored messages. Readers are served before the sender is answered.
    fn publish(&mut self, link: LinkId, bundle: &Arc<Bundle>, outcome: MessageOutcome) {
        if let Ok(at) = outcome {
            let bundle = bundle.clone();
            let record = Record { seq: at.seq, ordinal: at.ordinal, parts: 0, bundle };
            self.mailboxes.publish(&mut self.turn, record);
        }
        let frame = verdict(bundle, outcome.map(drop));
        self.sessions.answer(&mut self.turn, link, bundle, frame);
    }

    fn take_leave(&mut self, leave: PendingRoom, outcome: Result<RoomLeft, RoomNotLeft>) {
        let turn = &mut self.turn;
        let PendingRoom { link, user, room } = leave;
        let changed = match outcome {
            Ok(RoomLeft { changed }) => changed,
            Err(RoomNotLeft::UnknownRoom) => {
                return self.sessions.reply(turn, link, FromServer::NoSuchRoom { room });
            }
            Err(RoomNotLeft::DiskFull) => {
                return self.sessions.reply(turn, link, FromServer::RoomRefused { room });
            }
        };
        self.sessions.reply(turn, link, FromServer::RoomLeft { room: room.clone(), changed });
        let log = Target::Room(room.clone());
        if changed {
            self.tracking.left(turn, &user, &log);
        }
        self.mailboxes.leave_room(turn, &user, &room);
        self.deliver_queued(&log);
    }

    /// Takes the answer to a read. Ignores an answer that no request waits for.
    fn take_found(&mut self, request: RequestId, found: Found) {
        let turn = &mut self.turn;
        match found {
            Found::Owner(owner) => {
                let Some(link) = turn.pending().owners.remove(&request) else { return };
                let admitted = self.sessions.admit_owner(turn, link, owner);
                self.act_on_held(link, admitted);
            }
            Found::Target(target) => {
                let Some((link, bundle)) = turn.pending().targets.remove(&request) else { return };
                let (id, count) = (bundle.first.id, bundle.count() as u32);
                let frame = match target {
                    Ok(()) => FromServer::VolatileSent { id, count, readers: 0 },
                    Err(NoTarget::Unknown) => refusal(&bundle, Refusal::UnknownTarget),
                    Err(NoTarget::OtherKind) => refusal(&bundle, Refusal::OtherKind),
                };
                self.sessions.answer(turn, link, &bundle, frame);
            }
            Found::Mailbox(logs) => {
                let Some(user) = turn.pending().mailboxes.remove(&request) else { return };
                self.mailboxes.load(turn, &user, logs);
            }
            Found::StartPosition(seq) => {
                let Some(link) = turn.pending().start_positions.remove(&request) else { return };
                if let Some((turn, mailbox)) = self.mailbox(link) {
                    mailbox.begin_behind(turn, link, seq);
                }
            }
            Found::Page(page) => {
                let Some(link) = turn.pending().pages.remove(&request) else { return };
                if let Some((turn, mailbox)) = self.mailbox(link) {
                    mailbox.deliver_page(turn, link, page);
                }
            }
            Found::Chunk(chunk) => {
                let Some(link) = turn.pending().downloads.remove(&request) else { return };
                if let Some((turn, mailbox)) = self.mailbox(link) {
                    mailbox.receive_chunk(turn, link, (request, chunk));
                }
            }
            Found::MessageFound(place) => {
                let Some(query) = turn.pending().located.remove(&request) else { return };
                self.take_place(query, place);
            }
            Found::Recipients(standings, more) => {
                let has_taken =
                    |user: &UserId, log: &Target, seq| self.mailboxes.has_taken(user, log, seq);
                match turn.pending().recipients.remove(&request) {
                    Some(PendingRecipients::Track(query)) => {
                        self.tracking.send_page(turn, &query, (standings, more), has_taken);
                    }
                    Some(PendingRecipients::Expire { log, seq }) => {
                        let page = (standings, more);
                        self.tracking.expire_recipients(turn, (log, seq), page, has_taken);
                    }
                    None => {}
                }
            }
            Found::Parked(page, more) => {
                let Some((link, kind)) = turn.pending().parked.remove(&request) else { return };
                if self.sessions.contains(link) {
                    parked::send_page(turn, link, kind, (page, more));
                }
            }
        }
    }

    /// Takes the log position of a message that a sender wants to track. Readers that already have
    /// the message are asked to confirm it.
    fn take_place(&mut self, query: PendingTrack, place: Option<(Seq, Option<u64>)>) {
        let turn = &mut self.turn;
        let Some(user) = self.sessions.user(query.link) else { return };
        if let Some((log, seq)) = self.tracking.locate(turn, user, query, place) {
            for link in self.mailboxes.links_with(&log, seq) {
                if self.sessions.features(link).contains(Feature::Confirm) {
                    self.tracking.confirm(turn, link, &log, seq);
                }
            }
        }
    }
}
