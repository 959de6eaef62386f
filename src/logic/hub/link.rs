//! What the hub knows of one link.

use std::collections::{BTreeMap, VecDeque};

use crate::durable::Page;
use crate::wire::{
    Bodies, Bundle, CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX, FromClient, MsgId, Pin, Seq, Session, Span,
    Start, Target, UserId, Weights,
};

use super::budget::{DeliveryBudget, Load};
use super::proving::Confirmations;
use super::streaming::Download;
use super::uploading::Incoming;
use crate::logic::limits::Limits;
use crate::logic::prefetch::Prefetch;
use crate::logic::seqs::set::SeqSet;
use crate::logic::seqs::unacked::{Delivery, Unacked};

/// One connection of one device.
pub(super) struct Link {
    pub(super) key: Pin,
    pub(super) stage: Stage,
    /// Which client's it is, and which of its links, if it said so.
    pub(super) session: Option<Session>,
    /// Something of this user's is kept until its reader comes.
    pub(super) heir_of: Option<UserId>,
    /// Unanswered sends and their bytes, those held back included.
    pub(super) sends: u32,
    pub(super) send_bytes: u64,
    /// Unanswered requests that are not sends.
    pub(super) requests: u32,
    pub(super) reader: Option<Reader>,
    /// For the reader that is to come.
    pub(super) holds: SeqSet,
    /// What may come of bodies.
    pub(super) bodies: Bodies,
    /// Where the long body under way goes.
    pub(super) incoming: Option<Incoming>,
    /// Parts that came and were not made up for by `More`.
    pub(super) parts_in: u32,
    /// Parts that went out and were not made up for.
    pub(super) parts_out: u32,
    /// Messages of its user of which it is told how far they come, by their ids: where they are,
    /// once that is known.
    pub(super) watches: BTreeMap<MsgId, Option<(Target, Seq)>>,
    pub(super) proofs: Confirmations,
}

/// How far a link has come.
pub(super) enum Stage {
    /// Has not said who it is; must do so by then.
    Silent { until_ms: u64 },
    /// Its id is being looked up; what it said since waits.
    Checking { id: UserId, held: Vec<FromClient> },
    /// Acts as this user.
    Known(UserId),
}

/// A link that takes deliveries.
pub(super) struct Reader {
    pub(super) window_messages: u32,
    pub(super) window_bytes: u64,
    /// Delivered, not settled.
    pub(super) unsettled_messages: u32,
    pub(super) unsettled_bytes: u64,
    /// Delivered, not processed.
    pub(super) offers: Unacked,
    /// Not for this reader, as it said: stays as it is for others. Of what is processed since, some
    /// may be left here.
    pub(super) skipped: SeqSet,
    /// How many spans of that there may be before those are left out.
    pub(super) skipped_max: usize,
    /// Everything for this reader up to here has been delivered, or was processed already.
    pub(super) position: Seq,
    pub(super) mode: Mode,
    /// It is one of those among whom what comes is split.
    pub(super) share: bool,
    /// What it has from an earlier link and was not delivered on this one: of those who share it is
    /// for nobody else.
    pub(super) holds: SeqSet,
    /// Where it is to begin, if that was not looked up yet.
    pub(super) start: Start,
    /// It begins behind this seq: what is before is not for it.
    pub(super) floor: Seq,
    /// While it has not caught up and did not begin with what is not processed: all behind this seq
    /// is for it, processed or not.
    pub(super) replay: Option<Seq>,
    /// The position went back while a page was on its way, which does not bring it forward then.
    pub(super) rewound: bool,
    /// Messages passed to it that it has not taken, in order.
    passed: VecDeque<Passed>,
    passed_messages: u64,
    passed_bytes: u64,
    /// It has been told that it caught up.
    pub(super) told: bool,
    /// The long body on its way to it; nothing else with a body goes there until it ends.
    pub(super) streaming: Option<Download>,
    /// What is left of a page, for after that body. The page counts as on its way.
    pub(super) parked: Option<Page>,
}

/// Where a reader gets its messages from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nowhere: it is being looked up where it begins.
    Beginning,
    /// Nowhere: its mailbox is being loaded, or its window is shut.
    Waiting,
    /// A page of the store, on its way.
    Paging,
    /// What becomes durable goes straight to it.
    Live,
}

