//! Interface between the store and its engine. An engine carries out one write or read after the
//! other; the threads, the answers and the writes that wait for a full disk belong to `store`.

use std::error::Error;
use std::path::PathBuf;

use super::{Found, Outcome, Read, Write};

/// The writing half of an engine. One thread calls it.
pub trait WriteEngine: Send + 'static {
    /// Carries out the writes in order, each seeing those before it, as one transaction. `Ok`: all
    /// of them are on disk, and the outcomes are in the order of the writes. After an error none of
    /// them has happened.
    fn commit<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, CommitError>;

    /// Answers writes for which there is no room, without carrying them out. Messages that are
    /// already stored are reported as duplicates: a client that sends one again must not hear that
    /// it was not stored.
    fn refuse<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, StoreError>;

    /// Frees room for later writes. Called once for each batch that found no room.
    fn make_room(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns when [`do_chores`](Self::do_chores) should be called.
    fn chores(&self) -> Chores {
        Chores::None
    }

    /// Does a bounded amount of background work.
    fn do_chores(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Does the work that can wait until a commit has been answered.
    fn after_commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Closes the engine; nothing else is called after this.
    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The reading half of an engine. One thread calls it, while another writes.
pub trait ReadEngine: Send + 'static {
    /// Looks something up, as of one moment. Sees every write that was committed before.
    fn read(&mut self, read: &Read) -> Result<Found, StoreError>;
}

/// Time at which an engine wants to do its chores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chores {
    /// Chores are due as soon as no batch waits.
    Now,
    /// Chores are due after a while without a batch.
    Idle,
    /// No chores to do.
    None,
}

/// Reason why a transaction was not committed.
#[derive(Debug)]
pub enum CommitError {
    /// No room. The transaction has not happened; a smaller one may succeed.
    Full,
    /// The store can no longer be used.
    Failed(StoreError),
}

/// Reason why a store can no longer be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("{doing} the store: {cause}")]
    Failed {
        /// The work that failed.
        doing: &'static str,
        /// The error of the engine.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
        /// True if the content of the file is not what was written to it.
        damage: bool,
    },
    /// A file of the store was removed or replaced, or its directory moved.
    #[error("{} was removed or replaced while the server was running", .0.display())]
    Lost(PathBuf),
    /// A thread panicked, which is a bug.
    #[error("a thread of the store panicked")]
    Panicked,
}

impl StoreError {
    /// Returns whether the content of the file is not what was written to it.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Failed { damage: true, .. })
    }
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
