//! The writing thread: one batch, one transaction, one fsync; and the checkpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::batch::Batch;
use super::file::Lock;
use super::names::Names;
use super::place::Place;
use super::sql::num;
use super::tail::WriteBuffer;
use super::wal::Wal;
use super::{Done, Report, StoreError, failed};
use crate::durable::{Disposition, Outcome, Quotas, RequestId, StoredCursor, Upload, Write};
use crate::wire::{Seq, Target, UserId};

type Answers = Vec<(RequestId, Outcome)>;

/// The WAL is brought into the database when it has this many pages, about 8 MiB.
const WAL_PAGES: u64 = 2048;
/// After so long without a batch: a checkpoint, and another try of what waits for room.
const IDLE_MS: u64 = 1000;

/// The only one that writes.
pub(super) struct Writer {
    db: Connection,
    wal: Wal,
    place: Place,
    /// Pages that it had after the last commit.
    wal_pages: u64,
    quotas: Quotas,
    names: Names,
    /// `None`: to be read from the tables.
    tail: Option<WriteBuffer>,
    /// Seq at which the last sweep ended.
    sweep_after: Seq,
    /// What found no room. Unlike messages, which are refused, these have happened already.
    waiting: BTreeMap<(UserId, Target), Waiting>,
    /// Uploads that ended while there was no room to note it.
    over: BTreeSet<Upload>,
    /// There are loose parts.
    loose: bool,
    /// There may be something to checkpoint.
    behind: bool,
    report: Arc<Report>,
    /// Held until nothing is written any more.
    _lock: Lock,
}

/// Moves of one cursor, added up, and what was said meanwhile.
#[derive(Default)]
struct Waiting {
    cursor: StoredCursor,
    messages: u64,
    bytes: u64,
    verdicts: Vec<(Seq, Disposition, u64)>,
    tickets: Vec<RequestId>,
}

/// Which writes a transaction holds, besides those given to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum And {
    /// All that wait for room.
    Waiting,
    /// Those of them of whose messages nothing was said.
    Silent,
    Nothing,
}

