//! What the hub knows of one link.

use std::collections::{BTreeMap, VecDeque};

use crate::durable::Page;
use crate::wire::{Bodies, FromClient, PARTS_AHEAD_MAX, Pin, Seq, Target, UserId};

use super::Limits;
use super::streaming::Streaming;
use super::uploading::Incoming;

/// One connection of one device.
pub(super) struct Link {
    pub(super) key: Pin,
    pub(super) stage: Stage,
    /// Unanswered sends and their bytes, those held back included.
    pub(super) sends: u32,
    pub(super) send_bytes: u64,
    /// Unanswered requests that are not sends.
    pub(super) requests: u32,
    pub(super) reader: Option<Reader>,
    /// What may come of bodies.
    pub(super) bodies: Bodies,
    /// Where the long body under way goes.
    pub(super) incoming: Option<Incoming>,
    /// Parts that came and were not made up for by `More`.
    pub(super) parts_in: u32,
    /// Parts that went out and were not made up for.
    pub(super) parts_out: u32,
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
    pub(super) offers: BTreeMap<Seq, Offer>,
    /// Everything for this reader up to here has been delivered, or was processed already.
    pub(super) position: Seq,
    pub(super) mode: Mode,
    /// The position went back while a page was on its way, which does not bring it forward then.
    pub(super) rewound: bool,
    /// Bytes of the messages passed to it that it has not taken, in order.
    pub(super) passed: VecDeque<u64>,
    pub(super) passed_bytes: u64,
    /// It has been told that it caught up.
    pub(super) told: bool,
    /// The long body on its way to it; nothing else with a body goes there until it ends.
    pub(super) streaming: Option<Streaming>,
    /// What is left of a page, for after that body. The page counts as on its way.
    pub(super) parked: Option<Page>,
}

/// Where a reader gets its messages from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nowhere: its mailbox is being loaded, or its window is shut.
    Waiting,
    /// A page of the store, on its way.
    Paging,
    /// What becomes durable goes straight to it.
    Live,
}

/// A delivery that is not yet processed.
pub(super) struct Offer {
    pub(super) log: Target,
    pub(super) bytes: u64,
    /// Whether it is a message, which counts in quotas, or a notice of lost ones.
    pub(super) counts: bool,
}

impl Link {
    pub(super) fn new(key: Pin, until_ms: u64) -> Self {
        Self {
            key,
            stage: Stage::Silent { until_ms },
            sends: 0,
            send_bytes: 0,
            requests: 0,
            reader: None,
            bodies: Bodies::default(),
            incoming: None,
            parts_in: 0,
            parts_out: 0,
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
            FromClient::Send { body, headers, .. } | FromClient::Pass { body, headers, .. } => {
                let bytes = (body.len() + headers.len_bytes()) as u64;
                let fits = self.sends == 0 || self.send_bytes + bytes <= limits.send_bytes_max;
                self.sends += 1;
                self.send_bytes += bytes;
                fits && self.sends <= limits.sends_max
            }
            FromClient::Enter(_) | FromClient::Leave(_) => {
                self.requests += 1;
                self.requests <= limits.requests_max
            }
            FromClient::Part(_) => {
                self.parts_in += 1;
                self.parts_in <= PARTS_AHEAD_MAX
            }
            FromClient::Hello { .. }
            | FromClient::Took { .. }
            | FromClient::Cut
            | FromClient::More { .. }
            | FromClient::Attach { .. }
            | FromClient::Processed(_) => true,
        }
    }

    /// A send has been answered.
    pub(super) fn answered(&mut self, bytes: u64) {
        self.sends = self.sends.saturating_sub(1);
        self.send_bytes = self.send_bytes.saturating_sub(bytes);
    }
}

impl Reader {
    pub(super) fn new(messages: u32, bytes: u64, limits: &Limits) -> Self {
        Self {
            window_messages: messages.clamp(1, limits.window_messages_max),
            window_bytes: bytes.min(limits.window_bytes_max),
            unsettled_messages: 0,
            unsettled_bytes: 0,
            offers: BTreeMap::new(),
            position: 0,
            mode: Mode::Waiting,
            rewound: false,
            passed: VecDeque::new(),
            passed_bytes: 0,
            told: false,
            streaming: None,
            parked: None,
        }
    }

    /// Whether a message of so many bytes may be delivered now.
    pub(super) fn admits(&self, bytes: u64) -> bool {
        self.unsettled_messages == 0
            || (self.unsettled_messages < self.window_messages
                && self.unsettled_bytes + bytes <= self.window_bytes)
    }

    /// What a page may hold: messages and bytes. `None` while so little is free that the page would
    /// not be worth its read.
    pub(super) fn page_size(&self) -> Option<(u32, u64)> {
        let messages = self.window_messages - self.unsettled_messages.min(self.window_messages);
        let bytes = self.window_bytes.saturating_sub(self.unsettled_bytes);
        let worth = messages * 4 >= self.window_messages && bytes * 4 >= self.window_bytes;
        (self.unsettled_messages == 0 || worth).then_some((messages, bytes))
    }

    pub(super) fn offer(&mut self, seq: Seq, offer: Offer) {
        self.unsettled_messages += 1;
        self.unsettled_bytes += offer.bytes;
        self.offers.insert(seq, offer);
    }

    /// There is something to be read again behind `seq`. What else has been read beyond it may be
    /// met again; it is known then as offered or processed.
    pub(super) fn rewind(&mut self, seq: Seq) {
        self.position = self.position.min(seq);
        match self.mode {
            Mode::Paging => self.rewound = true,
            Mode::Live | Mode::Waiting => self.mode = Mode::Waiting,
        }
    }

    /// Whether a message of so many bytes may be passed to it now.
    pub(super) fn can_take(&self, bytes: u64) -> bool {
        let fits = self.passed.is_empty()
            || (self.passed.len() < self.window_messages as usize
                && self.passed_bytes + bytes <= self.window_bytes);
        fits && self.streaming.is_none()
    }

    pub(super) fn pass(&mut self, bytes: u64) {
        self.passed.push_back(bytes);
        self.passed_bytes += bytes;
    }

    /// The last message passed to it does not become whole.
    pub(super) fn unpass(&mut self) {
        self.passed_bytes -= self.passed.pop_back().unwrap_or_default();
    }

    /// It has dealt with so many messages that were passed to it. `false`: it never had them.
    pub(super) fn took(&mut self, count: u32) -> bool {
        let count = count as usize;
        let known = 0 < count && count <= self.passed.len();
        if known {
            self.passed_bytes -= self.passed.drain(..count).sum::<u64>();
        }
        known
    }

    pub(super) fn settled(&mut self, messages: u32, bytes: u64) {
        self.unsettled_messages = self.unsettled_messages.saturating_sub(messages);
        self.unsettled_bytes = self.unsettled_bytes.saturating_sub(bytes);
    }
}

/// Whether a frame makes sense behind those that wait for the link's id. Sends, parts and requests
/// are counted, one attaches once, and nothing has been delivered yet: so there are few.
pub(super) fn can_wait(held: &[FromClient], frame: &FromClient) -> bool {
    match frame {
        FromClient::Send { .. }
        | FromClient::Pass { .. }
        | FromClient::Part(_)
        | FromClient::Cut
        | FromClient::Enter(_)
        | FromClient::Leave(_) => true,
        FromClient::Attach { .. } => {
            !held.iter().any(|held| matches!(held, FromClient::Attach { .. }))
        }
        FromClient::Processed(_)
        | FromClient::Took { .. }
        | FromClient::Hello { .. }
        | FromClient::More { .. } => false,
    }
}
