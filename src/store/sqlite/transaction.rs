//! One transaction: writes carried out in order, each seeing those before it.
//!
//! Messages, and rows that many writes of a batch touch (logs, cursors, ids), are gathered in
//! memory and written once, by [`Batch::finish`] or later, by the [`WriteBuffer`]. The caller begins and
//! ends the transaction; a batch that is not finished is to be rolled back.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::bodies;
use super::codes;
use super::expiry;
use super::keyed;
use super::names::{ALL, Names};
use super::record::{self, Long};
use super::segment::{self, Segment, drop_oldest};
use super::sql::{Num, cursor, execute, first, num, unencodable};
use super::sweep;
use super::write_buffer::WriteBuffer;
use crate::durable::{
    AppendOutcome, Appended, Claimed, Disposition, MessageOutcome, NotClaimed, NotStored, Outcome,
    Quotas, StoredCursor, Swept, Upload, Write,
};
use crate::wire::{Bundle, JoinCode, Message, Pin, Seq, Target, UserId};

/// Most loose parts that go with a transaction, besides two for each that it brings.
const REMOVED_EACH: u64 = 16;

/// A transaction being put together.
pub(super) struct Batch<'a> {
    pub(super) db: &'a Connection,
    pub(super) quotas: &'a Quotas,
    pub(super) names: &'a mut Names,
    sweep_after: &'a mut Seq,
    pub(super) tail: &'a mut WriteBuffer,
    /// The newest run of each log that has new messages.
    open: BTreeMap<i64, Segment>,
    /// Full runs with their logs.
    full: Vec<(i64, Segment)>,
    parts_written: u64,
    /// By user and log; furthest positions not yet written.
    pub(super) cursors: BTreeMap<(i64, i64), StoredCursor>,
}

impl<'a> Batch<'a> {
    /// Starts one, in a transaction that has begun. `sweep_after` is where the last sweep ended.
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

    /// Carries out one write.
    pub(super) fn write(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        match write {
            Write::Claim { id, key, code_needed, code, now_ms } => {
                let claimed = self.claim(id, *key, *code_needed, code.as_ref(), *now_ms)?;
                Ok(Outcome::Claim(claimed))
            }
            Write::Append { bundle, upload } => Ok(Outcome::Append(self.append(bundle, *upload)?)),
            Write::BeginUpload { upload, bundle } => {
                Ok(Outcome::BeginUpload(self.begin(*upload, &bundle.first)?))
            }
            Write::AppendChunk { upload, body } => {
                self.parts_written += 1;
                bodies::put(self.db, *upload, body)?;
                Ok(Outcome::AppendChunk(Ok(())))
            }
            Write::DiscardUpload { upload } => {
                bodies::discard(self.db, *upload)?;
                Ok(Outcome::DiscardUpload)
            }
            Write::Ack { user, log, cursor, messages, bytes, verdicts } => {
                self.settle(user, log, cursor, (*messages, *bytes), verdicts)?;
                Ok(Outcome::Ack)
            }
            Write::JoinRoom { user, room } => Ok(Outcome::JoinRoom(self.enter(user, room)?)),
            Write::LeaveRoom { user, room } => Ok(Outcome::LeaveRoom(self.leave(user, room)?)),
            Write::Sweep { now_ms } => Ok(Outcome::Sweep(self.sweep(*now_ms)?)),
            Write::Schedule { message, due_ms } => {
                Ok(Outcome::Schedule(self.schedule(message, *due_ms)?))
            }
            Write::ReleaseDue { now_ms } => Ok(Outcome::ReleaseDue(Ok(self.release(*now_ms)?))),
            Write::TakeParked { user, drawer, id, back, now_ms } => {
                let taken = self.withdraw(user, *drawer, *id, back.then_some(*now_ms))?;
                Ok(Outcome::TakeParked(Ok(taken)))
            }
        }
    }

    /// Writes what is only in memory yet. Returns whether there are loose parts left.
    pub(super) fn finish(mut self) -> rusqlite::Result<bool> {
        self.write_cursors()?;
        self.write_messages()?;
        self.tail.finish(self.db)?;
        // More than came, so that what goes keeps up with it.
        bodies::remove(self.db, REMOVED_EACH + 2 * self.parts_written)
    }

