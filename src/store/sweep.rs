//! Removing what has been kept long enough, a bounded amount at a time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::batch::Batch;
use super::names::ALL;
use super::sql::{Num, cursor, execute, first, num};
use crate::durable::Cursor;
use crate::wire::{MsgId, Seq};

/// Most messages looked at by one sweep, and most ids forgotten.
const EXAMINED_MAX: usize = 4096;
/// Most members whose cursors are looked at by one sweep.
const MEMBERS_MAX: u64 = 65_536;

/// How far the readers of a log are.
enum Readers {
    /// The one reader of a user's log.
    Owner(Cursor),
    /// The last member of a room; `u64::MAX` for a room without any.
    Slowest(Seq),
    /// Too many to ask.
    Everyone,
}

impl Readers {
    fn are_past(&self, seq: Seq) -> bool {
        match self {
            Self::Owner(Cursor { through, above, .. }) => {
                seq <= *through || above.binary_search(&seq).is_ok()
            }
            Self::Slowest(through) => seq <= *through,
            Self::Everyone => false,
        }
    }
}

struct Examined {
    seq: Seq,
    log: i64,
    ordinal: u64,
    time_ms: u64,
    bytes: u64,
}

/// Goes on behind seq `after`. Returns where it ended, 0 when it has been through, and whether more
/// could go at once.
pub(super) fn sweep(
    batch: &mut Batch<'_>,
    after: Seq,
    now_ms: u64,
) -> rusqlite::Result<(Seq, bool)> {
    let forgotten = forget_sent(batch, now_ms)?;
    execute(batch.db, "DELETE FROM code WHERE expires_ms <= ?1", [Num(now_ms)])?;

    let (processed_ms, unprocessed_ms) =
        (batch.quotas.keep_processed_ms, batch.quotas.keep_unprocessed_ms);
    let examined = examine(batch, after)?;
    let whole = examined.len() == EXAMINED_MAX;
    let mut readers = BTreeMap::new();
    let (mut members, mut removed, mut end) = (0, false, after);
    for message in examined {
        let age_ms = now_ms.saturating_sub(message.time_ms);
        if age_ms < processed_ms.min(unprocessed_ms) {
            // Times ascend with seqs, but for a clock that was set: nothing to do further on.
            return Ok((0, forgotten));
        }
        if members > MEMBERS_MAX {
            return Ok((end, true));
        }
        let readers = match readers.entry(message.log) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(readers_of(batch, message.log, &mut members)?),
        };
        let processed = readers.are_past(message.seq);
        end = message.seq;
        if processed {
            remove_processed(batch, &message)?;
            removed = true;
        } else if age_ms >= unprocessed_ms {
            removed |= remove_unread(batch, &message)?;
        }
    }
    Ok(if whole { (end, removed || forgotten) } else { (0, forgotten) })
}

fn examine(batch: &Batch<'_>, after: Seq) -> rusqlite::Result<Vec<Examined>> {
    const SQL: &str = "SELECT seq, log, ordinal, time_ms, bytes FROM message WHERE seq > ?1 \
        ORDER BY seq LIMIT ?2";
    let mut statement = batch.db.prepare_cached(SQL)?;
    let rows = statement.query_map((Num(after), Num(EXAMINED_MAX as u64)), |row| {
        Ok(Examined {
            seq: num(row, 0)?,
            log: row.get(1)?,
            ordinal: num(row, 2)?,
            time_ms: num(row, 3)?,
            bytes: num(row, 4)?,
        })
    })?;
    rows.collect()
}

fn readers_of(batch: &Batch<'_>, log: i64, members: &mut u64) -> rusqlite::Result<Readers> {
    if log == ALL {
        return Ok(Readers::Everyone);
    }
    if log > 0 {
        return Ok(Readers::Owner(cursor(batch.db, log, log)?.unwrap_or_default()));
    }
    const SQL: &str = "SELECT min(through), count(*) FROM cursor WHERE log = ?1 AND log < 0";
    let found =
        first(batch.db, SQL, [log], |row| Ok((row.get::<_, Option<Num>>(0)?, num(row, 1)?)));
    let (slowest, count) = found?.unwrap_or((None, 0));
    *members += count;
    Ok(Readers::Slowest(slowest.map_or(u64::MAX, |Num(through)| through)))
}

fn remove_processed(batch: &mut Batch<'_>, message: &Examined) -> rusqlite::Result<()> {
    delete(batch, message.seq)?;
    if message.log <= ALL {
        batch.log(message.log)?.keep_less(1, message.bytes);
    }
    Ok(())
}

/// Readers are told "all up to here is gone", so it goes only as the oldest of its log.
fn remove_unread(batch: &mut Batch<'_>, message: &Examined) -> rusqlite::Result<bool> {
    const SQL: &str = "SELECT min(seq) FROM message WHERE log = ?1";
    let oldest = first(batch.db, SQL, [message.log], |row| row.get::<_, Option<Num>>(0))?;
    if oldest.flatten().is_none_or(|Num(seq)| seq < message.seq) {
        return Ok(false);
    }
    delete(batch, message.seq)?;
    let log = batch.log(message.log)?;
    log.keep_less(1, message.bytes);
    log.note_removed(message.seq, message.ordinal);
    Ok(true)
}

fn delete(batch: &Batch<'_>, seq: Seq) -> rusqlite::Result<()> {
    execute(batch.db, "DELETE FROM message WHERE seq = ?1", [Num(seq)]).map(drop)
}

/// Forgets ids made before the duplicate window; returns whether there are more of them.
fn forget_sent(batch: &Batch<'_>, now_ms: u64) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM sent WHERE (id, user) IN \
        (SELECT id, user FROM sent WHERE id < ?1 ORDER BY id, user LIMIT ?2)";
    // Ids begin with 48 bits of time, most significant first (RFC 9562, section 5.7).
    let oldest_ms = now_ms.saturating_sub(batch.quotas.duplicate_window_ms);
    let mut cut = [0; size_of::<MsgId>()];
    cut[..6].copy_from_slice(&oldest_ms.to_be_bytes()[2..]);
    let forgotten = execute(batch.db, SQL, (cut, Num(EXAMINED_MAX as u64)))?;
    Ok(forgotten == EXAMINED_MAX)
}
