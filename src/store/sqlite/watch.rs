//! Watch over the files of the store: whether they are still the ones that were opened, and whether
//! there is room for them.
//!
//! A file that was removed or renamed can still be written by a process that has it open; after a
//! restart it is gone. So the names are looked up again before each answer to a commit. That takes
//! microseconds, little compared to a sync.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Error, ffi};

use super::sql;
use crate::files;

/// Identity of a file, whatever its name: device and inode.
type Number = (u64, u64);

/// The paths of the database and its log, with the identity of each.
pub(super) struct FileWatch {
    database: Named,
    /// The write-ahead log, which SQLite creates at the first commit.
    log: Named,
}

struct Named {
    path: PathBuf,
    number: Option<Number>,
}

impl FileWatch {
    /// Starts to watch the files of a database that has just been opened.
    pub(super) fn new(database: &Path) -> Self {
        Self { database: Named::new(database.to_owned()), log: Named::new(log_of(database)) }
    }

    /// Returns the path of a file that was removed or replaced. Called after a commit, which is on
    /// disk only if this returns `None`.
    pub(super) fn lost(&mut self) -> Option<PathBuf> {
        let lost = [&mut self.database, &mut self.log].into_iter().find_map(Named::lost);
        lost.map(Path::to_owned)
    }

    /// Returns whether an error means that there was no room for a write, which then has not
    /// happened. For disk quotas and file size limits SQLite only reports that a write failed.
    pub(super) fn is_full(&self, error: &Error) -> bool {
        let is_write = error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == ffi::SQLITE_IOERR_WRITE);
        sql::is_full(error) || is_write && self.has_no_room()
    }

    fn has_no_room(&self) -> bool {
        let len = |named: &Named| fs::metadata(&named.path).map_or(0, |file| file.len());
        let dir = self.database.path.parent();
        dir.is_some_and(|dir| files::has_no_room(dir, len(&self.database).max(len(&self.log))))
    }
}

impl Named {
    fn new(path: PathBuf) -> Self {
        let number = fs::metadata(&path).ok().as_ref().map(number);
        Self { path, number }
    }

    fn lost(&mut self) -> Option<&Path> {
        let now = fs::metadata(&self.path).ok().as_ref().map(number);
        self.number = self.number.or(now);
        (now.is_none() || now != self.number).then_some(&self.path)
    }
}

fn number(file: &Metadata) -> Number {
    (file.dev(), file.ino())
}

/// Returns the path of the database in the directory of a store.
pub(super) fn database(dir: &Path) -> PathBuf {
    dir.join("store.db")
}

/// Returns the path of the write-ahead log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}
