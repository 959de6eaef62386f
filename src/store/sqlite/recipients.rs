//! Delivery state of a message at each of its recipients.

use rusqlite::Connection;

use super::cursor::since;
use super::cursor::{cursor, is_past};
use super::dispositions::{StoredDisposition, said};
use super::keyed;
use super::locate;
use super::names::Names;
use super::numbers::{LogNo, UserNo};
use super::sql::{Num, name};
use super::write_buffer::removed;
use crate::wire::{
    CHUNK_LEN_MAX, DeliveryState, MsgId, RecipientStatus, STATUSES_MAX, Seq, Target, UserId,
};

/// Returns the seq of a message of a log by its id and sender, and the end of its time to live.
pub(super) fn sent(
    db: &Connection,
    names: &mut Names,
    to: &Target,
    (id, from): (MsgId, &UserId),
) -> rusqlite::Result<Option<(Seq, Option<u64>)>> {
    let (Some(no), Some(sender)) = (names.log(db, to)?, names.user(db, from)?) else {
        return Ok(None);
    };
    let noted_ms = if id.is_keyed() { keyed::time(db, id, sender)? } else { None };
    let made_ms = noted_ms.unwrap_or(locate::made_ms(id));
    let found = locate::by_id(db, no, id, Some(sender), made_ms)?;
    let (removed_seq, _) = removed(db, no)?;
    let Some(seq) = found.filter(|seq| *seq > removed_seq) else { return Ok(None) };
    let whole = locate::message(db, (no, to), seq)?;
    Ok(Some((seq, whole.and_then(|(message, _)| message.headers.expires_ms(message.time_ms)))))
}

/// Returns a page of a message's recipients, in the order of their ids, and whether there are more.
pub(super) fn page(
    db: &Connection,
    names: &mut Names,
    (to, seq): (&Target, Seq),
    from: &UserId,
    after: Option<&UserId>,
) -> rusqlite::Result<(Vec<RecipientStatus>, bool)> {
    let Some(no) = names.log(db, to)? else { return Ok(Default::default()) };
    let sender = names.user(db, from)?.unwrap_or(UserNo::NOBODY);
    let mut readers = match to {
        Target::User(owner) if after.is_some_and(|after| after >= owner) => Vec::new(),
        Target::User(owner) => vec![(no.owner(), owner.clone())],
        _ => {
            let after = after.map_or("", UserId::as_str);
            readers(db, no, (seq, sender), after, STATUSES_MAX + 1)?
        }
    };
    let mut more = readers.len() > STATUSES_MAX;
    readers.truncate(STATUSES_MAX);
    let message = Taken {
        no,
        seq,
        time_ms: locate::time(db, no, seq)?.unwrap_or(0),
        removed: seq <= removed(db, no)?.0,
    };
    let (mut page, mut bytes) = (Vec::new(), 0);
    for (reader, user) in readers {
        let StoredDisposition { state, time_ms, note } = message.with(db, reader)?;
        bytes += note.as_ref().map_or(0, |note| note.body().len());
        if bytes > CHUNK_LEN_MAX && !page.is_empty() {
            more = true;
            break;
        }
        page.push(RecipientStatus { user, state, time_ms, note });
    }
    Ok((page, more))
}

/// Returns number and id of the readers of a room or of `@all` who already read it when the message
/// at `seq` was stored, without its sender: at most `max`, in the order of their ids, after
/// `after`.
fn readers(
    db: &Connection,
    no: LogNo,
    (seq, sender): (Seq, UserNo),
    after: &str,
    max: usize,
) -> rusqlite::Result<Vec<(UserNo, UserId)>> {
    const ROOM: &str = "SELECT user, id FROM member \
        WHERE log = ?1 AND id > ?2 AND since < ?3 AND user <> ?4 ORDER BY id LIMIT ?5";
    const EVERYONE: &str = "SELECT no, id FROM user \
        WHERE ?1 = 0 AND id > ?2 AND since_seq < ?3 AND no <> ?4 ORDER BY id LIMIT ?5";
    let mut statement = db.prepare_cached(if no == LogNo::ALL { EVERYONE } else { ROOM })?;
    let values = (no, after, Num(seq), sender, max as i64);
    let rows = statement.query_map(values, |row| Ok((row.get(0)?, name(row, 1)?)))?;
    rows.collect()
}

/// A message that is or was in a log.
struct Taken {
    no: LogNo,
    seq: Seq,
    /// Time at which the message was stored; 0 if no longer known.
    time_ms: u64,
    /// True if the message was removed unread by some readers.
    removed: bool,
}

impl Taken {
    /// Returns how far the message has come with one of its readers.
    fn with(&self, db: &Connection, reader: UserNo) -> rusqlite::Result<StoredDisposition> {
        let &Self { no, seq, time_ms, removed } = self;
        if let Some(said) = said(db, (seq, reader))? {
            return Ok(said);
        }
        let cursor = match cursor(db, reader, no)? {
            None if no == LogNo::ALL => since(db, reader)?,
            cursor => cursor.unwrap_or_default(),
        };
        let (state, time_ms) = match is_past(&cursor, seq) {
            true => (DeliveryState::Processed, 0),
            false if removed => (DeliveryState::Gone, 0),
            false => (DeliveryState::Accepted, time_ms),
        };
        Ok(StoredDisposition { state, time_ms, note: None })
    }
}