    fn claim(
        &mut self,
        id: &UserId,
        key: Pin,
        code_needed: bool,
        code: Option<&JoinCode>,
        now_ms: u64,
    ) -> rusqlite::Result<Result<Claimed, NotClaimed>> {
        if let Some(owner) = owner(self.db, id)? {
            let same = owner == key;
            return Ok(if same { Ok(Claimed { new: false }) } else { Err(NotClaimed::Taken) });
        }
        if code_needed && code.is_none() {
            return Ok(Err(NotClaimed::CodeNeeded));
        }
        if self.highest("SELECT max(no) FROM user")? >= self.quotas.users_max {
            return Ok(Err(NotClaimed::Full));
        }
        if let Some(code) = code {
            let is_good = codes::spend(self.db, code, now_ms)?;
            if code_needed && !is_good {
                return Ok(Err(NotClaimed::CodeBad));
            }
        }
        let all = self.tail.log(self.db, ALL)?;
        const SQL: &str =
            "INSERT INTO user (id, key, since_seq, since_ordinal) VALUES (?1, ?2, ?3, ?4)";
        let since = (Num(all.last_seq), Num(all.last_ordinal));
        execute(self.db, SQL, (id.as_str(), key.0, since.0, since.1))?;
        Ok(Ok(Claimed { new: true }))
    }

