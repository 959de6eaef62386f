//! Ids that were made of keys: the duplicate check for them.
//!
//! They tell no time, so each is kept with the time at which it was noted, and counts as had from
//! then on for as long as the ids of [`sent`](super::dedup) do.

use rusqlite::Connection;

use super::numbers::UserNo;
use super::sql::{Num, execute, first, num};
use crate::store::limits::KEYED_IDS_REMOVED_MAX;
use crate::wire::MsgId;

/// Whether the sender has had this id stored at `oldest_ms` or later.
pub(super) fn has(
    db: &Connection,
    id: MsgId,
    user: UserNo,
    oldest_ms: u64,
) -> rusqlite::Result<bool> {
    Ok(time(db, id, user)?.is_some_and(|time_ms| time_ms >= oldest_ms))
}

/// When this id was last noted, if it was.
pub(super) fn time(db: &Connection, id: MsgId, user: UserNo) -> rusqlite::Result<Option<u64>> {
    const SQL: &str = "SELECT time_ms FROM keyed WHERE id = ?1 AND user = ?2";
    first(db, SQL, (id.as_bytes(), user), |row| num(row, 0))
}

/// Remembers an id from now on. `false`: it has been had at `oldest_ms` or later.
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

/// Forgets ids noted before `oldest_ms`, a bounded number of them; returns whether there may be
/// more.
pub(super) fn forget(db: &Connection, oldest_ms: u64) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM keyed WHERE (id, user) IN \
        (SELECT id, user FROM keyed WHERE time_ms < ?1 ORDER BY time_ms LIMIT ?2)";
    Ok(execute(db, SQL, (Num(oldest_ms), KEYED_IDS_REMOVED_MAX as i64))? == KEYED_IDS_REMOVED_MAX)
}
