//! Messages to users that expire unread and then no longer count towards a quota.
//!
//! Each message that may expire unread has a row in `expiring`. When its time to live is over, the
//! row is removed, whatever has become of the message. Nothing waits for that moment: rows are
//! looked for when a log is full, and by sweeps. If the message is still unread it stops counting
//! and gets a row in `expired`. The row tells the reader who passes the message later not to
//! subtract it again.

use rusqlite::{Connection, Row};

use super::cursor::is_past;
use super::numbers::LogNo;
use super::sql::{Num, execute, num};
use crate::durable::{Quotas, StoredCursor};
use crate::store::limits::EXPIRED_TOGETHER_MAX;
use crate::wire::{Message, Seq};

/// A message that may expire.
pub(super) struct Expiring {
    pub(super) log: LogNo,
    pub(super) at_ms: u64,
    pub(super) seq: Seq,
    pub(super) bytes: u64,
}

/// Reads a row of `log, at_ms, seq, bytes`.
fn expiring_at(row: &Row<'_>) -> rusqlite::Result<Expiring> {
    let (log, at_ms) = (row.get(0)?, num(row, 1)?);
    Ok(Expiring { log, at_ms, seq: num(row, 2)?, bytes: num(row, 3)? })
}

/// Adds a message in a user's log that may expire before it would be removed unread anyway.
pub(super) fn note(
    db: &Connection,
    (log, seq): (LogNo, Seq),
    message: &Message,
    quotas: &Quotas,
) -> rusqlite::Result<()> {
    let soon = |at_ms: &u64| at_ms - message.time_ms < quotas.keep_unprocessed_ms;
    let expires_ms = message.headers.expires_ms(message.time_ms);
    let Some(at_ms) = expires_ms.filter(soon) else { return Ok(()) };
    const SQL: &str = "INSERT INTO expiring (log, at_ms, seq, bytes) VALUES (?1, ?2, ?3, ?4)";
    execute(db, SQL, (log, Num(at_ms), Num(seq), Num(message.len_bytes()))).map(drop)
}

/// Removes the rows of expired messages that a cursor covers. Returns their number and bytes, which
/// no longer count in the log.
pub(super) fn settled(
    db: &Connection,
    log: LogNo,
    cursor: &StoredCursor,
) -> rusqlite::Result<(u64, u64)> {
    const SQL: &str = "SELECT seq, bytes FROM expired WHERE log = ?1 AND seq <= ?2";
    let last = cursor.above.last().map_or(cursor.through, |stretch| stretch.span.last);
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query((log, Num(last)))?;
    let mut covered = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = num(row, 0)?;
        if is_past(cursor, seq) {
            covered.push((seq, num(row, 1)?));
        }
    }
    for (seq, _) in &covered {
        forget(db, log, *seq)?;
    }
    Ok((covered.len() as u64, covered.iter().map(|(_, bytes)| bytes).sum()))
}

/// Removes the row of a message that is being deleted. Returns whether it had expired unread.
pub(super) fn forget(db: &Connection, log: LogNo, seq: Seq) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM expired WHERE log = ?1 AND seq = ?2";
    Ok(execute(db, sql, (log, Num(seq)))? > 0)
}

pub(super) fn due(
    db: &Connection,
    log: Option<LogNo>,
    now_ms: u64,
) -> rusqlite::Result<Vec<Expiring>> {
    const ONE: &str = "SELECT log, at_ms, seq, bytes FROM expiring \
        WHERE log = ?3 AND at_ms <= ?1 ORDER BY at_ms, seq LIMIT ?2";
    const ALL: &str = "SELECT log, at_ms, seq, bytes FROM expiring \
        WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2";
    let (now, max) = (Num(now_ms), EXPIRED_TOGETHER_MAX as i64);
    match log {
        Some(log) => db.prepare_cached(ONE)?.query_map((now, max, log), expiring_at)?.collect(),
        None => db.prepare_cached(ALL)?.query_map((now, max), expiring_at)?.collect(),
    }
}
