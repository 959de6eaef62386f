//! One transaction: writes carried out in order, each seeing those before it.
//!
//! Messages, and rows that many writes of a batch touch (logs, cursors, ids, the last seq), are
//! gathered in memory and written once, by [`Batch::finish`]. The caller begins and ends the
//! transaction; a batch that is not finished is to be rolled back.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::{Connection, Error};

use super::file::code_hash;
use super::names::{ALL, Names};
use super::parts;
use super::record::{self, Long};
use super::run::{self, Run, drop_oldest};
use super::sent::Sent;
use super::sql::{Num, cursor, execute, first, num, unencodable};
use super::sweep;
use crate::durable::{Cursor, Outcome, Quotas, Upload, Write};
use crate::wire::{JoinCode, Message, Pin, RoomName, Seq, Target, UserId};

/// Most loose parts that go with a transaction, besides two for each that it brings.
const REMOVED_EACH: u64 = 16;

/// A transaction being put together.
pub(super) struct Batch<'a> {
    pub(super) db: &'a Connection,
    pub(super) quotas: &'a Quotas,
    names: &'a mut Names,
    sweep_after: &'a mut Seq,
    last_seq: Seq,
    logs: BTreeMap<i64, Touched>,
    /// Full runs with their logs.
    runs: Vec<(i64, Run)>,
    sent: Sent,
    parts_written: u64,
    /// By user and log; furthest positions not yet written.
    cursors: BTreeMap<(i64, i64), Cursor>,
}

/// A log that the batch has to do with.
struct Touched {
    /// As it stands in its table.
    before: Log,
    now: Log,
    /// Its newest messages.
    run: Run,
}

/// What is known of a log as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) last_seq: Seq,
    pub(super) last_ordinal: u64,
    /// Of a user's log: what is unprocessed. Of others: what is there.
    pub(super) kept_messages: u64,
    pub(super) kept_bytes: u64,
    pub(super) removed_seq: Seq,
    pub(super) removed_ordinal: u64,
}

impl Log {
    pub(super) fn exceeds(&self, quotas: &Quotas) -> bool {
        self.kept_messages > quotas.log_messages_max || self.kept_bytes > quotas.log_bytes_max
    }

    /// Whether a message may be added; to an empty log always, or it could never be.
    fn admits(&self, bytes: u64, quotas: &Quotas) -> bool {
        let kept_messages = self.kept_messages + 1;
        let kept_bytes = self.kept_bytes.saturating_add(bytes);
        self.kept_messages == 0 || !Self { kept_messages, kept_bytes, ..*self }.exceeds(quotas)
    }

    pub(super) fn keep_less(&mut self, messages: u64, bytes: u64) {
        self.kept_messages = self.kept_messages.saturating_sub(messages);
        self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
    }

    pub(super) fn note_removed(&mut self, seq: Seq, ordinal: u64) {
        self.removed_seq = self.removed_seq.max(seq);
        self.removed_ordinal = self.removed_ordinal.max(ordinal);
    }
}

impl<'a> Batch<'a> {
    /// Starts one, in a transaction that has begun. `sweep_after` is where the last sweep ended.
    pub(super) fn start(
        db: &'a Connection,
        quotas: &'a Quotas,
        names: &'a mut Names,
        sweep_after: &'a mut Seq,
    ) -> rusqlite::Result<Self> {
        let last_seq = first(db, "SELECT last_seq FROM state", (), |row| num(row, 0))?;
        let last_seq = last_seq.ok_or(Error::QueryReturnedNoRows)?;
        let (logs, runs, sent, parts_written, cursors) = Default::default();
        Ok(Self {
            db,
            quotas,
            names,
            sweep_after,
            last_seq,
            logs,
            runs,
            sent,
            parts_written,
            cursors,
        })
    }

    /// Carries out one write.
    pub(super) fn write(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        match write {
            Write::Claim { id, key, code_needed, code, now_ms } => {
                self.claim(id, *key, *code_needed, code.as_ref(), *now_ms)
            }
            Write::Append { message, upload } => self.append(message, *upload),
            Write::Begin { upload, message } => self.begin(*upload, message),
            Write::Part { upload, body } => {
                self.parts_written += 1;
                parts::put(self.db, *upload, body).map(|()| Outcome::Kept)
            }
            Write::Discard { upload } => parts::discard(self.db, *upload).map(|()| Outcome::Kept),
            Write::Settle { user, log, cursor, messages, bytes } => {
                self.settle(user, log, cursor, *messages, *bytes)?;
                Ok(Outcome::Settled)
            }
            Write::Enter { user, room } => self.enter(user, room),
            Write::Leave { user, room } => self.leave(user, room),
            Write::Sweep { now_ms } => self.sweep(*now_ms),
        }
    }

