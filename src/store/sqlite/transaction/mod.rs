//! A transaction: writes carried out in order, each seeing those before it.
//!
//! Messages, and rows touched by many writes (logs, cursors, ids), are kept in memory and written
//! once: by [`Transaction::finish`], or later by the [`WriteBuffer`]. The caller begins and ends
//! the SQL transaction, and rolls it back if this one is not finished. `writes` carries out each
//! kind of write; the other files hold the details of some kinds.

mod expire;
mod judge;
mod members;
mod parked;
mod refuse;
mod sweep;
mod writes;

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::durable::{Appended, Disposition, Quotas, StoredCursor};
use crate::store::sqlite::bodies;
use crate::store::sqlite::cursor::{cursor, put_cursor, since};
use crate::store::sqlite::expiry;
use crate::store::sqlite::keyed;
use crate::store::sqlite::names::Names;
use crate::store::sqlite::numbers::{LogNo, UserNo};
use crate::store::sqlite::record::Long;
use crate::store::sqlite::retention::drop_oldest;
use crate::store::sqlite::segment::{self, Segment};
use crate::store::sqlite::sql::{Num, first, unencodable};
use crate::store::sqlite::write_buffer::{WriteBuffer, has_room, keep_less};
use crate::wire::{Message, Seq, Target, UserId};

/// Loose chunks removed by each transaction, in addition to two for each chunk that it writes.
const REMOVED_EACH: u64 = 16;

/// A transaction in progress.
pub(super) struct Transaction<'a> {
    db: &'a Connection,
    quotas: &'a Quotas,
    names: &'a mut Names,
    sweep_after: &'a mut Seq,
    tail: &'a mut WriteBuffer,
    /// The newest segment of each log with new messages.
    open: BTreeMap<LogNo, Segment>,
    /// Full segments with their logs.
    full: Vec<(LogNo, Segment)>,
    parts_written: u64,
    /// The furthest cursor of each user and log, not written yet.
    cursors: BTreeMap<(UserNo, LogNo), StoredCursor>,
}

impl<'a> Transaction<'a> {
    /// Starts, inside an SQL transaction that has begun. `sweep_after` is the seq at which the last
    /// sweep ended.
    pub(super) fn start(
        db: &'a Connection,
        quotas: &'a Quotas,
        names: &'a mut Names,
        sweep_after: &'a mut Seq,
        tail: &'a mut WriteBuffer,
    ) -> Self {
        let (open, full, parts_written, cursors) = Default::default();
        Self { db, quotas, names, sweep_after, tail, open, full, parts_written, cursors }
    }

    /// Counts a chunk that was written.
    pub(super) fn note_chunk(&mut self) {
        self.parts_written += 1;
    }

    /// Returns the seq at which the last sweep ended.
    pub(super) fn sweep_after(&self) -> Seq {
        *self.sweep_after
    }

    /// Notes the seq at which a sweep ended.
    pub(super) fn end_sweep(&mut self, after: Seq) {
        *self.sweep_after = after;
    }

    /// Writes everything that is only in memory. Returns whether loose chunks remain.
    pub(super) fn finish(mut self) -> rusqlite::Result<bool> {
        self.write_cursors()?;
        self.write_messages()?;
        self.tail.finish(self.db)?;
        // Removes more than was written, so that removal keeps up.
        bodies::remove(self.db, REMOVED_EACH + 2 * self.parts_written)
    }

