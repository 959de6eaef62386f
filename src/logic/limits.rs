//! Time and the bounds of the core.

use crate::wire::{CHUNKS_AHEAD_MAX, FromServer};

/// Most parked messages of one page.
pub(crate) const LIST_PARKED_MAX: usize = 64;

/// Most track updates that wait for a link's answer to a ping.
pub(crate) const TOLD_MAX: u32 = 1_024;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Milliseconds since some start; never goes back. Deadlines are in it.
    pub mono_ms: u64,
    /// Milliseconds since 1970; may jump. Shown to people and compared with message ids.
    pub unix_ms: u64,
}

/// What a hub allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most links at a time.
    pub links_max: usize,
    /// Most bytes of a body.
    pub body_len_max: u64,
    /// Most unanswered sends of a link.
    pub sends_max: u32,
    /// Most bytes of unanswered sends of a link, of long bodies the first parts; a larger message
    /// may go alone.
    pub send_bytes_max: u64,
    /// Most deliveries of a link that are not settled, whatever the reader asked for.
    pub window_messages_max: u32,
    /// Most bytes of the same; a larger message may go alone.
    pub window_bytes_max: u64,
    /// Most bytes of deliveries of all links together that are not settled. What is beyond it goes
    /// out only as far as the next limit lets it.
    pub flight_bytes_max: u64,
    /// Bytes of deliveries that a link may have unsettled whatever the others have; a larger
    /// message may go alone.
    pub flight_bytes_min: u64,
    /// Most unanswered requests of a link that are not sends.
    pub requests_max: u32,
    /// How long a link may stay silent before its first frame.
    pub hello_ms_max: u64,
    /// How old a message id may be: as long as the store remembers it.
    pub id_age_ms_max: u64,
    /// How far ahead of the server's clock a message id may be.
    pub id_ahead_ms_max: u64,
    /// How often old messages are removed.
    pub sweep_ms: u64,
    /// How long those who share an id wait for the others when the hub has just begun, in
    /// milliseconds.
    pub gather_ms: u64,
    /// Whether claiming an id needs a join code.
    pub code_needed: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links_max: 20_000,
            body_len_max: 1 << 20,
            sends_max: 8192,
            send_bytes_max: 4 << 20,
            window_messages_max: 8192,
            window_bytes_max: 4 << 20,
            flight_bytes_max: 256 << 20,
            flight_bytes_min: 64 << 10,
            requests_max: 64,
            hello_ms_max: 3_000,
            id_age_ms_max: 7 * 24 * 60 * 60 * 1000,
            id_ahead_ms_max: 24 * 60 * 60 * 1000,
            sweep_ms: 60_000,
            gather_ms: 0,
            code_needed: false,
        }
    }
}

impl Limits {
    /// What a server says first on every link. Holds public facts only: the client is not
    /// authenticated yet.
    pub fn greeting(&self, now: Time) -> FromServer {
        FromServer::Hello {
            time_ms: now.unix_ms,
            body_len_max: self.body_len_max,
            sends_max: self.sends_max,
            send_bytes_max: self.send_bytes_max,
            version: concat!("qmsg ", env!("CARGO_PKG_VERSION")).into(),
        }
    }

    /// Most frames that wait for a link's id to be looked up: those that are counted, and a few
    /// that are not.
    pub(crate) fn held_max(&self) -> usize {
        (self.sends_max + self.requests_max + CHUNKS_AHEAD_MAX) as usize + 64
    }

    /// Most frames that can wait to be written to a link that keeps to the protocol: answers to
    /// sends and requests, what is shown of drawers, deliveries, and as many confirmations; parts
    /// of bodies, and what makes up for the client's; what a watching sender is told.
    pub fn link_queue_max(&self) -> usize {
        let parts = 2 * CHUNKS_AHEAD_MAX;
        let answers = self.sends_max + self.requests_max * (1 + LIST_PARKED_MAX as u32);
        (answers + 2 * self.window_messages_max + parts + TOLD_MAX) as usize + 16
    }
}
