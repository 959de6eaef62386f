//! Sessions: the user of each connection, and the number of its unanswered frames.
//!
//! A link is one connection of one client. A client that has lost its link repeats its unanswered
//! sends on the next one. A late send of the earlier link could then be stored after the client was
//! told that it is refused. So a new link takes over the session, and the earlier link is closed.

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::{Claimed, NotClaimed, Read, Write};
use crate::wire::{
    BodyOrder, Bundle, CHUNKS_AHEAD_MAX, CloseCode, Features, Frame, FromClient, FromServer, Pin,
    Session, UserId,
};

use super::held::can_wait;
use super::io::LinkId;
use super::todo::Todo;
use super::turn::Turn;
use crate::logic::limits::{Limits, held_frames_max};

/// All links, and the latest link of each client.
#[derive(Default)]
pub(super) struct Sessions {
    links: BTreeMap<LinkId, Link>,
    /// The latest link of each client, keyed by its public key and the session number it chose.
    clients: BTreeMap<(Pin, u64), (u32, LinkId)>,
    /// Links without a `Hello`, keyed by its deadline on the monotonic clock.
    silent: BTreeSet<(u64, LinkId)>,
}

/// One connection of one client.
struct Link {
    key: Pin,
    admission: Admission,
    session: Option<Session>,
    features: Features,
    /// Unanswered sends, and their bytes.
    sends: u32,
    send_bytes: u64,
    /// Unanswered requests that are not sends.
    requests: u32,
    /// Chunks received without credit given back.
    chunks_in: u32,
    /// Checks that chunks come in order and have the right sizes.
    bodies: BodyOrder,
}

/// Progress of a link from its start to acting as a user.
enum Admission {
    /// No `Hello` yet; it must come by then.
    Silent { until_ms: u64 },
    /// The store is looking up the id; later frames are held.
    Checking { id: UserId, held: Vec<FromClient> },
    /// Acts as this user.
    Known(UserId),
}

impl Sessions {
    /// Adds a new link, or closes it if there are too many.
    pub(super) fn open(&mut self, turn: &mut Turn, id: LinkId, key: Pin) {
        if self.links.len() >= turn.limits().links_max {
            return turn.hang_up(id, CloseCode::Busy);
        }
        let until_ms = turn.now().mono_ms + turn.limits().hello_ms_max;
        self.links.insert(id, Link::new(key, until_ms));
        self.silent.insert((until_ms, id));
    }

    /// Removes a link. Returns the user it acted as, if any; the outer `None`: there is no such
    /// link.
    pub(super) fn remove(&mut self, id: LinkId) -> Option<Option<UserId>> {
        let link = self.links.remove(&id)?;
        if let Some(Session { client, .. }) = link.session {
            let client = (link.key, client);
            if self.clients.get(&client).is_some_and(|(_, latest)| *latest == id) {
                self.clients.remove(&client);
            }
        }
        match link.admission {
            Admission::Silent { until_ms } => {
                self.silent.remove(&(until_ms, id));
                Some(None)
            }
            Admission::Checking { .. } => Some(None),
            Admission::Known(user) => Some(Some(user)),
        }
    }

    /// Closes the links whose `Hello` is overdue.
    pub(super) fn close_silent(&mut self, turn: &mut Turn) {
        let now_ms = turn.now().mono_ms;
        while let Some(&(at_ms, link)) = self.silent.first()
            && at_ms <= now_ms
        {
            self.silent.pop_first();
            turn.close(link, CloseCode::TooSlow);
        }
    }

