//! Search for a message of a log by its seq, its id, or its time.

use rusqlite::Connection;

use super::numbers::{LogNo, UserNo};
use super::record::{self, Long};
use super::segment::{self, StoredSegment};
use super::sql::{Num, first, num};
use crate::store::limits::{ID_AHEAD_MS_MAX, LOCATE_BEHIND_MAX};
use crate::wire::{Message, MsgId, Seq, Target};

/// A message; a long one comes without its body, but with the place of its chunks.
pub(super) type Whole = (Message, Option<Long>);

/// Returns the segment that holds a message of a log.
fn run_of(db: &Connection, no: LogNo, seq: Seq) -> rusqlite::Result<Option<StoredSegment>> {
    const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head FROM run WHERE log = ?1 AND last >= ?2 ORDER BY last LIMIT 1";
    first(db, SQL, (no, Num(seq)), StoredSegment::at)
}

/// Returns the time at which the message at a seq was stored.
pub(super) fn time(db: &Connection, no: LogNo, seq: Seq) -> rusqlite::Result<Option<u64>> {
    let head = run_of(db, no, seq)?.and_then(|run| run.into_head().ok());
    let Some(head) = head else { return Ok(None) };
    let entry = head.entries().iter().find(|entry| entry.seq == seq);
    Ok(entry.map(|entry| entry.time_ms))
}

/// Returns the message at a seq, unless it is missing or damaged.
pub(super) fn message(
    db: &Connection,
    (no, log): (LogNo, &Target),
    seq: Seq,
) -> rusqlite::Result<Option<Whole>> {
    let Some(run) = run_of(db, no, seq)? else { return Ok(None) };
    let read = match run.head() {
        Err(rot) => Err(rot),
        Ok(head) => {
            let found = head.spans().find(|(entry, _)| entry.seq == seq);
            let Some((entry, span)) = found else { return Ok(None) };
            let records = segment::records(db, run.place().last)?;
            let (record, from) = (records.get(span).unwrap_or_default(), head.sender(entry).1);
            record::decode(entry, from.clone(), log.clone(), record)
                .map(|message| (message, entry.long))
        }
    };
    if let Err(rot) = &read {
        tracing::error!(%log, seq, "what is stored is damaged: {rot}");
    }
    Ok(read.ok())
}

/// Returns the time at which an id was made, or 0 if the id does not tell.
pub(super) fn made_ms(id: MsgId) -> u64 {
    if id.is_keyed() { 0 } else { id.unix_ms() }
}

/// Returns the seq of the newest message of a log with this id, from this sender if one is named,
/// that was stored at about `made_ms` or later.
///
/// Reads the heads of the log's segments, newest first, at about a microsecond each. Stops when the
/// message is found, two days before `made_ms`, or after [`LOCATE_BEHIND_MAX`] messages.
pub(super) fn by_id(
    db: &Connection,
    no: LogNo,
    id: MsgId,
    sender: Option<UserNo>,
    made_ms: u64,
) -> rusqlite::Result<Option<Seq>> {
    const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head, instr(head, ?2) FROM run WHERE log = ?1 ORDER BY last DESC";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query((no, id.as_bytes()))?;
    let mut behind = 0;
    while let Some(row) = rows.next()? {
        if behind > LOCATE_BEHIND_MAX || num(row, 5)?.saturating_add(ID_AHEAD_MS_MAX) < made_ms {
            break;
        }
        behind += num(row, 3)?;
        // Most heads do not contain these bytes and are not decoded.
        if num(row, 9)? == 0 {
            continue;
        }
        let Ok(head) = StoredSegment::at(row)?.into_head() else { continue };
        let mut newest_first = head.entries().iter().rev();
        let found = newest_first.find(|entry| {
            record::id_of(entry) == id && sender.is_none_or(|sender| head.sender(entry).0 == sender)
        });
        if let Some(entry) = found {
            return Ok(Some(entry.seq));
        }
    }
    Ok(None)
}

/// Returns the seq of the first message of a log that was stored at this time or later.
///
/// Clocks may have been set, so segments are read from the oldest on until one matches: about a
/// microsecond each.
pub(super) fn since(db: &Connection, no: LogNo, time_ms: u64) -> rusqlite::Result<Option<Seq>> {
    const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head FROM run WHERE log = ?1 AND time_ms >= ?2 ORDER BY last LIMIT 1";
    let Some(run) = first(db, SQL, (no, Num(time_ms)), StoredSegment::at)? else { return Ok(None) };
    let first = run.pieces(0).find(|piece| piece.time_ms >= time_ms);
    Ok(first.map(|piece| piece.seq))
}
