//! The durable log, on SQLite. Nothing outside knows that it is SQLite.
//!
//! Two threads. The writer takes batches, makes each one transaction and one fsync, and answers;
//! the reader answers lookups from snapshots. Both answer through one callback, and an answer means
//! disk. After an error nothing is answered any more but that error: the WAL (`synchronous = FULL`)
//! is synced once per commit, and a sync that failed is never tried again, since the system may
//! have dropped what it could not write. A full disk is not such an error.
//!
//! - `file`: directory, lock, format, pragmas. `tables`: what is in it.
//! - `writer`, `batch`, `sweep`: the thread; one transaction; removing what is old. `wal`: room in
//!   its file. `place`: whether the files are still there.
//! - `refusing`: what is said when there is no room.
//! - `reader`: the thread; pages.
//! - `run`: the messages of one log that one batch brings, as one row. `record`: as bytes, with
//!   checksums. `parts`: long bodies. `sent`, `keyed`: the ids that a duplicate is known by.
//! - `verdicts`: what readers said of messages. `members`: of rooms. `standings`: how far a message
//!   has come. `find`: where it stands.
//! - `drawers`: what is kept aside. `letters`: as rows.
//! - `tail`: what the newest runs say and no other table does yet.
//! - `check`: whether it is whole, a new one of what can be read (`salvage`), a copy of it.
//! - `names`, `sql`: small helpers.

mod batch;
mod check;
mod drawers;
mod expiry;
mod file;
mod find;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod joined;
mod keyed;
mod letters;
mod members;
mod names;
mod parts;
mod place;
mod reader;
mod record;
mod refusing;
mod run;
mod salvage;
mod sent;
mod sql;
mod standings;
mod sweep;
mod tables;
mod tail;
mod verdicts;
mod wal;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::durable::{Found, Outcome, Quotas, Read, RequestId, Write};

pub use check::{Checked, Mended, backup, check};
pub use file::{OpenError, about, invite, is_there, refuse_remains, users};
pub use tables::FORMAT;

/// Most reads that the caller may have unanswered; beyond them [`Store::read`] blocks.
pub const READS_IN_WORK_MAX: usize = 64;
/// Batches that may wait while one is in work; beyond them [`Store::commit`] blocks.
const BATCHES_WAITING_MAX: usize = 1;

/// An open store. Dropped, its threads end after the work in hand; [`Store::close`] waits for that.
pub struct Store {
    batches: SyncSender<Vec<(RequestId, Write)>>,
    reads: SyncSender<(RequestId, Read)>,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

/// What the store has to say.
#[derive(Debug)]
pub enum Done {
    /// A batch is on disk: the answers to its writes in their order, but without those that wait
    /// for room, and with those that waited before. One for each [`Store::commit`].
    Durable(Vec<(RequestId, Outcome)>),
    /// `Settle`s that waited for room while the disk was full are on disk. Belongs to no batch.
    Late(Vec<(RequestId, Outcome)>),
    /// A read is answered.
    Found(RequestId, Found),
    /// Nothing is written or read any more, and what was not answered may or may not be on disk.
    /// Said once.
    Failed(StoreError),
}

/// Why a store does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("{doing} the store: {cause}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// What the engine said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
        /// True if what is in the file is not what was written to it.
        damage: bool,
    },
    /// Somebody has removed or replaced a file of the store, or moved its directory.
    #[error("{} was removed or replaced while the server was running", .0.display())]
    Lost(PathBuf),
    /// A bug.
    #[error("a thread of the store panicked")]
    Panicked,
}

impl StoreError {
    /// Whether what is in the file is not what was written to it.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Failed { damage: true, .. })
    }
}

impl Store {
    /// Opens the store in `dir`, which is made if it is missing, for this process alone.
    ///
    /// `done` is called from the store's own threads, and may block: they then wait.
    pub fn open(
        dir: &Path,
        quotas: Quotas,
        done: impl Fn(Done) + Send + Sync + 'static,
    ) -> Result<Self, OpenError> {
        let file::Opened { writing, reading, wal, place, lock } = file::open(dir, &quotas)?;
        let report = Arc::new(Report { done: Box::new(done), failed: AtomicBool::new(false) });
        let (batches, to_write) = sync_channel(BATCHES_WAITING_MAX);
        let (reads, to_read) = sync_channel::<(RequestId, Read)>(READS_IN_WORK_MAX);
        let writer = writer::Writer::new(writing, (wal, place), quotas, Arc::clone(&report), lock);
        let writer = spawn("store-writer", &report, move |_| {
            let batches: Receiver<Vec<(RequestId, Write)>> = to_write;
            writer.run(&batches);
        })?;
        let reader =
            spawn("store-reader", &report, move |report| reader::run(&reading, &to_read, report))?;
        Ok(Self { batches, reads, writer, reader })
    }

    /// Asks for writes to be made durable together. Answer: [`Done::Durable`].
    pub fn commit(&self, batch: Vec<(RequestId, Write)>) {
        // The writer is gone only after `Failed`, which is the answer to this too.
        let _ = self.batches.send(batch);
    }

    /// Asks for something to be looked up. Answer: [`Done::Found`].
    pub fn read(&self, ticket: RequestId, read: Read) {
        // As in `commit`.
        let _ = self.reads.send((ticket, read));
    }

    /// Waits for the work in hand and puts the WAL away. Its answers still come through `done`,
    /// which must not wait for the caller of this.
    pub fn close(self) {
        let Self { batches, reads, writer, reader } = self;
        drop((batches, reads));
        // A panic has been reported as `Failed`.
        let _ = reader.join();
        let _ = writer.join();
    }
}

/// The way back to the caller, shut by the first failure.
struct Report {
    done: Box<dyn Fn(Done) + Send + Sync>,
    failed: AtomicBool,
}

impl Report {
    fn done(&self, done: Done) {
        if !self.has_failed() {
            (self.done)(done);
        }
    }

    fn fail(&self, error: StoreError) {
        if !self.failed.swap(true, Ordering::SeqCst) {
            (self.done)(Done::Failed(error));
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}

/// Makes an error of what SQLite says.
fn failed(doing: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |cause| {
        let damage = place::is_damage(&cause);
        StoreError::Failed { doing, cause: cause.into(), damage }
    }
}

fn spawn(
    name: &str,
    report: &Arc<Report>,
    run: impl FnOnce(&Report) + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    /// Reports a panic while it unwinds, so that nobody waits for answers that will not come.
    struct Watch(Arc<Report>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.fail(StoreError::Panicked);
            }
        }
    }
    let watch = Watch(Arc::clone(report));
    let spawned = thread::Builder::new().name(name.into()).spawn(move || run(&watch.0));
    spawned.map_err(OpenError::Thread)
}