impl And {
    fn takes(self, waiting: &Waiting) -> bool {
        match self {
            Self::Waiting => true,
            Self::Silent => waiting.verdicts.is_empty(),
            Self::Nothing => false,
        }
    }
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        (wal, place): (Wal, Place),
        quotas: Quotas,
        report: Arc<Report>,
        lock: Lock,
    ) -> Self {
        Self {
            db,
            wal,
            place,
            wal_pages: 0,
            quotas,
            names: Names::default(),
            tail: None,
            sweep_after: 0,
            waiting: BTreeMap::new(),
            over: BTreeSet::new(),
            loose: true,
            behind: true,
            report,
            _lock: lock,
        }
    }

    /// Works until there can be no more batches, or one fails.
    pub(super) fn run(mut self, batches: &Receiver<Vec<(RequestId, Write)>>) {
        if let Err(error) = self.work(batches) {
            // Whether an earlier write is on disk is unknown from here on; trying again could make
            // it look as if it were.
            self.report.fail(error);
        }
    }

    fn work(&mut self, batches: &Receiver<Vec<(RequestId, Write)>>) -> Result<(), StoreError> {
        while !self.report.has_failed() {
            match self.next(batches) {
                Ok(batch) => self.commit(batch)?,
                Err(RecvTimeoutError::Timeout) if self.loose => self.remove_loose()?,
                Err(RecvTimeoutError::Timeout) => self.idle()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.idle()?;
                    return self.put_away();
                }
            }
        }
        Ok(())
    }

    /// Wakes up only if there is something to do then.
    fn next(
        &self,
        batches: &Receiver<Vec<(RequestId, Write)>>,
    ) -> Result<Vec<(RequestId, Write)>, RecvTimeoutError> {
        if self.loose {
            batches.recv_timeout(Duration::ZERO)
        } else if self.behind || !self.waiting.is_empty() || !self.over.is_empty() {
            batches.recv_timeout(Duration::from_millis(IDLE_MS))
        } else {
            batches.recv().map_err(|_| RecvTimeoutError::Disconnected)
        }
    }

    fn commit(&mut self, batch: Vec<(RequestId, Write)>) -> Result<(), StoreError> {
        let answers = match self.transaction(&batch, And::Waiting) {
            Ok(answers) => answers,
            Err(cause) if self.place.is_full(&cause) => self.commit_without_room(batch)?,
            Err(cause) => return Err(failed("writing")(cause)),
        };
        self.still_there()?;
        self.report.done(Done::Durable(answers));
        self.keep_wal_short()
    }

    /// Looked at behind a commit and before its answers.
    fn still_there(&mut self) -> Result<(), StoreError> {
        self.place.lost().map_or(Ok(()), |path| Err(StoreError::Lost(path)))
    }

    /// Without a batch there is time for it, some parts after the other.
    fn remove_loose(&mut self) -> Result<(), StoreError> {
        if self.try_alone(&[], And::Nothing)?.is_none() {
            // Not before there is something else to do, or it would be tried without end.
            self.loose = false;
        }
        self.keep_wal_short()
    }

    fn idle(&mut self) -> Result<(), StoreError> {
        self.checkpoint("PASSIVE")?;
        if self.waiting.is_empty() && self.over.is_empty() {
            return Ok(());
        }
        let answers = self.try_waiting()?;
        if !answers.is_empty() {
            self.still_there()?;
            self.report.done(Done::Late(answers));
        }
        Ok(())
    }

    /// Refuses what asks for room, keeps what has happened, and tries what makes room.
    fn commit_without_room(
        &mut self,
        batch: Vec<(RequestId, Write)>,
    ) -> Result<Answers, StoreError> {
        tracing::warn!("the disk is full, or the store as large as it may be");
        let mut answers = Vec::with_capacity(batch.len());
        let (mut refused, mut making_room) = (Vec::new(), Vec::new());
        for (ticket, write) in batch {
            match write {
                Write::Ack { user, log, cursor, messages, bytes, verdicts } => {
                    let waiting = self.waiting.entry((user, log)).or_default();
                    if cursor.through >= waiting.cursor.through {
                        waiting.cursor = cursor;
                    }
                    waiting.messages = waiting.messages.saturating_add(messages);
                    waiting.bytes = waiting.bytes.saturating_add(bytes);
                    waiting.verdicts.extend(verdicts);
                    waiting.tickets.push(ticket);
                }
                Write::Sweep { .. } | Write::TakeParked { back: false, .. } => {
                    making_room.push((ticket, write));
                }
                Write::DiscardUpload { upload } => {
                    self.over.insert(upload);
                    answers.push((ticket, Outcome::DiscardUpload));
                }
                Write::Append { upload: Some(upload), .. }
                | Write::BeginUpload { upload, .. }
                | Write::AppendChunk { upload, .. } => {
                    self.over.insert(upload);
                    refused.push((ticket, write));
                }
                Write::Append { upload: None, .. }
                | Write::Schedule { .. }
                | Write::Claim { .. }
                | Write::JoinRoom { .. }
                | Write::LeaveRoom { .. }
                | Write::ReleaseDue { .. }
                | Write::TakeParked { .. } => refused.push((ticket, write)),
            }
        }
        answers.extend(self.refused(&refused)?);
        // What the WAL holds goes where it has a place already, so that its own is free again.
        self.checkpoint("PASSIVE")?;
        self.try_alone(&[], And::Nothing)?;
        for alone in making_room.chunks(1) {
            match self.try_alone(alone, And::Nothing)? {
                Some(done) => answers.extend(done),
                None => answers.extend(self.refused(alone)?),
            }
        }
        answers.extend(self.try_waiting()?);
        // In the order in which they were asked for.
        answers.sort_by_key(|(ticket, _)| *ticket);
        Ok(answers)
    }

    /// What was said takes room, and must not hold up the others, which lead to some.
    fn try_waiting(&mut self) -> Result<Answers, StoreError> {
        for and in [And::Waiting, And::Silent] {
            if let Some(answers) = self.try_alone(&[], and)? {
                return Ok(answers);
            }
        }
        Ok(Vec::new())
    }

    /// `None` if there is no room.
    fn try_alone(
        &mut self,
        batch: &[(RequestId, Write)],
        and: And,
    ) -> Result<Option<Answers>, StoreError> {
        match self.transaction(batch, and) {
            Ok(answers) => Ok(Some(answers)),
            Err(cause) if self.place.is_full(&cause) => Ok(None),
            Err(cause) => Err(failed("writing")(cause)),
        }
    }

    /// All of it is on disk, or none of it has happened.
    fn transaction(&mut self, batch: &[(RequestId, Write)], and: And) -> rusqlite::Result<Answers> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        self.wal.grow(self.wal_pages);
        let written =
            self.fill(batch, and).and_then(|done| self.db.execute_batch("COMMIT").map(|()| done));
        match written {
            Ok(answers) => {
                self.waiting.retain(|_, waiting| !and.takes(waiting));
                self.over.clear();
                self.behind = true;
                Ok(answers)
            }
            Err(cause) => {
                self.names.forget();
                self.tail = None;
                // SQLite has rolled back itself after some errors.
                if !self.db.is_autocommit() {
                    self.db.execute_batch("ROLLBACK")?;
                }
                Err(cause)
            }
        }
    }

    fn refused(&mut self, writes: &[(RequestId, Write)]) -> Result<Answers, StoreError> {
        let mut refuse = || -> rusqlite::Result<Answers> {
            let mut batch = self.begin()?;
            writes.iter().map(|(ticket, write)| Ok((*ticket, batch.refuse(write)?))).collect()
        };
        refuse().map_err(failed("looking up"))
    }

    fn begin(&mut self) -> rusqlite::Result<Batch<'_>> {
        let Self { db, quotas, names, sweep_after, tail, .. } = self;
        let tail = match tail {
            Some(tail) => tail,
            None => tail.insert(WriteBuffer::load(db)?),
        };
        Ok(Batch::start(db, quotas, names, sweep_after, tail))
    }

    fn fill(&mut self, batch: &[(RequestId, Write)], and: And) -> rusqlite::Result<Answers> {
        let mut answers = Vec::with_capacity(batch.len());
        let Self { db, quotas, names, sweep_after, tail, waiting, over, .. } = self;
        let tail = match tail {
            Some(tail) => tail,
            None => tail.insert(WriteBuffer::load(db)?),
        };
        let mut transaction = Batch::start(db, quotas, names, sweep_after, tail);
        for &upload in over.iter() {
            transaction.write(&Write::DiscardUpload { upload })?;
        }
        for ((user, log), waiting) in waiting.iter().filter(|(_, waiting)| and.takes(waiting)) {
            let Waiting { cursor, messages, bytes, verdicts, tickets } = waiting;
            transaction.settle(user, log, cursor, (*messages, *bytes), verdicts)?;
            answers.extend(tickets.iter().map(|&ticket| (ticket, Outcome::Ack)));
        }
        for (ticket, write) in batch {
            answers.push((*ticket, transaction.write(write)?));
        }
        self.loose = transaction.finish()?;
        Ok(answers)
    }

    fn keep_wal_short(&mut self) -> Result<(), StoreError> {
        self.wal_pages = self.look_at_wal()?;
        if self.wal_pages >= WAL_PAGES { self.checkpoint("PASSIVE") } else { Ok(()) }
    }

    /// Pages that the WAL holds, those already in the database too while it has not started over.
    fn look_at_wal(&self) -> Result<u64, StoreError> {
        let sql = "PRAGMA wal_checkpoint(NOOP)";
        let looked =
            self.db.prepare_cached(sql).and_then(|mut s| s.query_row((), |row| num(row, 1)));
        looked.map_err(failed("looking at the WAL"))
    }

    /// Leaves an empty WAL, unless another process reads; ending does not wait for that.
    fn put_away(&mut self) -> Result<(), StoreError> {
        let set = self.db.busy_timeout(Duration::ZERO);
        set.map_err(failed("closing"))?;
        self.checkpoint("TRUNCATE")
    }

    /// A reader in the way, or no room, leaves the rest to the next one.
    fn checkpoint(&mut self, mode: &str) -> Result<(), StoreError> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let moved = self.db.query_row(&sql, (), |row| {
            Ok(row.get::<_, i64>(0)? == 0 && row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
        });
        match moved {
            Ok(all) => self.behind = !all,
            Err(cause) if self.place.is_full(&cause) => tracing::warn!("no room for a checkpoint"),
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
            Err(cause) => return Err(failed("checkpointing")(cause)),
        }
        Ok(())
    }
}