    /// Writes what is only in memory yet. Returns whether there are loose parts left.
    pub(super) fn finish(mut self) -> rusqlite::Result<bool> {
        self.write_cursors()?;
        self.write_messages()?;
        let changed = self.logs.iter().filter(|(_, log)| log.before != log.now);
        for (no, Touched { now, .. }) in changed {
            const SQL: &str = "INSERT OR REPLACE INTO log (no, last_seq, last_ordinal, \
                kept_messages, kept_bytes, removed_seq, removed_ordinal) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let last = (Num(now.last_seq), Num(now.last_ordinal));
            let kept = (Num(now.kept_messages), Num(now.kept_bytes));
            let removed = (Num(now.removed_seq), Num(now.removed_ordinal));
            let row = (no, last.0, last.1, kept.0, kept.1, removed.0, removed.1);
            execute(self.db, SQL, row)?;
        }
        const SQL: &str = "UPDATE state SET last_seq = ?1 WHERE last_seq <> ?1";
        execute(self.db, SQL, [Num(self.last_seq)])?;
        // More than came, so that what goes keeps up with it.
        parts::remove(self.db, REMOVED_EACH + 2 * self.parts_written)
    }

    /// The log with this number, to be changed.
    pub(super) fn log(&mut self, no: i64) -> rusqlite::Result<&mut Log> {
        self.touch(no).map(|touched| &mut touched.now)
    }

