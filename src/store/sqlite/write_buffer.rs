//! Write buffer: state of the newest segments that is not yet in the tables for lookups.
//!
//! A segment contains all there is to know of its messages. Two tables repeat some of it: `sent`
//! holds the ids, `log` the state of each log. They are flushed once for many messages, so that a
//! small batch writes only its segment and the index entry of that. `state.last_seq` is the seq up
//! to which they are flushed. Everything later is kept here, and is read again from the segments
//! after a start and after a failed transaction.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Error};

use super::dedup::DedupIndex;
use super::numbers::LogNo;
use super::record::id_of;
use super::segment::StoredSegment;
use super::sql::{Num, execute, first, num};
use crate::durable::Quotas;
use crate::store::limits::{BUFFERED_LOGS_MAX, BUFFERED_MESSAGES_MAX};
use crate::wire::Seq;

/// State of the store beyond its flushed tables.
pub(super) struct WriteBuffer {
    /// Seq of the newest message.
    last_seq: Seq,
    /// Index of ids, with those of new messages.
    sent: DedupIndex,
    logs: BTreeMap<LogNo, Known>,
    /// Logs with changes that their segments do not record.
    urgent: BTreeSet<LogNo>,
    noted: Seq,
    /// Number of messages after `noted`.
    messages: u64,
    /// True if something after `noted` cannot be read again from the segments, or must not be.
    due: bool,
}

struct Known {
    /// The state in the table.
    row: LogState,
    now: LogState,
}

/// State of a log as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) last_seq: Seq,
    pub(super) last_ordinal: u64,
    /// Number of unacked messages in a user's log; number of stored messages in other logs.
    pub(super) kept_messages: u64,
    pub(super) kept_bytes: u64,
    pub(super) removed_seq: Seq,
    pub(super) removed_ordinal: u64,
}

impl WriteBuffer {
    /// Returns an empty buffer. It knows no messages, so it never flushes those of another process.
    pub(super) fn empty() -> Self {
        let (last_seq, sent, logs, urgent, noted, messages, due) = Default::default();
        Self { last_seq, sent, logs, urgent, noted, messages, due }
    }

    /// Loads the buffer from the segments that are not flushed.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
            head FROM run WHERE last > ?1 ORDER BY last";
        let noted = first(db, "SELECT last_seq FROM state", (), |row| num(row, 0))?;
        let noted = noted.ok_or(Error::QueryReturnedNoRows)?;
        let (sent, logs, urgent, messages, due) = Default::default();
        let mut tail = Self { last_seq: noted, sent, logs, urgent, noted, messages, due };
        let mut statement = db.prepare_cached(SQL)?;
        let mut rows = statement.query([Num(noted)])?;
        while let Some(row) = rows.next()? {
            tail.add(db, &StoredSegment::at(row)?)?;
        }
        Ok(tail)
    }

    fn add(&mut self, db: &Connection, run: &StoredSegment) -> rusqlite::Result<()> {
        let (seq, of) = (run.whole().seq, run.whole());
        self.last_seq = seq;
        self.messages += of.messages;
        let log = &mut self.known(db, run.place().log)?.now;
        if seq > log.last_seq {
            (log.last_seq, log.last_ordinal) = (seq, of.ordinal);
            log.kept_messages += of.messages;
            log.kept_bytes = log.kept_bytes.saturating_add(of.bytes);
        }
        match run.head() {
            Ok(head) => {
                // Ids made from keys were stored at once.
                for entry in head.entries().iter().filter(|entry| !id_of(entry).is_keyed()) {
                    self.sent.note(db, id_of(entry), head.sender(entry).0)?;
                }
            }
            Err(rot) => tracing::error!(seq, "ids can be used again, their run is damaged: {rot}"),
        }
        Ok(())
    }

    /// Returns the index of the ids that senders have used.
    pub(super) fn sent(&mut self) -> &mut DedupIndex {
        &mut self.sent
    }

    /// Returns the state of a log.
    pub(super) fn log(&mut self, db: &Connection, no: LogNo) -> rusqlite::Result<LogState> {
        self.known(db, no).map(|known| known.now)
    }

    /// Returns the state of a log, to be changed in a way that its segments do not record.
    pub(super) fn change(&mut self, db: &Connection, no: LogNo) -> rusqlite::Result<&mut LogState> {
        self.urgent.insert(no);
        self.known(db, no).map(|known| &mut known.now)
    }

    /// Adds a message to a log; returns its seq and ordinal. The caller writes its segment.
    pub(super) fn append(
        &mut self,
        db: &Connection,
        no: LogNo,
        bytes: u64,
    ) -> rusqlite::Result<(Seq, u64)> {
        let seq = self.last_seq + 1;
        let log = &mut self.known(db, no)?.now;
        (log.last_seq, log.last_ordinal) = (seq, log.last_ordinal + 1);
        log.kept_messages += 1;
        log.kept_bytes = log.kept_bytes.saturating_add(bytes);
        let ordinal = log.last_ordinal;
        (self.last_seq, self.messages) = (seq, self.messages + 1);
        Ok((seq, ordinal))
    }

    /// Forgets ids made before `oldest_ms`; returns whether there are more.
    pub(super) fn forget(&mut self, db: &Connection, oldest_ms: u64) -> rusqlite::Result<bool> {
        let (any, more) = self.sent.forget(db, oldest_ms)?;
        // Otherwise the ids would be read again from the segments.
        self.due |= any;
        Ok(more)
    }

    /// Notes that the transaction removes the segment that ends at `last`.
    pub(super) fn note_removed(&mut self, last: Seq) {
        self.due |= last > self.noted;
    }

    /// Notes that an id was added which no segment contains.
    pub(super) fn note_soon(&mut self) {
        self.due = true;
    }

    /// Flushes what must be flushed, at the end of a transaction, when its removals have made room.
    pub(super) fn finish(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let urgent = std::mem::take(&mut self.urgent);
        if self.due
            || self.messages >= BUFFERED_MESSAGES_MAX
            || self.logs.len() >= BUFFERED_LOGS_MAX
        {
            return self.note(db);
        }
        for no in urgent {
            self.known(db, no)?.write(db, no)?;
        }
        Ok(())
    }

    /// Flushes everything, and skips `seqs` seqs before the next message.
    pub(super) fn leave_out(&mut self, db: &Connection, seqs: u64) -> rusqlite::Result<()> {
        self.last_seq = self.last_seq.saturating_add(seqs);
        self.note(db)
    }

    fn note(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.sent.write(db)?;
        for (no, mut known) in std::mem::take(&mut self.logs) {
            known.write(db, no)?;
        }
        const SQL: &str = "UPDATE state SET last_seq = ?1 WHERE last_seq <> ?1";
        execute(db, SQL, [Num(self.last_seq)])?;
        (self.noted, self.messages, self.due) = (self.last_seq, 0, false);
        Ok(())
    }

    fn known(&mut self, db: &Connection, no: LogNo) -> rusqlite::Result<&mut Known> {
        match self.logs.entry(no) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let row = read_log(db, no)?;
                Ok(place.insert(Known { row, now: row }))
            }
        }
    }
}

