//! Sweep: removal of messages that were kept long enough, a bounded number at a time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Transaction;
use crate::durable::{Quotas, StoredCursor};
use crate::store::limits::{SWEEP_EXAMINED_MAX, SWEEP_MEMBERS_MAX};
use crate::store::sqlite::cursor::{cursor, is_past};
use crate::store::sqlite::dispositions;
use crate::store::sqlite::numbers::LogNo;
use crate::store::sqlite::segment::StoredSegment;
use crate::store::sqlite::sql::{Num, first, num};
use crate::store::sqlite::write_buffer::{keep_less, note_removed_unread};
use crate::store::sqlite::{codes, expiry, keyed};
use crate::wire::Seq;

/// Progress of the readers of a log.
enum Readers {
    /// Cursor of the owner of a user's log.
    Owner(StoredCursor),
    /// Lowest cursor of a room's members; `u64::MAX` for a room without members.
    Slowest(Seq),
    /// Readers of `@all`: too many to look up.
    Everyone,
}

impl Readers {
    fn are_past(&self, seq: Seq) -> bool {
        match self {
            Self::Owner(cursor) => is_past(cursor, seq),
            Self::Slowest(through) => seq <= *through,
            Self::Everyone => false,
        }
    }
}

/// Sweeps from after seq `after`, the end of a segment. Returns the seq at which it stopped (0 if
/// it reached the end), and whether another sweep could remove more at once.
pub(super) fn sweep(
    batch: &mut Transaction<'_>,
    after: Seq,
    now_ms: u64,
) -> rusqlite::Result<(Seq, bool)> {
    let oldest_ms = now_ms.saturating_sub(batch.quotas.duplicate_window_ms);
    let forgotten = batch.expire(None, now_ms)?.more
        | batch.tail.forget(batch.db, oldest_ms)?
        | keyed::forget(batch.db, oldest_ms)?
        | dispositions::forget(batch.db, now_ms)?;
    codes::forget(batch.db, now_ms)?;

    let (examined, whole) = examine(batch, after)?;
    let mut readers = BTreeMap::new();
    let (mut members, mut removed, mut end) = (0, false, after);
    for run in examined {
        if members > SWEEP_MEMBERS_MAX {
            return Ok((end, true));
        }
        let readers = match readers.entry(run.place().log) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(readers_of(batch, run.place().log, &mut members)?),
        };
        let done = sweep_run(batch, &run, readers, now_ms)?;
        if done.young {
            // Times ascend with seqs, unless a clock was set: there is little to do further on.
            return Ok((0, forgotten));
        }
        end = run.place().last;
        removed |= done.removed;
    }
    Ok(if whole { (end, removed || forgotten) } else { (0, forgotten) })
}

/// Returns the segments to examine, and whether there may be more.
fn examine(batch: &Transaction<'_>, after: Seq) -> rusqlite::Result<(Vec<StoredSegment>, bool)> {
    const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head FROM run WHERE last > ?1 ORDER BY last";
    let mut statement = batch.db.prepare_cached(SQL)?;
    let mut rows = statement.query([Num(after)])?;
    let (mut runs, mut count) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let run = StoredSegment::at(row)?;
        count += run.whole().messages;
        runs.push(run);
        if count >= SWEEP_EXAMINED_MAX {
            return Ok((runs, true));
        }
    }
    Ok((runs, false))
}

/// Result of sweeping one segment.
struct SweptRun {
    /// True if some of its messages were removed.
    removed: bool,
    /// True if some of its messages are too young to be removed, as are all later messages.
    young: bool,
}

fn sweep_run(
    batch: &mut Transaction<'_>,
    run: &StoredSegment,
    readers: &Readers,
    now_ms: u64,
) -> rusqlite::Result<SweptRun> {
    let &Quotas { keep_processed_ms, keep_unprocessed_ms, .. } = batch.quotas;
    let log = run.place().log;
    let db = batch.db;
    let removed_seq = batch.tail.log(db, log)?.removed_seq;
    let mut done = SweptRun { removed: false, young: false };
    let (mut kept, mut rewrite) = (Vec::new(), false);
    for piece in run.pieces(removed_seq) {
        let age_ms = now_ms.saturating_sub(piece.time_ms);
        let young = age_ms < keep_processed_ms.min(keep_unprocessed_ms);
        // A time in the future comes from a clock that was ahead and has been set back. It tells
        // nothing about later messages.
        done.young |= young && piece.time_ms <= now_ms;
        if young {
            kept.push(piece.seq);
        } else if readers.are_past(piece.seq) {
            if !log.is_own() {
                keep_less(batch.tail.change(db, log)?, piece.messages, piece.bytes);
            }
            (done.removed, rewrite) = (true, true);
        } else if log.is_own() && age_ms >= keep_processed_ms && expiry::forget(db, log, piece.seq)?
        {
            // The message expired unread: it counts no more, and to readers looks as if it had been
            // acked.
            (done.removed, rewrite) = (true, true);
        } else if age_ms >= keep_unprocessed_ms && kept.is_empty() && is_oldest(batch, run)? {
            // Readers hear that everything up to a seq was removed, so only the oldest messages of
            // a log can go.
            let counts = !expiry::forget(db, log, piece.seq)?;
            let log = batch.tail.change(db, log)?;
            if counts {
                keep_less(log, piece.messages, piece.bytes);
            }
            note_removed_unread(log, piece.seq, piece.ordinal);
            done.removed = true;
        } else {
            kept.push(piece.seq);
        }
    }
    if kept.is_empty() || rewrite {
        batch.tail.note_removed(run.place().last);
    }
    if kept.is_empty() {
        run.delete(db)?;
    } else if rewrite {
        run.keep(db, &kept)?;
    }
    Ok(done)
}

/// Returns whether a segment is the oldest of its log.
fn is_oldest(batch: &Transaction<'_>, run: &StoredSegment) -> rusqlite::Result<bool> {
    const SQL: &str = "SELECT min(last) FROM run WHERE log = ?1";
    let oldest = first(batch.db, SQL, [run.place().log], |row| row.get::<_, Option<Num>>(0))?;
    Ok(oldest.flatten().is_some_and(|Num(oldest)| oldest == run.place().last))
}

fn readers_of(batch: &Transaction<'_>, log: LogNo, members: &mut u64) -> rusqlite::Result<Readers> {
    if log == LogNo::ALL {
        return Ok(Readers::Everyone);
    }
    if log.is_own() {
        return Ok(Readers::Owner(cursor(batch.db, log.owner(), log)?.unwrap_or_default()));
    }
    const SQL: &str = "SELECT min(through), count(*) FROM cursor WHERE log = ?1 AND log < 0";
    let found =
        first(batch.db, SQL, [log], |row| Ok((row.get::<_, Option<Num>>(0)?, num(row, 1)?)));
    let (slowest, count) = found?.unwrap_or((None, 0));
    *members += count;
    Ok(Readers::Slowest(slowest.map_or(u64::MAX, |Num(through)| through)))
}