    fn touch(&mut self, no: i64) -> rusqlite::Result<&mut Touched> {
        match self.logs.entry(no) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let log = read_log(self.db, no)?.unwrap_or_default();
                Ok(place.insert(Touched { before: log, now: log, run: Run::default() }))
            }
        }
    }

    fn claim(
        &mut self,
        id: &UserId,
        key: Pin,
        code_needed: bool,
        code: Option<&JoinCode>,
        now_ms: u64,
    ) -> rusqlite::Result<Outcome> {
        if let Some(owner) = owner(self.db, id)? {
            let same = owner == key;
            return Ok(if same { Outcome::Claimed { new: false } } else { Outcome::Taken });
        }
        if code_needed && code.is_none() {
            return Ok(Outcome::CodeNeeded);
        }
        if self.highest("SELECT max(no) FROM user")? >= self.quotas.users_max {
            return Ok(Outcome::Full);
        }
        if let Some(code) = code {
            let sql = "DELETE FROM code WHERE hash = ?1 AND expires_ms > ?2";
            let spent = execute(self.db, sql, (code_hash(code), Num(now_ms)))?;
            if code_needed && spent == 0 {
                return Ok(Outcome::CodeBad);
            }
        }
        let all = *self.log(ALL)?;
        const SQL: &str =
            "INSERT INTO user (id, key, since_seq, since_ordinal) VALUES (?1, ?2, ?3, ?4)";
        let since = (Num(all.last_seq), Num(all.last_ordinal));
        execute(self.db, SQL, (id.as_str(), key.0, since.0, since.1))?;
        Ok(Outcome::Claimed { new: true })
    }

    fn begin(&mut self, upload: Upload, message: &Message) -> rusqlite::Result<Outcome> {
        let db = self.db;
        let sender = self.names.user(db, &message.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &message.to)?) else {
            return Ok(Outcome::UnknownTarget);
        };
        if self.sent.has(db, message.id, sender)? {
            return Ok(Outcome::Duplicate);
        }
        let quotas = self.quotas;
        if no > 0 && !self.log(no)?.admits(message.len_bytes(), quotas) {
            return Ok(Outcome::Full);
        }
        self.parts_written += 1;
        let begun = parts::begin(db, upload, message)?;
        Ok(if begun { Outcome::Kept } else { Outcome::DiskFull })
    }

    fn append(&mut self, message: &Message, upload: Option<Upload>) -> rusqlite::Result<Outcome> {
        let Some(long) = parts::finish(self.db, upload, message)? else {
            // Parts are missing, as they are when one of them found no room.
            return Ok(Outcome::DiskFull);
        };
        let outcome = self.append_with(message, long)?;
        if let (Some(long), false) = (long, matches!(outcome, Outcome::Stored { .. })) {
            parts::loosen(self.db, long.first, long.count())?;
        }
        Ok(outcome)
    }

    fn append_with(&mut self, message: &Message, long: Option<Long>) -> rusqlite::Result<Outcome> {
        let db = self.db;
        let sender = self.names.user(db, &message.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &message.to)?) else {
            return Ok(Outcome::UnknownTarget);
        };
        let (bytes, quotas) = (message.len_bytes(), self.quotas);
        if no > 0 && !self.log(no)?.admits(bytes, quotas) {
            let before = self.sent.has(db, message.id, sender)?;
            return Ok(if before { Outcome::Duplicate } else { Outcome::Full });
        }
        if !self.sent.note(db, message.id, sender)? {
            return Ok(Outcome::Duplicate);
        }
        self.last_seq += 1;
        let seq = self.last_seq;
        let Touched { now: log, run, .. } = self.touch(no)?;
        log.last_seq = seq;
        log.last_ordinal += 1;
        log.kept_messages += 1;
        log.kept_bytes = log.kept_bytes.saturating_add(bytes);
        let ordinal = log.last_ordinal;
        let full = run.is_full(message).then(|| std::mem::take(run));
        run.push((seq, ordinal), (sender, bytes), (message, long)).map_err(unencodable)?;
        self.runs.extend(full.map(|run| (no, run)));
        Ok(Outcome::Stored { seq, ordinal })
    }

    fn sweep(&mut self, now_ms: u64) -> rusqlite::Result<Outcome> {
        // What earlier ones let go comes first, so that it does not pile up.
        if parts::remove(self.db, parts::REMOVED_MAX)? {
            return Ok(Outcome::Swept { more: true });
        }
        self.write_cursors()?;
        self.write_messages()?;
        let (after, more) = sweep::sweep(self, *self.sweep_after, now_ms)?;
        *self.sweep_after = after;
        let more = parts::remove(self.db, parts::REMOVED_MAX)? || more;
        Ok(Outcome::Swept { more })
    }

    /// Writes the messages that are only in memory yet, with their ids, and then drops what is over
    /// quota: to drop after each message would leave the same.
    fn write_messages(&mut self) -> rusqlite::Result<()> {
        self.sent.write(self.db)?;
        let mut runs = std::mem::take(&mut self.runs);
        let open = self.logs.iter_mut().filter(|(_, log)| !log.run.is_empty());
        runs.extend(open.map(|(no, log)| (*no, std::mem::take(&mut log.run))));
        // Ascending, every row goes to the end of the table.
        runs.sort_unstable_by_key(|(_, run)| run.last());
        let mut insert = self.db.prepare_cached(run::INSERT)?;
        for (no, run) in &runs {
            run.insert(&mut insert, *no)?;
        }
        for (no, log) in self.logs.range_mut(..=ALL) {
            drop_oldest(self.db, *no, &mut log.now, self.quotas)?;
        }
        Ok(())
    }

    /// Notes how far a cursor is to move; of a user or log that is not there, nothing.
    pub(super) fn settle(
        &mut self,
        user: &UserId,
        target: &Target,
        cursor: &Cursor,
        messages: u64,
        bytes: u64,
    ) -> rusqlite::Result<()> {
        let (user, no) = (self.names.user(self.db, user)?, self.names.log(self.db, target)?);
        let (Some(user), Some(no)) = (user, no) else { return Ok(()) };
        if no > 0 {
            let log = self.log(no)?;
            log.keep_less(messages, bytes);
            if cursor.through >= log.last_seq {
                // Behind the end nothing is unprocessed, however it was counted.
                (log.kept_messages, log.kept_bytes) = (0, 0);
            }
        }
        let furthest = self.cursors.entry((user, no)).or_default();
        if cursor.through >= furthest.through {
            furthest.clone_from(cursor);
        }
        Ok(())
    }

    fn enter(&mut self, user: &UserId, room: &RoomName) -> rusqlite::Result<Outcome> {
        self.write_cursors()?;
        let Some(user) = self.names.user(self.db, user)? else {
            return Ok(Outcome::UnknownTarget);
        };
        let known = self.names.room(self.db, room)?;
        if let Some(no) = known
            && let Some(cursor) = cursor(self.db, user, no)?
        {
            return Ok(Outcome::Member { changed: false, cursor });
        }
        const COUNT: &str = "SELECT count(*) FROM cursor WHERE user = ?1 AND log < 0";
        let rooms = first(self.db, COUNT, [user], |row| num(row, 0))?.unwrap_or(0);
        if rooms >= self.quotas.memberships_max {
            return Ok(Outcome::Full);
        }
        let no = match known {
            Some(no) => no,
            None if self.highest("SELECT max(no) FROM room")? >= self.quotas.rooms_max => {
                return Ok(Outcome::Full);
            }
            None => {
                execute(self.db, "INSERT INTO room (name) VALUES (?1)", [room.as_str()])?;
                -self.db.last_insert_rowid()
            }
        };
        let log = *self.log(no)?;
        let cursor = Cursor { through: log.last_seq, ordinal: log.last_ordinal, above: Vec::new() };
        put_cursor(self.db, user, no, &cursor)?;
        Ok(Outcome::Member { changed: true, cursor })
    }

    fn leave(&mut self, user: &UserId, room: &RoomName) -> rusqlite::Result<Outcome> {
        self.write_cursors()?;
        let (user, no) = (self.names.user(self.db, user)?, self.names.room(self.db, room)?);
        let gone = match (user, no) {
            (Some(user), Some(no)) => {
                execute(self.db, "DELETE FROM cursor WHERE user = ?1 AND log = ?2", (user, no))?
            }
            _ => 0,
        };
        Ok(Outcome::Member { changed: gone > 0, cursor: Cursor::default() })
    }

    fn write_cursors(&mut self) -> rusqlite::Result<()> {
        for ((user, no), wanted) in std::mem::take(&mut self.cursors) {
            let before = match cursor(self.db, user, no)? {
                None if no < 0 => continue, // no member any more
                None if no == ALL => since(self.db, user)?,
                before => before.unwrap_or_default(),
            };
            if wanted.through >= before.through && wanted != before {
                put_cursor(self.db, user, no, &wanted)?;
            }
        }
        Ok(())
    }

    fn highest(&self, sql: &str) -> rusqlite::Result<u64> {
        let highest = first(self.db, sql, (), |row| row.get::<_, Option<Num>>(0))?;
        Ok(highest.flatten().map_or(0, |Num(number)| number))
    }
}

