//! The file of the write-ahead log, lengthened before it is written to.
//!
//! A sync of a file that has grown must also write the new blocks and the size, which takes twice
//! as long. SQLite starts the WAL again from its beginning after every checkpoint, so this matters
//! until the first of them. The added bytes are zeros, at which SQLite stops reading.

use crate::store::limits::WAL_LEN_MAX;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Bytes added at a time, when less than half as many are left.
const STEP: u64 = 512 << 10;
/// Bytes of a page with its header.
const FRAME: u64 = 4096 + 24;

/// The file, if it could be opened. Without it the store works, but more slowly.
pub(super) struct Wal {
    file: Option<File>,
    /// Lower bound of the file's length.
    len: u64,
}

impl Wal {
    /// Opens the WAL of an open database.
    pub(super) fn open(database: &Path) -> Self {
        let file = File::options().append(true).open(database.with_extension("db-wal")).ok();
        Self { file, len: 0 }
    }

    /// Returns a WAL whose file is left at its length.
    pub(super) fn left_alone() -> Self {
        Self { file: None, len: 0 }
    }

    /// Makes the file long enough for `pages` pages and some more. Must be called in a transaction
    /// that writes: otherwise another process could write there. The commit of that transaction
    /// syncs the file and so reports failures of this.
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
