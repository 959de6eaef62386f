//! Files that only their owner may read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files;

/// No private file of ours is near this long; it keeps a wrong path from filling memory.
const LEN_MAX: u64 = 64 << 10;

/// Why a private file could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Others than the owner may open it.
    #[error("{path} is readable by others (run: chmod 600 {path})", path = .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It was to be made, and is there.
    #[error("{} is there already", .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl FileError {
    /// Whether the file could not be read because there is none.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// The bytes of a file that nobody but its owner may open.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(FileError::io(path))?;
    // Asked of the open file, so that what is checked is what is read.
    let metadata = file.metadata().map_err(FileError::io(path))?;
    if metadata.mode() & files::OTHERS != 0 {
        return Err(FileError::Exposed { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(LEN_MAX).read_to_end(&mut bytes).map_err(FileError::io(path))?;
    Ok(bytes)
}

/// Makes a file with these bytes, durable when this returns, which is there whole or not at all and
/// never replaces another.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::create(path, bytes).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => FileError::Exists { path: path.to_owned() },
        _ => FileError::io(path)(error),
    })
}
