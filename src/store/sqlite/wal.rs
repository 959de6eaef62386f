//! The file of the write-ahead log, made longer before it is written to.
//!
//! A sync that finds the file longer than before has its new blocks and its size to note too, which
//! takes it as long again. SQLite writes the WAL anew from its beginning after every checkpoint, so
//! this is about the first of them; zeros behind its end are what SQLite stops reading at.

use crate::store::limits::WAL_LEN_MAX;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// By so many at a time, when half as many are left.
const STEP: u64 = 512 << 10;
/// A page with its header.
const FRAME: u64 = 4096 + 24;

/// Its file, if it could be opened: without it all goes well too, only slower.
pub(super) struct Wal {
    file: Option<File>,
    /// At least.
    len: u64,
}

impl Wal {
    /// That of a database that is open.
    pub(super) fn open(database: &Path) -> Self {
        let file = File::options().append(true).open(database.with_extension("db-wal")).ok();
        Self { file, len: 0 }
    }

    /// A file that is left as long as it is.
    pub(super) fn left_alone() -> Self {
        Self { file: None, len: 0 }
    }

    /// Sees to it that there is room behind so many pages. Only in a transaction that writes, or
    /// another process could write there; its commit syncs this file, and so reports what fails
    /// here.
    pub(super) fn grow(&mut self, pages: u64) {
        let wanted = pages.saturating_mul(FRAME).saturating_add(STEP / 2).min(WAL_LEN_MAX);
        if wanted > self.len && self.grow_to(wanted).is_err() {
            self.file = None;
        }
    }

    fn grow_to(&mut self, wanted: u64) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        self.len = file.metadata()?.len();
        if wanted > self.len {
            file.write_all(&vec![0; STEP as usize])?;
            self.len += STEP;
        }
        Ok(())
    }
}