/// Volatile messages of one bundle, from the one at `at` on.
struct Passed {
    weights: Weights,
    at: u64,
    count: u64,
}

impl Link {
    pub(super) fn new(key: Pin, until_ms: u64) -> Self {
        Self {
            key,
            stage: Stage::Silent { until_ms },
            session: None,
            heir_of: None,
            sends: 0,
            send_bytes: 0,
            requests: 0,
            reader: None,
            holds: SeqSet::default(),
            bodies: Bodies::default(),
            incoming: None,
            parts_in: 0,
            parts_out: 0,
            watches: BTreeMap::new(),
            proofs: Confirmations::default(),
        }
    }

    pub(super) fn user(&self) -> Option<&UserId> {
        match &self.stage {
            Stage::Known(user) => Some(user),
            Stage::Silent { .. } | Stage::Checking { .. } => None,
        }
    }

    /// Counts a frame against the limits of what may be unanswered. `false`: it is over them.
    pub(super) fn count(&mut self, frame: &FromClient, limits: &Limits) -> bool {
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
            FromClient::JoinRoom(_) | FromClient::LeaveRoom(_) => {
                self.requests += 1;
                self.requests <= limits.requests_max
            }
            FromClient::Chunk(_) => {
                self.parts_in += 1;
                self.parts_in <= CHUNKS_AHEAD_MAX
            }
            FromClient::ListParked { .. }
            | FromClient::TakeParked { .. }
            | FromClient::Track { .. } => {
                self.requests += 1;
                self.requests <= limits.requests_max
            }
            FromClient::Schedule { envelope, .. } => {
                self.sends += 1;
                self.send_bytes += envelope.len_here();
                let fits = self.sends == 1 || self.send_bytes <= limits.send_bytes_max;
                fits && self.sends <= limits.sends_max
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

    /// Sends have been answered.
    pub(super) fn answered(&mut self, bundle: &Bundle) {
        self.sends = self.sends.saturating_sub(bundle.count() as u32);
        self.send_bytes = self.send_bytes.saturating_sub(bundle.len_here());
    }
}

impl Reader {
    pub(super) fn new(window: &Prefetch, limits: &Limits) -> Self {
        Self {
            window_messages: window.messages.clamp(1, limits.prefetch_messages_max),
            window_bytes: window.bytes.min(limits.prefetch_bytes_max),
            unsettled_messages: 0,
            unsettled_bytes: 0,
            offers: Unacked::default(),
            skipped: SeqSet::default(),
            skipped_max: 0,
            position: 0,
            mode: Mode::Waiting,
            share: window.share,
            holds: SeqSet::default(),
            start: window.start,
            floor: 0,
            replay: None,
            rewound: false,
            passed: VecDeque::new(),
            passed_messages: 0,
            passed_bytes: 0,
            told: false,
            streaming: None,
            parked: None,
        }
    }

    /// How many of these messages may be delivered now: if nothing is unsettled at least one.
    pub(super) fn admits(&self, bundle: &Bundle, flight: &DeliveryBudget) -> u64 {
        self.room(bundle, self.unsettled(), flight)
    }

    fn room(&self, bundle: &Bundle, has: Load, flight: &DeliveryBudget) -> u64 {
        let (window_messages, window_bytes) = flight.window(self.window(), has);
        let (messages, bytes) = has;
        let free = window_messages.saturating_sub(messages);
        // Behind one that is larger than the window not even an empty one fits.
        let free_bytes = window_bytes.checked_sub(bytes);
        let Some(free_bytes) = free_bytes.filter(|_| free > 0) else { return 0 };
        let count = bundle.fitting(0, free, free_bytes);
        let fits = bundle.len_bytes(0, count) <= free_bytes;
        if fits || messages == 0 { count } else { 0 }
    }

    /// What a page may hold: messages and bytes. `None` while so little is free that the page would
    /// not be worth its read.
    pub(super) fn page_size(&self, flight: &DeliveryBudget) -> Option<(u32, u64)> {
        let has = self.unsettled();
        let window = flight.window(self.window(), has);
        let (messages, bytes) = (window.0.saturating_sub(has.0), window.1.saturating_sub(has.1));
        let worth = messages * 4 >= window.0 && bytes * 4 >= window.1;
        (has.0 == 0 || worth).then_some((messages as u32, bytes))
    }

    fn window(&self) -> Load {
        (self.window_messages.into(), self.window_bytes)
    }

    fn unsettled(&self) -> Load {
        (self.unsettled_messages.into(), self.unsettled_bytes)
    }

    fn passed(&self) -> Load {
        (self.passed_messages, self.passed_bytes)
    }

    /// What it has under way. A long body beyond the window is not: its parts are, one by one.
    pub(super) fn flying(&self) -> Load {
        let most = self.window_bytes.max(CHUNK_LEN_MAX as u64);
        let bytes = self.unsettled_bytes.min(most) + self.passed_bytes.min(most);
        (u64::from(self.unsettled_messages) + self.passed_messages, bytes)
    }

    pub(super) fn offer(&mut self, first: Seq, offer: Delivery, flight: &mut DeliveryBudget) {
        let span = Span { first, last: offer.last() };
        flight.remove(self.flying());
        self.unsettled_messages += span.count() as u32;
        self.unsettled_bytes += offer.len_bytes(first, span);
        flight.add(self.flying());
        if !self.holds.is_empty() {
            self.holds.remove(span);
        }
        self.offers.insert(first, offer);
    }

    /// What of a span was neither delivered on this link nor is it kept from it.
    pub(super) fn lacks(&self, span: Span) -> Vec<Span> {
        if span.last <= self.floor {
            return Vec::new();
        }
        let span = Span { first: span.first.max(self.floor + 1), last: span.last };
        let new = self.offers.missing(span);
        if self.skipped.is_empty() {
            return new;
        }
        new.into_iter().flat_map(|span| self.skipped.missing(span)).collect()
    }

    /// There is something to be read again behind `seq`. What else has been read beyond it may be
    /// met again; it is known then as offered or processed.
    pub(super) fn rewind(&mut self, seq: Seq) {
        self.position = self.position.min(seq);
        match self.mode {
            Mode::Paging => self.rewound = true,
            Mode::Beginning => {}
            Mode::Live | Mode::Waiting => self.mode = Mode::Waiting,
        }
    }

    /// How many of these messages may be passed to it now: if it has dealt with all, at least one.
    pub(super) fn can_take(&self, bundle: &Bundle, flight: &DeliveryBudget) -> u64 {
        if self.streaming.is_some() {
            return 0;
        }
        self.room(bundle, self.passed(), flight)
    }

    /// Messages that it has and has not dealt with.
    pub(super) fn load(&self) -> u64 {
        self.passed_messages + u64::from(self.unsettled_messages)
    }

    pub(super) fn pass(&mut self, bundle: &Bundle, flight: &mut DeliveryBudget) {
        let (weights, count) = (bundle.weights(), bundle.count());
        flight.remove(self.flying());
        self.passed_messages += count;
        self.passed_bytes += weights.len_bytes(0, count);
        flight.add(self.flying());
        self.passed.push_back(Passed { weights, at: 0, count });
    }

    /// The last message passed to it does not become whole.
    pub(super) fn unpass(&mut self, flight: &mut DeliveryBudget) {
        if let Some(Passed { weights, at, count }) = self.passed.pop_back() {
            flight.remove(self.flying());
            self.passed_messages -= count;
            self.passed_bytes -= weights.len_bytes(at, count);
            flight.add(self.flying());
        }
    }

    /// It has dealt with so many messages that were passed to it. `false`: it never had them.
    pub(super) fn took(&mut self, count: u32, flight: &mut DeliveryBudget) -> bool {
        let mut left = u64::from(count);
        if left == 0 || left > self.passed_messages {
            return false;
        }
        flight.remove(self.flying());
        self.passed_messages -= left;
        while let Some(passed) = self.passed.front_mut().filter(|_| left > 0) {
            let taken = left.min(passed.count);
            self.passed_bytes -= passed.weights.len_bytes(passed.at, taken);
            passed.at += taken;
            passed.count -= taken;
            left -= taken;
            if passed.count == 0 {
                self.passed.pop_front();
            }
        }
        flight.add(self.flying());
        true
    }

    pub(super) fn settled(&mut self, messages: u32, bytes: u64, flight: &mut DeliveryBudget) {
        flight.remove(self.flying());
        self.unsettled_messages = self.unsettled_messages.saturating_sub(messages);
        self.unsettled_bytes = self.unsettled_bytes.saturating_sub(bytes);
        flight.add(self.flying());
    }
}
