//! Bounds of the store and of its engine.

// Threads.

/// Most batches that wait while another is being written. With more,
/// [`Store::commit`](super::Store::commit) blocks.
pub(super) const BATCHES_WAITING_MAX: usize = 1;

// The file.

/// Lowest version of SQLite: 3.51.3 fixes a race between checkpoint and commit that could lose the
/// content of the WAL.
pub(super) const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Most prepared statements kept by a connection.
pub(super) const STATEMENTS_CACHED_MAX: usize = 128;

/// Most bytes to which the WAL is lengthened in advance: a little more than is written between two
/// checkpoints.
pub(super) const WAL_LEN_MAX: u64 = 9 << 20;

// Messages.

/// Most messages of a segment.
pub(super) const SEGMENT_MESSAGES_MAX: usize = 256;

/// Bytes of records after which a segment takes no further message. A larger message has a segment
/// of its own.
pub(super) const SEGMENT_BYTES_MAX: usize = 64 << 10;

/// Messages in the write buffer at which all of it is written to its tables.
pub(super) const BUFFERED_MESSAGES_MAX: u64 = 4096;

/// Logs in the write buffer at which all of it is written to its tables.
pub(super) const BUFFERED_LOGS_MAX: usize = 8192;

/// Most unreferenced chunks removed at a time.
pub(super) const CHUNKS_REMOVED_MAX: u64 = 64;

/// Newer messages, give or take a segment, beyond which a message is no longer found by its id.
pub(super) const LOCATE_BEHIND_MAX: u64 = 1 << 17;

/// Most milliseconds by which the time in an id may be later than the time at which its message is
/// stored. Ids further ahead are refused; clocks are assumed to be set back by less.
pub(super) const ID_AHEAD_MS_MAX: u64 = 2 * 24 * 60 * 60 * 1000;

/// Most messages in a fuzzer's segment.
#[cfg(any(test, fuzzing))]
pub(super) const FUZZED_MESSAGES_MAX: usize = 16;

// Names and ids.

/// Most names in memory, of users and of rooms each. When there are more, all are dropped and read
/// again.
pub(super) const NAMES_CACHED_MAX: usize = 65_536;

/// Most ids in one row of the duplicate index.
pub(super) const DEDUP_ROW_IDS_MAX: usize = 128;

/// Most ids in one leaf of the duplicate index in memory before the leaf is written.
pub(super) const DEDUP_LEAF_IDS_MAX: usize = 4 * DEDUP_ROW_IDS_MAX;

/// Most leaves of the duplicate index in memory before all are written.
pub(super) const DEDUP_LEAVES_MAX: usize = 1024;

/// Most leaves of the duplicate index removed at a time.
pub(super) const DEDUP_LEAVES_REMOVED_MAX: usize = 32;

/// Most ids made from keys removed at a time.
pub(super) const KEYED_IDS_REMOVED_MAX: usize = 1024;

// Sweeping and expiry.

/// Messages after which a sweep ends, at the end of the segment it examines.
pub(super) const SWEEP_EXAMINED_MAX: u64 = 4096;

/// Most members whose cursors one sweep reads, give or take a room.
pub(super) const SWEEP_MEMBERS_MAX: u64 = 65_536;

/// Most rows of messages with a time to live that are read at once.
pub(super) const EXPIRED_TOGETHER_MAX: usize = 1024;

/// Most dispositions removed at a time.
pub(super) const DISPOSITIONS_REMOVED_MAX: usize = 1024;

// Parked messages.

/// Most parked messages in a page.
pub(super) const PARKED_PAGE_MAX: usize = 64;

/// Most parked messages taken out by one write.
pub(super) const PARKED_TAKEN_MAX: usize = 64;

/// Most dead letters dropped to make room for one.
pub(super) const DEAD_LETTERS_DROPPED_MAX: usize = 64;

// Damage.

/// Most damages that a check lists individually.
pub(super) const DAMAGES_LISTED_MAX: u32 = 10;

/// Most searches of one table in a salvage, however damaged it is.
pub(super) const SALVAGE_SEARCHES_MAX: u32 = 4_000;
