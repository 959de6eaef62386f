//! Quotas of the logs of rooms and of `@all`: the oldest messages are dropped.

use rusqlite::Connection;

use super::numbers::LogNo;
use super::segment::StoredSegment;
use super::sql::first;
use super::write_buffer::{WriteBuffer, exceeds, keep_less, note_removed_unread};
use crate::durable::Quotas;

/// Drops the oldest messages of a room or of `@all` until the log is within its quota, but never
/// the newest message.
///
/// Dropped messages are hidden from readers by the log's `removed_seq`; a row is deleted with the
/// last message of its segment.
pub(super) fn drop_oldest(
    db: &Connection,
    no: LogNo,
    tail: &mut WriteBuffer,
    quotas: &Quotas,
) -> rusqlite::Result<()> {
    const OLDEST: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head FROM run WHERE log = ?1 ORDER BY last LIMIT 1";
    let mut log = tail.log(db, no)?;
    while exceeds(&log, quotas) {
        let Some(run) = first(db, OLDEST, [no], StoredSegment::at)? else { break };
        for piece in run.pieces(log.removed_seq) {
            if !exceeds(&log, quotas) || piece.seq >= log.last_seq {
                return Ok(());
            }
            keep_less(&mut log, piece.messages, piece.bytes);
            note_removed_unread(&mut log, piece.seq, piece.ordinal);
            *tail.change(db, no)? = log;
        }
        tail.note_removed(run.place().last);
        run.delete(db)?;
    }
    Ok(())
}
