//! Limits that the store keeps.

/// Limits that the store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Most unacked messages in a user's own log, most messages in a room's.
    pub log_messages_max: u64,
    /// Most bytes of the same; a room's log, and that of `@all`, drops its oldest instead of
    /// refusing.
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
    /// Most bytes the store's file may have, its write-ahead log of about 8 MiB not counted; beyond
    /// it writes are answered as on a full disk. 0: as many as the disk has.
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