    /// Returns whether a log has room for a message. Expired messages do not count. The log of a
    /// room always has room: it drops its oldest messages.
    pub(super) fn admits(&mut self, no: LogNo, message: &Message) -> rusqlite::Result<bool> {
        while no.is_own()
            && !has_room(&self.tail.log(self.db, no)?, message.len_bytes(), self.quotas)
        {
            if !self.expire(Some(no), message.time_ms)?.any {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether the sender has sent a message with this id.
    pub(super) fn has_sent(&mut self, sender: UserNo, message: &Message) -> rusqlite::Result<bool> {
        let (db, id) = (self.db, message.id);
        if id.is_keyed() {
            return keyed::has(db, id, sender, self.oldest_ms(message));
        }
        self.tail.sent().has(db, id, sender)
    }

    /// Notes that the sender has sent a message with this id. Returns false if it was noted before.
    pub(super) fn note_sent(
        &mut self,
        sender: UserNo,
        message: &Message,
    ) -> rusqlite::Result<bool> {
        let (db, id) = (self.db, message.id);
        if id.is_keyed() {
            return keyed::note(db, id, sender, (message.time_ms, self.oldest_ms(message)));
        }
        self.tail.sent().note(db, id, sender)
    }

    /// Returns the beginning of a message's duplicate window.
    fn oldest_ms(&self, message: &Message) -> u64 {
        message.time_ms.saturating_sub(self.quotas.duplicate_window_ms)
    }

    /// Appends a message to a log.
    pub(super) fn put(
        &mut self,
        (sender, no): (UserNo, LogNo),
        message: &Message,
        long: Option<Long>,
    ) -> rusqlite::Result<Appended> {
        let bytes = message.len_bytes();
        let (seq, ordinal) = self.tail.append(self.db, no, bytes)?;
        if no.is_own() {
            expiry::note(self.db, (no, seq), message, self.quotas)?;
        }
        let run = self.open.entry(no).or_default();
        let full = run.is_full(message).then(|| std::mem::take(run));
        run.push((seq, ordinal), (sender, bytes), (message, long)).map_err(unencodable)?;
        self.full.extend(full.map(|run| (no, run)));
        Ok(Appended { seq, ordinal })
    }

    /// Writes the messages that are only in memory, and then drops messages over quota. To drop
    /// after each message would have the same result.
    pub(super) fn write_messages(&mut self) -> rusqlite::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let mut runs = std::mem::take(&mut self.full);
        let open = std::mem::take(&mut self.open);
        let rooms: Vec<LogNo> = open.range(..=LogNo::ALL).map(|(no, _)| *no).collect();
        runs.extend(open);
        // In ascending order every row is appended to the table.
        runs.sort_unstable_by_key(|(_, run)| run.last());
        let mut insert = self.db.prepare_cached(segment::INSERT)?;
        for (no, run) in &runs {
            run.insert(&mut insert, *no)?;
        }
        for no in rooms {
            drop_oldest(self.db, no, self.tail, self.quotas)?;
        }
        Ok(())
    }

    /// Moves a cursor past `messages` messages of `bytes` bytes, and stores their dispositions.
    /// Does nothing if the user or the log does not exist.
    pub(super) fn settle(
        &mut self,
        user: &UserId,
        target: &Target,
        cursor: &StoredCursor,
        (messages, bytes): (u64, u64),
        verdicts: &[(Seq, Disposition, u64)],
    ) -> rusqlite::Result<()> {
        let (user, no) = (self.names.user(self.db, user)?, self.names.log(self.db, target)?);
        let (Some(user), Some(no)) = (user, no) else { return Ok(()) };
        if !verdicts.is_empty() {
            self.judge(user, (no, target), verdicts)?;
        }
        if no.is_own() {
            let expired = expiry::settled(self.db, no, cursor)?;
            let log = self.tail.change(self.db, no)?;
            keep_less(log, messages.saturating_sub(expired.0), bytes.saturating_sub(expired.1));
            if cursor.through >= log.last_seq {
                // All is acked, so nothing is kept, whatever the counts say.
                (log.kept_messages, log.kept_bytes) = (0, 0);
            }
        }
        let furthest = self.cursors.entry((user, no)).or_default();
        if cursor.through >= furthest.through {
            furthest.clone_from(cursor);
        }
        Ok(())
    }

    pub(super) fn write_cursors(&mut self) -> rusqlite::Result<()> {
        for ((user, no), wanted) in std::mem::take(&mut self.cursors) {
            let before = match cursor(self.db, user, no)? {
                None if no.is_room() => continue, // no member any more
                None if no == LogNo::ALL => since(self.db, user)?,
                before => before.unwrap_or_default(),
            };
            if wanted.through >= before.through && wanted != before {
                put_cursor(self.db, user, no, &wanted)?;
            }
        }
        Ok(())
    }

    pub(super) fn highest(&self, sql: &str) -> rusqlite::Result<u64> {
        let highest = first(self.db, sql, (), |row| row.get::<_, Option<Num>>(0))?;
        Ok(highest.flatten().map_or(0, |Num(number)| number))
    }
}
