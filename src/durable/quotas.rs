//! Quotas that the store enforces.

/// Quotas that the store enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Most unacked messages in a user's own log, and most messages in a room's log.
    pub log_messages_max: u64,
    /// Most bytes of the same. A full user's log refuses messages; the log of a room, and that of
    /// `@all`, drops its oldest instead.
    pub log_bytes_max: u64,
    /// Most users.
    pub users_max: u64,
    /// Most rooms.
    pub rooms_max: u64,
    /// Most rooms that one user can be a member of.
    pub memberships_max: u64,
    /// Time for which a sender's ids are remembered, in milliseconds.
    pub duplicate_window_ms: u64,
    /// Time for which a message is kept after all its readers acked it, in milliseconds.
    pub keep_processed_ms: u64,
    /// Time for which an unacked message is kept, in milliseconds.
    pub keep_unprocessed_ms: u64,
    /// Most bytes of the store's file, not counting its write-ahead log of about 8 MiB. When it is
    /// reached, writes are answered as on a full disk. 0: no limit.
    pub store_bytes_max: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        Self {
            log_messages_max: 100_000,
            log_bytes_max: 1 << 30,
            users_max: 1_000_000,
            rooms_max: 100_000,
            memberships_max: 1_000,
            duplicate_window_ms: 7 * DAY_MS,
            keep_processed_ms: DAY_MS,
            keep_unprocessed_ms: 30 * DAY_MS,
            store_bytes_max: 0,
        }
    }
}
