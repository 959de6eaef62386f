//! Messages that expired unread, subtracted from the count of their log.

use std::collections::BTreeMap;

use super::Transaction;
use crate::durable::StoredCursor;
use crate::store::limits::EXPIRED_TOGETHER_MAX;
use crate::store::sqlite::cursor::{cursor, is_past};
use crate::store::sqlite::expiry::{Expiring, due};
use crate::store::sqlite::numbers::LogNo;
use crate::store::sqlite::sql::{Num, execute};
use crate::store::sqlite::write_buffer::keep_less;

impl Transaction<'_> {
    /// Subtracts a bounded number of expired messages from the count of a user's log, or of all
    /// users' logs.
    pub(super) fn expire(&mut self, log: Option<LogNo>, now_ms: u64) -> rusqlite::Result<Expiry> {
        let found = due(self.db, log, now_ms)?;
        let mut cursors: BTreeMap<LogNo, StoredCursor> = BTreeMap::new();
        for Expiring { log, at_ms, seq, bytes } in &found {
            let sql = "DELETE FROM expiring WHERE log = ?1 AND at_ms = ?2 AND seq = ?3";
            execute(self.db, sql, (log, Num(*at_ms), Num(*seq)))?;
            if !cursors.contains_key(log) {
                cursors.insert(*log, cursor(self.db, log.owner(), *log)?.unwrap_or_default());
            }
            let known = [cursors.get(log), self.cursors.get(&(log.owner(), *log))];
            let is_read = known.into_iter().flatten().any(|cursor| is_past(cursor, *seq));
            if is_read || *seq <= self.tail.log(self.db, *log)?.removed_seq {
                continue;
            }
            let sql = "INSERT INTO expired (log, seq, bytes) VALUES (?1, ?2, ?3)";
            execute(self.db, sql, (log, Num(*seq), Num(*bytes)))?;
            keep_less(self.tail.change(self.db, *log)?, 1, *bytes);
        }
        Ok(Expiry { any: !found.is_empty(), more: found.len() == EXPIRED_TOGETHER_MAX })
    }
}

/// Result of a search for expired messages.
pub(super) struct Expiry {
    pub(super) any: bool,
    /// True if there may be more.
    pub(super) more: bool,
}