impl Known {
    fn write(&mut self, db: &Connection, no: LogNo) -> rusqlite::Result<()> {
        const SQL: &str = "INSERT OR REPLACE INTO log (no, last_seq, last_ordinal, \
            kept_messages, kept_bytes, removed_seq, removed_ordinal) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let Self { row, now } = self;
        if row != now {
            let last = (Num(now.last_seq), Num(now.last_ordinal));
            let kept = (Num(now.kept_messages), Num(now.kept_bytes));
            let removed = (Num(now.removed_seq), Num(now.removed_ordinal));
            execute(db, SQL, (no, last.0, last.1, kept.0, kept.1, removed.0, removed.1))?;
        }
        *row = *now;
        Ok(())
    }
}

/// Returns whether a log exceeds its quotas.
pub(super) fn exceeds(log: &LogState, quotas: &Quotas) -> bool {
    log.kept_messages > quotas.log_messages_max || log.kept_bytes > quotas.log_bytes_max
}

/// Returns whether a message may be added. An empty log takes a message of any size.
pub(super) fn has_room(log: &LogState, bytes: u64, quotas: &Quotas) -> bool {
    let kept_messages = log.kept_messages + 1;
    let kept_bytes = log.kept_bytes.saturating_add(bytes);
    log.kept_messages == 0 || !exceeds(&LogState { kept_messages, kept_bytes, ..*log }, quotas)
}

/// Subtracts messages and bytes from those that a log keeps.
pub(super) fn keep_less(log: &mut LogState, messages: u64, bytes: u64) {
    log.kept_messages = log.kept_messages.saturating_sub(messages);
    log.kept_bytes = log.kept_bytes.saturating_sub(bytes);
}

/// Notes that messages of a log were removed unread, up to this one.
pub(super) fn note_removed_unread(log: &mut LogState, seq: Seq, ordinal: u64) {
    log.removed_seq = log.removed_seq.max(seq);
    log.removed_ordinal = log.removed_ordinal.max(ordinal);
}

fn read_log(db: &Connection, no: LogNo) -> rusqlite::Result<LogState> {
    const SQL: &str = "SELECT last_seq, last_ordinal, kept_messages, kept_bytes, removed_seq, \
        removed_ordinal FROM log WHERE no = ?1";
    let found = first(db, SQL, [no], |row| {
        Ok(LogState {
            last_seq: num(row, 0)?,
            last_ordinal: num(row, 1)?,
            kept_messages: num(row, 2)?,
            kept_bytes: num(row, 3)?,
            removed_seq: num(row, 4)?,
            removed_ordinal: num(row, 5)?,
        })
    })?;
    Ok(found.unwrap_or_default())
}

/// Returns seq and ordinal up to which messages of a log were removed unread.
pub(super) fn removed(db: &Connection, no: LogNo) -> rusqlite::Result<(Seq, u64)> {
    const SQL: &str = "SELECT removed_seq, removed_ordinal FROM log WHERE no = ?1";
    let found = first(db, SQL, [no], |row| Ok((num(row, 0)?, num(row, 1)?)))?;
    Ok(found.unwrap_or_default())
}
