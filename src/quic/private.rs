//! Files that only their owner may read.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

/// No private file of ours is near this long; it keeps a wrong path from filling memory.
const LEN_MAX: u64 = 64 << 10;
/// Permission bits of everybody who is not the owner.
const OTHERS: u32 = 0o077;

/// Why a private file could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Others than the owner may open it.
    #[error("{path} is open to others than its owner: chmod 600 {path}", path = .path.display())]
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
    if metadata.mode() & OTHERS != 0 {
        return Err(FileError::Exposed { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(LEN_MAX).read_to_end(&mut bytes).map_err(FileError::io(path))?;
    Ok(bytes)
}

/// Makes a file with these bytes, durable when this returns, which is there whole or not at all and
/// never replaces another.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut suffix = [0; 8];
    aws_lc_rs::rand::fill(&mut suffix)
        .map_err(|_| FileError::io(path)(io::Error::other("no random numbers")))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}", HEXLOWER.encode(&suffix)));
    let made = write_synced(&temporary, bytes).map_err(FileError::io(path)).and_then(|()| {
        // A link, where a rename would replace what is there.
        std::fs::hard_link(&temporary, path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => FileError::Exists { path: path.to_owned() },
            _ => FileError::io(path)(error),
        })
    });
    // The name may not even have come to be, and a leftover is not an error of this file.
    let _ = std::fs::remove_file(&temporary);
    made?;
    File::open(directory).and_then(|it| it.sync_all()).map_err(FileError::io(path))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