    /// The earliest deadline of a `Hello`.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.silent.first().map(|(at_ms, _)| *at_ms)
    }

    pub(super) fn contains(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Features that the client of a link has named.
    pub(super) fn features(&self, link: LinkId) -> Features {
        self.links.get(&link).map_or(Features::default(), |link| link.features)
    }

    /// The user that a link acts as.
    pub(super) fn user(&self, link: LinkId) -> Option<&UserId> {
        match &self.links.get(&link)?.admission {
            Admission::Known(user) => Some(user),
            Admission::Silent { .. } | Admission::Checking { .. } => None,
        }
    }

    /// Counts a frame. Returns it with its user if it is to be acted on now.
    pub(super) fn receive(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        frame: FromClient,
    ) -> Option<(UserId, FromClient)> {
        let link = self.links.get_mut(&id)?;
        if !link.count(&frame, turn.limits()) {
            turn.close(id, CloseCode::OverLimit);
            return None;
        }
        if frame.feature().is_some_and(|feature| !link.features.contains(feature)) {
            turn.close(id, CloseCode::OutOfTurn);
            return None;
        }
        match &mut link.admission {
            Admission::Silent { .. } => {
                self.hello(turn, id, frame);
                None
            }
            Admission::Checking { held, .. }
                if held.len() < held_frames_max(turn.limits()) && can_wait(held, &frame) =>
            {
                held.push(frame);
                None
            }
            Admission::Checking { .. } => {
                turn.close(id, CloseCode::OutOfTurn);
                None
            }
            Admission::Known(user) => Some((user.clone(), frame)),
        }
    }

    /// Checks the order of chunks of long bodies. Returns `false` if the link is closed, or was
    /// gone already.
    pub(super) fn admits_body(&mut self, turn: &mut Turn, id: LinkId, frame: &FromClient) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let fits = link.bodies.admit(frame.body_part());
        if !fits {
            turn.close(id, CloseCode::OutOfTurn);
        }
        fits
    }

    /// True while chunks of the link's body are still to come.
    pub(super) fn is_partial(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| link.bodies.is_partial())
    }

    fn hello(&mut self, turn: &mut Turn, id: LinkId, frame: FromClient) {
        let FromClient::Hello { id: user, claim, code, session, features } = frame else {
            return turn.close(id, CloseCode::OutOfTurn);
        };
        if session.is_some_and(|session| !self.take_over(turn, id, session)) {
            return turn.close(id, CloseCode::TakenOver);
        }
        if claim && user.is_reserved() {
            return turn.close(id, CloseCode::IdReserved);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        link.features = features;
        let checking = Admission::Checking { id: user.clone(), held: Vec::new() };
        if let Admission::Silent { until_ms } = std::mem::replace(&mut link.admission, checking) {
            self.silent.remove(&(until_ms, id));
        }
        if claim {
            let (key, now_ms) = (link.key, turn.now().unix_ms);
            let code_needed = turn.limits().code_needed;
            let write = Write::Claim { id: user, key, code_needed, code, now_ms };
            turn.write(|pending| &mut pending.claims, id, write);
        } else {
            turn.read(|pending| &mut pending.owners, id, Read::Owner { id: user });
        }
    }

    /// Lets a link replace its client's earlier one. Returns `false` if it is the earlier one
    /// itself.
    fn take_over(&mut self, turn: &mut Turn, id: LinkId, session: Session) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let client = (link.key, session.client);
        if let Some(&(number, before)) = self.clients.get(&client) {
            if number >= session.link {
                return false;
            }
            turn.note(Todo::TakeOver { from: before, to: id });
            turn.close(before, CloseCode::TakenOver);
        }
        link.session = Some(session);
        self.clients.insert(client, (session.link, id));
        true
    }

    /// Takes the answer to a claim of an id. Returns the same as [`Sessions::admit_owner`].
    pub(super) fn admit_claim(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        outcome: Result<Claimed, NotClaimed>,
    ) -> Option<(UserId, Vec<FromClient>)> {
        let verdict = outcome.map(|claimed| claimed.new).map_err(|why| match why {
            NotClaimed::Taken => CloseCode::IdTaken,
            NotClaimed::CodeNeeded => CloseCode::TicketNeeded,
            NotClaimed::CodeBad => CloseCode::TicketBad,
            NotClaimed::Full => CloseCode::Busy,
            NotClaimed::DiskFull => CloseCode::DiskFull,
        });
        self.admit(turn, link, verdict)
    }

    /// Takes the key that owns the id of a link. Returns the user that the link acts as from now
    /// on, and the frames that were held meanwhile.
    pub(super) fn admit_owner(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        owner: Option<Pin>,
    ) -> Option<(UserId, Vec<FromClient>)> {
        let key = self.links.get(&link)?.key;
        let verdict = match owner {
            None => Err(CloseCode::NotJoined),
            Some(owner) if owner == key => Ok(false),
            Some(_) => Err(CloseCode::IdTaken),
        };
        self.admit(turn, link, verdict)
    }

    fn admit(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        verdict: Result<bool, CloseCode>,
    ) -> Option<(UserId, Vec<FromClient>)> {
        let link = self.links.get_mut(&id)?;
        let claimed = match verdict {
            Ok(claimed) => claimed,
            Err(code) => {
                turn.close(id, code);
                return None;
            }
        };
        let Admission::Checking { id: user, held } = &mut link.admission else { return None };
        let (user, held) = (user.clone(), std::mem::take(held));
        link.admission = Admission::Known(user.clone());
        turn.send(id, FromServer::Welcome { id: user.clone(), claimed });
        Some((user, held))
    }

    /// Answers sends, if the link of their sender is still open.
    pub(super) fn answer(
        &mut self,
        turn: &mut Turn,
        id: LinkId,
        bundle: &Bundle,
        frame: FromServer,
    ) {
        if let Some(link) = self.links.get_mut(&id) {
            link.release_sends(bundle);
            turn.send(id, frame);
        }
    }

    /// Counts sends as answered that their sender has aborted.
    pub(super) fn release_sends(&mut self, id: LinkId, bundle: &Bundle) {
        if let Some(link) = self.links.get_mut(&id) {
            link.release_sends(bundle);
        }
    }

    /// Answers a request that is not a send.
    pub(super) fn reply(&mut self, turn: &mut Turn, id: LinkId, frame: FromServer) {
        if let Some(link) = self.links.get_mut(&id) {
            link.requests = link.requests.saturating_sub(1);
            turn.send(id, frame);
        }
    }

    /// Sends clients credit for chunks.
    pub(super) fn credit_chunks(&mut self, turn: &mut Turn) {
        while let Some((id, parts)) = turn.next_credit() {
            if let Some(link) = self.links.get_mut(&id) {
                link.chunks_in = link.chunks_in.saturating_sub(parts);
                turn.send(id, FromServer::ChunkCredit { parts });
            }
        }
    }
}

