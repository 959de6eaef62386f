//! Dispositions of messages by their readers, one row each (table `verdict`).
//!
//! The first disposition stays. Without a row, the reader's cursor tells how far a message has
//! come.

use rusqlite::Connection;

use super::numbers::UserNo;
use super::record::{Sum, sum_at};
use super::sql::{Num, execute, first, num};
use crate::durable::Disposition;
use crate::store::limits::DISPOSITIONS_REMOVED_MAX;
use crate::wire::{Body, DeliveryState, Note, Seq};

/// Disposition of a message as reported to its sender.
pub(super) struct StoredDisposition {
    pub(super) state: DeliveryState,
    pub(super) time_ms: u64,
    pub(super) note: Option<Note>,
}

/// Delivery states, by their number in the table. Their order is part of the format.
const STATES: [DeliveryState; 3] =
    [DeliveryState::Processed, DeliveryState::Rejected, DeliveryState::Gone];

/// Stores a disposition. Returns false if there was one already.
pub(super) fn put(
    db: &Connection,
    (seq, user): (Seq, UserNo),
    verdict: &Disposition,
    time_ms: u64,
    until_ms: u64,
) -> rusqlite::Result<bool> {
    let (kind, note) = match verdict {
        Disposition::Replied(note) => (0, &*note.body().0),
        Disposition::Rejected { reason, .. } => (1, &*reason.body().0),
        Disposition::Expired => (2, &[][..]),
    };
    const SQL: &str = "INSERT OR IGNORE INTO verdict \
        (seq, user, kind, time_ms, until_ms, sum, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let sum = sum((seq, user), (kind, time_ms), note);
    let row = (Num(seq), user, Num(kind), Num(time_ms), Num(until_ms), sum, note);
    Ok(execute(db, SQL, row)? > 0)
}

/// Returns the disposition of a message by a user, if there is one.
pub(super) fn said(
    db: &Connection,
    (seq, user): (Seq, UserNo),
) -> rusqlite::Result<Option<StoredDisposition>> {
    const SQL: &str = "SELECT kind, time_ms, sum, note FROM verdict WHERE seq = ?1 AND user = ?2";
    let found = first(db, SQL, (Num(seq), user), |row| {
        let (kind, time_ms) = (num(row, 0)?, num(row, 1)?);
        let note = row.get_ref(3)?.as_blob()?;
        let whole = row.get_ref(2)?.as_blob()? == sum((seq, user), (kind, time_ms), note);
        let state = usize::try_from(kind).ok().and_then(|kind| STATES.get(kind)).copied();
        let noted = Note::new(Body(note.to_vec().into())).ok();
        let (Some(state), Some(note), true) = (state, noted, whole) else {
            tracing::error!(seq, ?user, "what is stored of a verdict is damaged");
            return Ok(None);
        };
        Ok(Some(StoredDisposition {
            state,
            time_ms,
            note: (state != DeliveryState::Gone).then_some(note),
        }))
    })?;
    Ok(found.flatten())
}

/// Removes a bounded number of dispositions that were kept long enough. Returns whether there may
/// be more.
pub(super) fn forget(db: &Connection, now_ms: u64) -> rusqlite::Result<bool> {
    const SQL: &str = "DELETE FROM verdict WHERE no IN \
        (SELECT no FROM verdict WHERE until_ms <= ?1 ORDER BY until_ms LIMIT ?2)";
    Ok(execute(db, SQL, (Num(now_ms), DISPOSITIONS_REMOVED_MAX as i64))?
        == DISPOSITIONS_REMOVED_MAX)
}

fn sum((seq, user): (Seq, UserNo), (kind, time_ms): (u64, u64), note: &[u8]) -> Sum {
    sum_at(&[seq, user.value().cast_unsigned(), kind, time_ms], note)
}
