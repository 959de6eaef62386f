//! Bounds of the protocol. All except [`SKIPPED_MAX`] are part of the format: both sides rely on
//! them.

// Frames.

/// Most bytes of a body in one frame.
pub const CHUNK_LEN_MAX: usize = 64 << 10;

/// Most bytes of a frame without its length prefix: a chunk, headers, names, numbers, and the
/// lengths of a bundle's bodies, up to three bytes each.
pub const FRAME_LEN_MAX: usize = CHUNK_LEN_MAX + HEADERS_LEN_MAX + 2048 + 3 * BUNDLE_MAX;

/// Most chunks, first ones not counted, that a side may send on a link beyond those granted by the
/// other side's `ChunkCredit`.
pub const CHUNKS_AHEAD_MAX: u32 = 64;

/// Most unknown frames in a row that a side skips.
pub const SKIPPED_MAX: u32 = 64;

/// Most spans that one [`FromClient::Ack`](super::FromClient::Ack) can hold.
pub const SPANS_MAX: usize = 2048;

/// Most statuses of one [`FromServer::TrackPage`](super::FromServer::TrackPage).
pub const STATUSES_MAX: usize = 64;

// Messages.

/// Longest user id or room name, in bytes.
pub const NAME_LEN_MAX: usize = 128;

/// Most headers a message can have.
pub const HEADERS_MAX: usize = 64;

/// Most bytes that all names and values of a message's headers can have.
pub const HEADERS_LEN_MAX: usize = 8 << 10;

/// Most messages of a bundle.
pub const BUNDLE_MAX: usize = 1_024;

/// Most bytes of a [`Note`](super::Note).
pub const NOTE_LEN_MAX: usize = CHUNK_LEN_MAX - 4096;

/// Most bytes of the reason of a rejection.
pub const REASON_LEN_MAX: usize = 4 << 10;

/// Most bytes of the body of a [`ParkedMessage`](super::ParkedMessage).
pub const PARKED_LEN_MAX: usize = 48 << 10;
