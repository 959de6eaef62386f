//! Time, limits of a server, and every bound of the core.

use crate::wire::{CHUNKS_AHEAD_MAX, Features, FromServer};

// Cursors.

/// Most ranges that a cursor holds of messages acked out of order. Every move of the cursor writes
/// all of them.
pub(crate) const ACKED_RANGES_MAX: usize = 4_096;

/// Entries that a cursor may always have outstanding without a check that the log still has them.
pub(crate) const OUTSTANDING_RECHECK_MIN: usize = 16_384;

// Hub.

/// Most parked messages of one page.
pub(crate) const LIST_PARKED_MAX: usize = 64;

/// Most track updates that wait for a link's answer to a ping.
pub(crate) const TRACK_UPDATES_MAX: u32 = 1_024;

/// Most bytes of track updates that wait for a link's answer to a ping.
pub(crate) const TRACK_UPDATE_BYTES_MAX: u64 = 1 << 20;

/// Most bytes of track updates that are held back until that answer. A link with more is closed;
/// its client tracks again on the next one.
pub(crate) const TRACK_HELD_BYTES_MAX: u64 = 1 << 20;

/// Most expired messages whose recipients are looked up at the same time.
pub(crate) const EXPIRED_LOOKUPS_MAX: usize = 64;

/// Most milliseconds between two looks at the wall clock, which may have been set meanwhile.
pub(crate) const CLOCK_LOOK_MS_MAX: u64 = 60_000;

/// Most chunks of a stored body that are being read for one link.
pub(crate) const CHUNK_READS_MAX: usize = 8;

/// Spans of released deliveries that a reader may always hold without a check that they are still
/// unacked.
pub(crate) const RELEASED_SPANS_MIN: usize = 1_024;

// Peer.

/// Drafts that a client holds before it takes no more commands.
pub(crate) const DRAFTS_MAX: usize = 16_384;

/// Bytes of drafts in memory before a client takes no more commands.
pub(crate) const DRAFT_BYTES_MAX: u64 = 8 << 20;

/// Requests that a client holds before it takes no more commands.
pub(crate) const REQUESTS_MAX: usize = 2_048;

/// Most unanswered requests of a client on a link. Together with [`TRACK_PAGES_OPEN_MAX`] below the
/// limit of any server.
pub(crate) const REQUESTS_OPEN_MAX: usize = 16;

/// Most pages of recipients that a client asks for at the same time.
pub(crate) const TRACK_PAGES_OPEN_MAX: usize = 16;

/// Most spans that a client remembers of acks that it presumes to be recorded.
pub(crate) const PRESUMED_SPANS_MAX: usize = 8_192;

/// Milliseconds that an attempt to connect may take before the user is told that there is no link.
pub(crate) const DIAL_SILENT_MS: u64 = 3_000;

/// Most milliseconds by which two clocks may differ without a notice.
pub(crate) const SKEW_MS_MAX: u64 = 60_000;

/// Milliseconds of the first pause between two attempts to connect. It doubles with each attempt.
pub(crate) const BACKOFF_MS_MIN: u64 = 50;

/// Most milliseconds between two attempts: a client is back within a second of its server.
pub(crate) const BACKOFF_MS_MAX: u64 = 500;

/// Most milliseconds between two attempts after links that were welcomed and then lost without an
/// answer. [`BACKOFF_MS_MAX`] doubles with each of them up to this: clients whose requests crash
/// the server must not flood it.
pub(crate) const BACKOFF_FRUITLESS_MS_MAX: u64 = 4_000;

/// One moment by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Milliseconds since an arbitrary start; never goes back. Deadlines use this clock.
    pub mono_ms: u64,
    /// Milliseconds since 1970; may jump. Shown to people and compared with message ids.
    pub unix_ms: u64,
}

/// Limits that a server sets for its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most links at a time.
    pub links_max: usize,
    /// Most bytes of a body.
    pub body_len_max: u64,
    /// Most unanswered sends of a link.
    pub sends_max: u32,
    /// Most bytes of unanswered sends of a link; a long body counts with its first chunk. A larger
    /// message may go alone.
    pub send_bytes_max: u64,
    /// Most unacked deliveries of a link, whatever its reader asked for.
    pub prefetch_messages_max: u32,
    /// Most bytes of unacked deliveries of a link; a larger message may go alone.
    pub prefetch_bytes_max: u64,
    /// Most bytes of unacked deliveries of all links together. Above it, a link gets no more than
    /// [`budget_link_bytes_min`](Self::budget_link_bytes_min).
    pub budget_bytes_max: u64,
    /// Bytes of unacked deliveries that every link may have in any case; a larger message may go
    /// alone.
    pub budget_link_bytes_min: u64,
    /// Most unanswered requests of a link that are not sends.
    pub requests_max: u32,
    /// Most milliseconds that a link may stay silent before its first frame.
    pub hello_ms_max: u64,
    /// Most milliseconds since a message id was made: the time for which the store remembers it.
    pub id_age_ms_max: u64,
    /// Most milliseconds by which a message id may be ahead of the server's clock.
    pub id_ahead_ms_max: u64,
    /// Milliseconds between two removals of old messages.
    pub sweep_ms: u64,
    /// Milliseconds after the start of the hub in which sharing readers of one id wait until others
    /// have resumed.
    pub resume_grace_ms: u64,
    /// True if the claim of an id needs a join code.
    pub code_needed: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links_max: 20_000,
            body_len_max: 1 << 20,
            sends_max: 8192,
            send_bytes_max: 4 << 20,
            prefetch_messages_max: 8192,
            prefetch_bytes_max: 4 << 20,
            budget_bytes_max: 256 << 20,
            budget_link_bytes_min: 64 << 10,
            requests_max: 64,
            hello_ms_max: 3_000,
            id_age_ms_max: 7 * 24 * 60 * 60 * 1000,
            id_ahead_ms_max: 24 * 60 * 60 * 1000,
            sweep_ms: 60_000,
            resume_grace_ms: 0,
            code_needed: false,
        }
    }
}

/// The hello that a server sends first on every link. It holds public facts only, because the
/// client is not authenticated yet.
pub fn greeting(limits: &Limits, now: Time) -> FromServer {
    FromServer::Hello {
        time_ms: now.unix_ms,
        body_len_max: limits.body_len_max,
        sends_max: limits.sends_max,
        send_bytes_max: limits.send_bytes_max,
        version: concat!("qmsg ", env!("CARGO_PKG_VERSION")).into(),
        features: Features::KNOWN,
    }
}

/// Most frames of a link that are held until its id is looked up: all counted ones, and a few
/// others.
pub(crate) fn held_frames_max(limits: &Limits) -> usize {
    (limits.sends_max + limits.requests_max + CHUNKS_AHEAD_MAX) as usize + 64
}

/// Most frames that can wait to be written to a link whose client keeps to the protocol: answers to
/// sends and requests, pages of parked messages, deliveries and as many confirmations, chunks of
/// bodies and credit for chunks, track updates.
pub fn link_queue_max(limits: &Limits) -> usize {
    let chunks = 2 * CHUNKS_AHEAD_MAX;
    let answers = limits.sends_max + limits.requests_max * (1 + LIST_PARKED_MAX as u32);
    (answers + 2 * limits.prefetch_messages_max + chunks + TRACK_UPDATES_MAX) as usize + 16
}