    fn begin(
        &mut self,
        upload: Upload,
        message: &Message,
    ) -> rusqlite::Result<Result<(), NotStored>> {
        let db = self.db;
        let sender = self.names.user(db, &message.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &message.to)?) else {
            return Ok(Err(self.names.missing(db, &message.to)?.into()));
        };
        if self.has_sent(sender, message)? {
            return Ok(Err(NotStored::Duplicate));
        }
        if !self.admits(no, message)? {
            return Ok(Err(NotStored::Full));
        }
        self.parts_written += 1;
        let begun = bodies::begin(db, upload, message)?;
        Ok(if begun { Ok(()) } else { Err(NotStored::DiskFull) })
    }

    fn append(
        &mut self,
        bundle: &Bundle,
        upload: Option<Upload>,
    ) -> rusqlite::Result<AppendOutcome> {
        let Some(long) = bodies::finish(self.db, upload, &bundle.first)? else {
            // Parts are missing, as they are when one of them found no room.
            return Ok(AppendOutcome::All(Err(NotStored::DiskFull)));
        };
        let outcome = self.append_all(bundle, long)?;
        if let (Some(long), false) = (long, matches!(outcome, AppendOutcome::All(Ok(_)))) {
            bodies::loosen(self.db, long.first, long.count())?;
        }
        Ok(outcome)
    }

    fn append_all(
        &mut self,
        bundle: &Bundle,
        long: Option<Long>,
    ) -> rusqlite::Result<AppendOutcome> {
        let (db, first) = (self.db, &bundle.first);
        let sender = self.names.user(db, &first.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &first.to)?) else {
            let missing = self.names.missing(db, &first.to)?;
            return Ok(AppendOutcome::All(Err(missing.into())));
        };
        let each = bundle.messages().map(|message| self.append_one((sender, no), &message, long));
        AppendOutcome::try_join(each)
    }

    fn append_one(
        &mut self,
        (sender, no): (i64, i64),
        message: &Message,
        long: Option<Long>,
    ) -> rusqlite::Result<MessageOutcome> {
        if !self.admits(no, message)? {
            let before = self.has_sent(sender, message)?;
            return Ok(Err(if before { NotStored::Duplicate } else { NotStored::Full }));
        }
        if !self.note_sent(sender, message)? {
            return Ok(Err(NotStored::Duplicate));
        }
        self.put((sender, no), message, long).map(Ok)
    }

    /// Whether a log has room for a message, in which what has expired does not count. That of a
    /// room makes room.
    pub(super) fn admits(&mut self, no: i64, message: &Message) -> rusqlite::Result<bool> {
        while no > ALL && !self.tail.log(self.db, no)?.admits(message.len_bytes(), self.quotas) {
            if !self.expire(Some(no), message.time_ms)?.any {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the sender has had this id stored.
    pub(super) fn has_sent(&mut self, sender: i64, message: &Message) -> rusqlite::Result<bool> {
        let (db, id) = (self.db, message.id);
        if id.is_keyed() {
            return keyed::has(db, id, sender, self.oldest_ms(message));
        }
        self.tail.sent.has(db, id, sender)
    }

    /// Remembers that the sender has had this id stored. `false`: it was so before.
    pub(super) fn note_sent(&mut self, sender: i64, message: &Message) -> rusqlite::Result<bool> {
        let (db, id) = (self.db, message.id);
        if id.is_keyed() {
            return keyed::note(db, id, sender, (message.time_ms, self.oldest_ms(message)));
        }
        self.tail.sent.note(db, id, sender)
    }

    /// When the duplicate window of a message begins.
    fn oldest_ms(&self, message: &Message) -> u64 {
        message.time_ms.saturating_sub(self.quotas.duplicate_window_ms)
    }

    /// Puts a message at the end of a log.
    pub(super) fn put(
        &mut self,
        (sender, no): (i64, i64),
        message: &Message,
        long: Option<Long>,
    ) -> rusqlite::Result<Appended> {
        let bytes = message.len_bytes();
        let (seq, ordinal) = self.tail.append(self.db, no, bytes)?;
        if no > ALL {
            expiry::note(self.db, (no, seq), message, self.quotas)?;
        }
        let run = self.open.entry(no).or_default();
        let full = run.is_full(message).then(|| std::mem::take(run));
        run.push((seq, ordinal), (sender, bytes), (message, long)).map_err(unencodable)?;
        self.full.extend(full.map(|run| (no, run)));
        Ok(Appended { seq, ordinal })
    }

    fn sweep(&mut self, now_ms: u64) -> rusqlite::Result<Swept> {
        // What earlier ones let go comes first, so that it does not pile up.
        if bodies::remove(self.db, bodies::REMOVED_MAX)? {
            return Ok(Swept { more: true });
        }
        self.write_cursors()?;
        self.write_messages()?;
        let (after, more) = sweep::sweep(self, *self.sweep_after, now_ms)?;
        *self.sweep_after = after;
        let more = bodies::remove(self.db, bodies::REMOVED_MAX)? || more;
        Ok(Swept { more })
    }

    /// Writes the messages that are only in memory yet, and then drops what is over quota: to drop
    /// after each message would leave the same.
    pub(super) fn write_messages(&mut self) -> rusqlite::Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let mut runs = std::mem::take(&mut self.full);
        let open = std::mem::take(&mut self.open);
        let rooms: Vec<i64> = open.range(..=ALL).map(|(no, _)| *no).collect();
        runs.extend(open);
        // Ascending, every row goes to the end of the table.
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

    /// Notes how far a cursor is to move, by so many messages and bytes, and what was said of them;
    /// of a user or log that is not there, nothing.
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
        if no > 0 {
            let expired = expiry::settled(self.db, no, cursor)?;
            let log = self.tail.change(self.db, no)?;
            log.keep_less(messages.saturating_sub(expired.0), bytes.saturating_sub(expired.1));
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

    pub(super) fn write_cursors(&mut self) -> rusqlite::Result<()> {
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

    pub(super) fn highest(&self, sql: &str) -> rusqlite::Result<u64> {
        let highest = first(self.db, sql, (), |row| row.get::<_, Option<Num>>(0))?;
        Ok(highest.flatten().map_or(0, |Num(number)| number))
    }
}

/// The key that owns an id.
pub(super) fn owner(db: &Connection, id: &UserId) -> rusqlite::Result<Option<Pin>> {
    let key = first(db, "SELECT key FROM user WHERE id = ?1", [id.as_str()], |row| row.get(0))?;
    Ok(key.map(Pin))
}

/// Where a user who has processed nothing of `@all` stands in it: where it ended at the claim.
pub(super) fn since(db: &Connection, user: i64) -> rusqlite::Result<StoredCursor> {
    const SQL: &str = "SELECT since_seq, since_ordinal FROM user WHERE no = ?1";
    let found = first(db, SQL, [user], |row| Ok((num(row, 0)?, num(row, 1)?)))?;
    let (through, ordinal) = found.unwrap_or_default();
    Ok(StoredCursor { through, ordinal, above: Vec::new() })
}

pub(super) fn put_cursor(
    db: &Connection,
    user: i64,
    no: i64,
    cursor: &StoredCursor,
) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT OR REPLACE INTO cursor (user, log, through, ordinal, above) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let above = record::encode_above(&cursor.above).map_err(unencodable)?;
    execute(db, SQL, (user, no, Num(cursor.through), Num(cursor.ordinal), above)).map(drop)
}
