//! Seam between the store and what it stores into: an engine does writes and reads one after the
//! other; the threads, the answers and what waits for a full disk stand above it, in `store`.

use std::error::Error;
use std::path::PathBuf;

use super::{Found, Outcome, Read, Write};

/// The writing half of an engine. One thread calls it.
pub trait WriteEngine: Send + 'static {
    /// Carries out writes in their order, each seeing those before it, as one transaction. When it
    /// returns `Ok` all of them are on disk; after an error none has happened. The outcomes are
    /// those of the writes, in their order.
    fn commit<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, CommitError>;

    /// Answers writes for which there is no room, without carrying them out. What is stored already
    /// is told as such: a client that sends again must not be told that it was not stored.
    fn refuse<'a>(
        &mut self,
        writes: impl Iterator<Item = &'a Write>,
    ) -> Result<Vec<Outcome>, StoreError>;

    /// Frees room that writes will need. Called once for a batch that found none.
    fn make_room(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Work that waits for a moment without a batch.
    fn chores(&self) -> Chores {
        Chores::None
    }

    /// Does a bounded amount of that work.
    fn do_chores(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Work after a commit whose answers are given.
    fn after_commit(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Ends. Nothing is asked of it any more.
    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// The reading half of an engine. One thread calls it, while another writes.
pub trait ReadEngine: Send + 'static {
    /// Looks something up, all of it at one moment. Sees every write that was committed before.
    fn read(&mut self, read: &Read) -> Result<Found, StoreError>;
}

/// When an engine wants to do its chores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chores {
    /// As soon as no batch waits.
    Now,
    /// After a while without a batch.
    Idle,
    /// Never: there are none.
    None,
}

/// Reason why a transaction was not committed.
#[derive(Debug)]
pub enum CommitError {
    /// There is no room. Nothing of it has happened, and smaller ones may succeed.
    Full,
    /// The store does not go on.
    Failed(StoreError),
}

/// Reason why a store does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("{doing} the store: {cause}")]
    Failed {
        /// The work that was tried.
        doing: &'static str,
        /// The error of the engine.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
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
    /// Returns whether what is in the file is not what was written to it.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Failed { damage: true, .. })
    }
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}
