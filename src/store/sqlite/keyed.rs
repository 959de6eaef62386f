//! Ids made from keys, for the duplicate check.
//!
//! These ids hold no time, so each is stored with the time at which it was noted. From then on it
//! is a duplicate, for as long as the ids in [`sent`](super::dedup) are.

use rusqlite::Connection;

use super::numbers::UserNo;
use super::sql::{Num, execute, first, num};
use crate::store::limits::KEYED_IDS_REMOVED_MAX;
use crate::wire::MsgId;

/// Returns whether the sender has sent a message with this id at `oldest_ms` or later.
pub(super) fn has(
    db: &Connection,
    id: MsgId,
    user: UserNo,
    oldest_ms: u64,
) -> rusqlite::Result<bool> {
    Ok(time(db, id, user)?.is_some_and(|time_ms| time_ms >= oldest_ms))
}

/// Returns the time at which this id was last noted.
pub(super) fn time(db: &Connection, id: MsgId, user: UserNo) -> rusqlite::Result<Option<u64>> {
    const SQL: &str = "SELECT time_ms FROM keyed WHERE id = ?1 AND user = ?2";
    first(db, SQL, (id.as_bytes(), user), |row| num(row, 0))
}

/// Notes an id. Returns false if it was noted at `oldest_ms` or later.
pub(super) fn note(
    db: &Connection,
    id: MsgId,
    user: UserNo,
    (now_ms, oldest_ms): (u64, u64),
) -> rusqlite::Result<bool> {
    const SQL: &str = "INSERT INTO keyed (id, user, time_ms) VALUES (?1, ?2, ?3) \
        ON CONFLICT (id, user) DO UPDATE SET time_ms = ?3 WHERE time_ms < ?4";
    Ok(execute(db, SQL, (id.as_bytes(), user, Num(now_ms), Num(oldest_ms)))? > 0)
}

/// Removes a bounded number of ids noted before `oldest_ms`. Returns whether there may be more.
pub(super) fn forget(db: &Connection, oldest_ms: u64) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM keyed WHERE (id, user) IN \
        (SELECT id, user FROM keyed WHERE time_ms < ?1 ORDER BY time_ms LIMIT ?2)";
    Ok(execute(db, SQL, (Num(oldest_ms), KEYED_IDS_REMOVED_MAX as i64))? == KEYED_IDS_REMOVED_MAX)
}
