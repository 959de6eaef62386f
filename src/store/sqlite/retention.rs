//! Quotas of the logs of rooms and of `@all`: the oldest messages make room.

use rusqlite::Connection;

use super::numbers::LogNo;
use super::segment::StoredSegment;
use super::sql::first;
use super::write_buffer::WriteBuffer;
use crate::durable::Quotas;

/// Brings the log of a room or of `@all` within its quota, but leaves it its newest message.
///
/// What is dropped is gone for readers by the log's `removed_seq`; the row goes with the last of
/// its run.
pub(super) fn drop_oldest(
    db: &Connection,
    no: LogNo,
    tail: &mut WriteBuffer,
    quotas: &Quotas,
) -> rusqlite::Result<()> {
    const OLDEST: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head FROM run WHERE log = ?1 ORDER BY last LIMIT 1";
    let mut log = tail.log(db, no)?;
    while log.exceeds(quotas) {
        let Some(run) = first(db, OLDEST, [no], StoredSegment::at)? else { break };
        for piece in run.pieces(log.removed_seq) {
            if !log.exceeds(quotas) || piece.seq >= log.last_seq {
                return Ok(());
            }
            log.keep_less(piece.messages, piece.bytes);
            log.note_removed(piece.seq, piece.ordinal);
            *tail.change(db, no)? = log;
        }
        tail.note_removed(run.place.last);
        run.delete(db)?;
    }
    Ok(())
}