impl Link {
    fn new(key: Pin, until_ms: u64) -> Self {
        Self {
            key,
            admission: Admission::Silent { until_ms },
            session: None,
            features: Features::default(),
            sends: 0,
            send_bytes: 0,
            requests: 0,
            chunks_in: 0,
            bodies: BodyOrder::default(),
        }
    }

    /// Counts a frame towards the limits of unanswered frames. Returns `false` if it exceeds them.
    fn count(&mut self, frame: &FromClient, limits: &Limits) -> bool {
        match frame {
            FromClient::Send { envelope, others } | FromClient::Volatile { envelope, others } => {
                let (count, headers) = (1 + others.count(), envelope.headers.len_bytes());
                let bytes = envelope.body.len() + others.len_bytes() + headers * count;
                let alone = self.sends == 0 && count == 1;
                let fits = alone || self.send_bytes + bytes as u64 <= limits.send_bytes_max;
                self.sends += count as u32;
                self.send_bytes += bytes as u64;
                fits && self.sends <= limits.sends_max
            }
            FromClient::Schedule { envelope, .. } => {
                self.sends += 1;
                self.send_bytes += envelope.len_here();
                let fits = self.sends == 1 || self.send_bytes <= limits.send_bytes_max;
                fits && self.sends <= limits.sends_max
            }
            FromClient::Chunk(_) => {
                self.chunks_in += 1;
                self.chunks_in <= CHUNKS_AHEAD_MAX
            }
            FromClient::JoinRoom(_)
            | FromClient::LeaveRoom(_)
            | FromClient::ListParked { .. }
            | FromClient::TakeParked { .. }
            | FromClient::Track { .. } => {
                self.requests += 1;
                self.requests <= limits.requests_max
            }
            FromClient::Hello { .. }
            | FromClient::AckVolatile { .. }
            | FromClient::AbortBody
            | FromClient::ChunkCredit { .. }
            | FromClient::Subscribe { .. }
            | FromClient::Release(_)
            | FromClient::Resume(_)
            | FromClient::Reply { .. }
            | FromClient::Reject { .. }
            | FromClient::Untrack { .. }
            | FromClient::Pong { .. }
            | FromClient::Ack(_) => true,
        }
    }

    fn release_sends(&mut self, bundle: &Bundle) {
        self.sends = self.sends.saturating_sub(bundle.count() as u32);
        self.send_bytes = self.send_bytes.saturating_sub(bundle.len_here());
    }
}