/// The key that owns an id.
pub(super) fn owner(db: &Connection, id: &UserId) -> rusqlite::Result<Option<Pin>> {
    let key = first(db, "SELECT key FROM user WHERE id = ?1", [id.as_str()], |row| row.get(0))?;
    Ok(key.map(Pin))
}

/// What stands about a log in its table.
pub(super) fn read_log(db: &Connection, no: i64) -> rusqlite::Result<Option<Log>> {
    const SQL: &str = "SELECT last_seq, last_ordinal, kept_messages, kept_bytes, removed_seq, \
        removed_ordinal FROM log WHERE no = ?1";
    first(db, SQL, [no], |row| {
        Ok(Log {
            last_seq: num(row, 0)?,
            last_ordinal: num(row, 1)?,
            kept_messages: num(row, 2)?,
            kept_bytes: num(row, 3)?,
            removed_seq: num(row, 4)?,
            removed_ordinal: num(row, 5)?,
        })
    })
}

/// Where a user who has processed nothing of `@all` stands in it: where it ended at the claim.
pub(super) fn since(db: &Connection, user: i64) -> rusqlite::Result<Cursor> {
    const SQL: &str = "SELECT since_seq, since_ordinal FROM user WHERE no = ?1";
    let found = first(db, SQL, [user], |row| Ok((num(row, 0)?, num(row, 1)?)))?;
    let (through, ordinal) = found.unwrap_or_default();
    Ok(Cursor { through, ordinal, above: Vec::new() })
}

fn put_cursor(db: &Connection, user: i64, no: i64, cursor: &Cursor) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT OR REPLACE INTO cursor (user, log, through, ordinal, above) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let above = record::encode_above(&cursor.above).map_err(unencodable)?;
    execute(db, SQL, (user, no, Num(cursor.through), Num(cursor.ordinal), above)).map(drop)
}
