//! Where the files are: whether they are still those that were opened, and whether there is room.
//!
//! A file that is removed or renamed stays as it is for who has it open: all goes well, and nothing
//! of it is there after a restart. So before anything is acknowledged the names are looked up
//! again: microseconds, beside a sync.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Error, ffi};

use super::sql;
use crate::files;

/// What a file is known by, whatever its name.
type Number = (u64, u64);

/// The database and its log, by their names.
pub(super) struct FileWatch {
    database: Named,
    /// SQLite makes it at the first commit.
    log: Named,
}

struct Named {
    path: PathBuf,
    number: Option<Number>,
}

impl FileWatch {
    /// That of a database that has just been opened.
    pub(super) fn new(database: &Path) -> Self {
        Self { database: Named::new(database.to_owned()), log: Named::new(log_of(database)) }
    }

    /// The file that is not there any more, or another one, after a commit. What was committed is
    /// on the disk only if there is none.
    pub(super) fn lost(&mut self) -> Option<PathBuf> {
        let lost = [&mut self.database, &mut self.log].into_iter().find_map(Named::lost);
        lost.map(Path::to_owned)
    }

    /// Whether there was no room for a write, and nothing of it has happened. Of a quota, and of
    /// the largest size of a file, SQLite says no more than that a write failed.
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

/// The database in the directory of a store.
pub(super) fn database(dir: &Path) -> PathBuf {
    dir.join("store.db")
}

/// The write-ahead log of a database.
pub(super) fn log_of(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}
