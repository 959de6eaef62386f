//! Files that only their owner may open.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::access::OTHERS;
use super::limits::PRIVATE_LEN_MAX;
use super::whole::create;

/// The reason why a private file could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    /// Others than the owner may open it.
    #[error("{path} is readable by others (run: chmod 600 {path})", path = .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file was to be made, and exists.
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
        /// The system's error.
        source: io::Error,
    },
}

impl PrivateFileError {
    /// Tells whether the file does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Reads a file that nobody but its owner may open.
pub fn read_private(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    let file = File::open(path).map_err(PrivateFileError::io(path))?;
    // The open file is asked, so that the file that is checked is the one that is read.
    let metadata = file.metadata().map_err(PrivateFileError::io(path))?;
    if metadata.mode() & OTHERS != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    file.take(PRIVATE_LEN_MAX).read_to_end(&mut bytes).map_err(PrivateFileError::io(path))?;
    Ok(bytes)
}

/// Makes a file with these bytes as [`create`] does: whole, durable, and never in place of another.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    create(path, bytes).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => PrivateFileError::Exists { path: path.to_owned() },
        _ => PrivateFileError::io(path)(error),
    })
}

/// Opens a file to write, leaving its content alone. If it does not exist, an empty one is made
/// that only its owner may open.
pub fn open_private(path: &Path) -> io::Result<File> {
    File::options().mode(0o600).write(true).create(true).truncate(false).open(path)
}
