//! The writing half of the engine: one transaction and one fsync for each commit; checkpoints.

use std::iter;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::file::{self, Lock, OpenError, sqlite};
use super::names::Names;
use super::reader::SqliteReader;
use super::sql::{failed, num};
use super::transaction::Transaction;
use super::wal::Wal;
use super::watch::FileWatch;
use super::write_buffer::WriteBuffer;
use crate::durable::{Chores, CommitError, Outcome, Quotas, StoreError, Write, WriteEngine};
use crate::store::report::Done;
use crate::store::threads::Store;
use crate::wire::{JoinCode, Seq};

/// WAL length, in pages, that calls for a checkpoint: about 8 MiB.
const WAL_PAGES: u64 = 2048;

/// Opens the store in `dir` for this process alone, creating it if it is missing.
///
/// The store's own threads call `done`, and wait if it blocks.
pub fn open(
    dir: &Path,
    quotas: Quotas,
    done: impl Fn(Done) + Send + Sync + 'static,
) -> Result<Store, OpenError> {
    let file::Opened { writing, reading, wal, place, lock } = file::open(dir, &quotas)?;
    let writer = SqliteWriter::new(writing, (wal, place), quotas, Some(lock));
    Store::start(writer, SqliteReader::new(reading), done).map_err(OpenError::Thread)
}

/// Adds a join code that is valid until `expires_ms` (milliseconds since 1970). Works while a
/// server uses the store.
pub fn invite(dir: &Path, code: &JoinCode, expires_ms: u64) -> Result<(), OpenError> {
    let invite = Write::Invite { code: code.clone(), expires_ms };
    let invited = SqliteWriter::beside(dir)?.transaction(iter::once(&invite));
    invited.map_err(sqlite("adding a join code")).map(drop)
}

/// The only writer of the store, apart from invitations.
struct SqliteWriter {
    db: Connection,
    wal: Wal,
    place: FileWatch,
    /// WAL length after the last commit, in pages.
    wal_pages: u64,
    quotas: Quotas,
    names: Names,
    /// Buffer of the newest messages. `None`: to be loaded from the tables.
    buffer: Option<WriteBuffer>,
    /// Seq at which the last sweep ended.
    sweep_after: Seq,
    /// True while there are loose chunks.
    loose: bool,
    /// True while there may be something to checkpoint.
    behind: bool,
    /// Lock that keeps other servers away. `None`: a writer beside the server.
    _lock: Option<Lock>,
}

impl SqliteWriter {
    /// Opens a writer without the server's lock. It may only add invitations, as it does not know
    /// the server's write buffer.
    fn beside(dir: &Path) -> Result<Self, OpenError> {
        let (db, place) = file::open_beside(dir)?;
        let mut writer = Self::new(db, (Wal::left_alone(), place), Quotas::default(), None);
        writer.buffer = Some(WriteBuffer::empty());
        Ok(writer)
    }

    fn new(
        db: Connection,
        (wal, place): (Wal, FileWatch),
        quotas: Quotas,
        lock: Option<Lock>,
    ) -> Self {
        Self {
            db,
            wal,
            place,
            wal_pages: 0,
            quotas,
            names: Names::default(),
            buffer: None,
            sweep_after: 0,
            loose: true,
            behind: true,
            _lock: lock,
        }
    }

    /// Carries out writes in one transaction. After an error none of them has happened.
    fn transaction<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> rusqlite::Result<Vec<Outcome>> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        self.wal.grow(self.wal_pages);
        let written =
            self.carry_out(writes).and_then(|done| self.db.execute_batch("COMMIT").map(|()| done));
        match written {
            Ok(outcomes) => {
                self.behind = true;
                Ok(outcomes)
            }
            Err(cause) => {
                self.names.forget();
                self.buffer = None;
                // After some errors SQLite has already rolled back.
                if !self.db.is_autocommit() {
                    self.db.execute_batch("ROLLBACK")?;
                }
                Err(cause)
            }
        }
    }

    fn carry_out<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> rusqlite::Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(writes.size_hint().0);
        let mut batch = self.begin()?;
        for write in writes {
            outcomes.push(batch.write(write)?);
        }
        self.loose = batch.finish()?;
        Ok(outcomes)
    }

    fn begin(&mut self) -> rusqlite::Result<Transaction<'_>> {
        let Self { db, quotas, names, sweep_after, buffer, .. } = self;
        let buffer = match buffer {
            Some(buffer) => buffer,
            None => buffer.insert(WriteBuffer::load(db)?),
        };
        Ok(Transaction::start(db, quotas, names, sweep_after, buffer))
    }

    /// Returns the pages in the WAL, including those already copied to the database, until it
    /// restarts.
    fn look_at_wal(&self) -> Result<u64, StoreError> {
        let sql = "PRAGMA wal_checkpoint(NOOP)";
        let looked =
            self.db.prepare_cached(sql).and_then(|mut s| s.query_row((), |row| num(row, 1)));
        looked.map_err(failed("looking at the WAL"))
    }

    /// Copies the WAL into the database. Pages held back by a reader, or by lack of room, are left
    /// to the next checkpoint.
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

impl WriteEngine for SqliteWriter {
    fn commit<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, CommitError> {
        let outcomes =
            self.transaction(writes).map_err(|cause| match self.place.is_full(&cause) {
                true => CommitError::Full,
                false => CommitError::Failed(failed("writing")(cause)),
            })?;
        // Checked after the commit, before it is answered.
        match self.place.lost() {
            Some(path) => Err(CommitError::Failed(StoreError::Lost(path))),
            None => Ok(outcomes),
        }
    }

    fn refuse<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let refuse = || -> rusqlite::Result<Vec<Outcome>> {
            let mut batch = self.begin()?;
            writes.map(|write| batch.refuse(write)).collect()
        };
        refuse().map_err(failed("looking up"))
    }

    /// Copies WAL pages whose place in the database exists, so that the WAL's own space can be
    /// reused.
    fn make_room(&mut self) -> Result<(), StoreError> {
        self.checkpoint("PASSIVE")
    }

    fn chores(&self) -> Chores {
        match (self.loose, self.behind) {
            (true, _) => Chores::Now,
            (false, true) => Chores::Idle,
            (false, false) => Chores::None,
        }
    }

    /// Removes some loose chunks, as every transaction does. If there are none, makes a checkpoint.
    fn do_chores(&mut self) -> Result<(), StoreError> {
        if !self.loose {
            return self.checkpoint("PASSIVE");
        }
        match self.commit(iter::empty()) {
            Ok(_) => {}
            // Stop until something else happens, or this would be tried forever.
            Err(CommitError::Full) => self.loose = false,
            Err(CommitError::Failed(error)) => return Err(error),
        }
        self.after_commit()
    }

    fn after_commit(&mut self) -> Result<(), StoreError> {
        self.wal_pages = self.look_at_wal()?;
        if self.wal_pages >= WAL_PAGES { self.checkpoint("PASSIVE") } else { Ok(()) }
    }

    /// Leaves an empty WAL, unless another process is reading; closing does not wait for that
    /// process.
    fn close(&mut self) -> Result<(), StoreError> {
        self.checkpoint("PASSIVE")?;
        self.db.busy_timeout(Duration::ZERO).map_err(failed("closing"))?;
        self.checkpoint("TRUNCATE")
    }
}
