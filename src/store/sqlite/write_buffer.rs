//! What the newest runs say, before it is noted where it is looked up.
//!
//! A run tells all there is to know of its messages. That their ids have been had (`sent`) and how
//! their log stands (`log`) is noted once for many of them: a small batch is then no more than its
//! run and the run's index entry. `state.last_seq` is up to where all is noted. What came later is
//! kept here, and read from the runs anew after a start and after a transaction that failed.

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

/// What is known beyond the tables.
pub(super) struct WriteBuffer {
    /// Seq of the newest message.
    last_seq: Seq,
    /// Ids of new messages, and where they are looked up.
    sent: DedupIndex,
    logs: BTreeMap<LogNo, Known>,
    /// Logs that have changed in a way that their runs do not tell.
    urgent: BTreeSet<LogNo>,
    noted: Seq,
    /// Behind `noted`.
    messages: u64,
    /// Something behind `noted` cannot, or must not, be read anew.
    due: bool,
}

struct Known {
    /// As it stands in its table.
    row: LogState,
    now: LogState,
}

/// What is known of a log as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogState {
    pub(super) last_seq: Seq,
    pub(super) last_ordinal: u64,
    /// Of a user's log: what is unprocessed. Of others: what is there.
    pub(super) kept_messages: u64,
    pub(super) kept_bytes: u64,
    pub(super) removed_seq: Seq,
    pub(super) removed_ordinal: u64,
}

impl WriteBuffer {
    /// Returns a buffer that knows of no message, and so writes none of another process's.
    pub(super) fn empty() -> Self {
        let (last_seq, sent, logs, urgent, noted, messages, due) = Default::default();
        Self { last_seq, sent, logs, urgent, noted, messages, due }
    }

    /// From the runs that are not noted.
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
                // Those made of keys have been noted at once.
                for entry in head.entries().iter().filter(|entry| !id_of(entry).is_keyed()) {
                    self.sent.note(db, id_of(entry), head.sender(entry).0)?;
                }
            }
            Err(rot) => tracing::error!(seq, "ids can be used again, their run is damaged: {rot}"),
        }
        Ok(())
    }

    /// Returns the index of the ids that senders have had stored.
    pub(super) fn sent(&mut self) -> &mut DedupIndex {
        &mut self.sent
    }

    /// The log with this number.
    pub(super) fn log(&mut self, db: &Connection, no: LogNo) -> rusqlite::Result<LogState> {
        self.known(db, no).map(|known| known.now)
    }

    /// The log with this number, to be changed in a way that its runs do not tell.
    pub(super) fn change(&mut self, db: &Connection, no: LogNo) -> rusqlite::Result<&mut LogState> {
        self.urgent.insert(no);
        self.known(db, no).map(|known| &mut known.now)
    }

    /// Adds a message to a log; returns its seq and its ordinal. The caller writes its run.
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
        // Or they would be read anew.
        self.due |= any;
        Ok(more)
    }

    /// A run that ends there is removed by the transaction.
    pub(super) fn note_removed(&mut self, last: Seq) {
        self.due |= last > self.noted;
    }

    /// An id was remembered that no run tells of.
    pub(super) fn note_soon(&mut self) {
        self.due = true;
    }

    /// Notes what has to be, at the end of a transaction, when what it removes has made room.
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

    /// Notes all, and leaves so many seqs out before the next one.
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

/// Returns whether a log has more than its quotas allow.
pub(super) fn exceeds(log: &LogState, quotas: &Quotas) -> bool {
    log.kept_messages > quotas.log_messages_max || log.kept_bytes > quotas.log_bytes_max
}

/// Returns whether a message may be added; to an empty log always, or it could never be.
pub(super) fn has_room(log: &LogState, bytes: u64, quotas: &Quotas) -> bool {
    let kept_messages = log.kept_messages + 1;
    let kept_bytes = log.kept_bytes.saturating_add(bytes);
    log.kept_messages == 0 || !exceeds(&LogState { kept_messages, kept_bytes, ..*log }, quotas)
}

/// Counts messages and bytes off what a log keeps.
pub(super) fn keep_less(log: &mut LogState, messages: u64, bytes: u64) {
    log.kept_messages = log.kept_messages.saturating_sub(messages);
    log.kept_bytes = log.kept_bytes.saturating_sub(bytes);
}

/// Notes that a log was removed unread up to a message.
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

/// Seq and ordinal up to which a log was removed unread.
pub(super) fn removed(db: &Connection, no: LogNo) -> rusqlite::Result<(Seq, u64)> {
    const SQL: &str = "SELECT removed_seq, removed_ordinal FROM log WHERE no = ?1";
    let found = first(db, SQL, [no], |row| Ok((num(row, 0)?, num(row, 1)?)))?;
    Ok(found.unwrap_or_default())
}
