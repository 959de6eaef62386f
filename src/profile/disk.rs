//! Failures of files and directories, with exit codes and hints.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::files;

/// Builds the failure for a file below `top`, with a hint if the cause has one.
pub(crate) fn failure(
    what: impl Into<String>,
    path: &Path,
    top: &Path,
    cause: &io::Error,
) -> Failure {
    let place = path.parent().unwrap_or(path).display();
    match cause.kind() {
        _ if files::is_full(cause) => Failure::new(Exit::NoSpace, what).hint(format!(
            "nothing was changed; make room in {place}, or raise the quota, then run it again"
        )),
        ErrorKind::ReadOnlyFilesystem => {
            Failure::new(Exit::Config, what).hint(format!("{place} is read-only: {WRITABLE}"))
        }
        ErrorKind::PermissionDenied => Failure::new(Exit::Config, what).hint(denied(path, top)),
        _ => Failure::new(Exit::Config, what),
    }
}

const WRITABLE: &str = "mount it writable, or name another directory (XDG_DATA_HOME, or --data \
                        for a server)";

/// The hint for a path below `top` that the user may not access. Often root has created it in a
/// user's home.
pub(crate) fn denied(path: &Path, top: &Path) -> String {
    match files::uppermost_foreign(path, top) {
        Some(foreign) => format!(
            "it belongs to another user; to take it over: \
             sudo chown -R \"$(id -u):$(id -g)\" {}",
            foreign.display()
        ),
        None => format!("see who may use it: ls -ld {}", path.display()),
    }
}

/// Refuses a directory that has any of these mode bits.
pub(crate) fn guard(dir: &Path, bits: u32) -> Result<(), Failure> {
    match fs::metadata(dir) {
        Ok(metadata) if metadata.mode() & bits != 0 => {
            let dir = dir.display();
            let what = format!("others can read or write {dir} (run: chmod 700 {dir})");
            let hint = "keys and messages are private: their directory is for its owner alone";
            Err(Failure::new(Exit::Config, what).hint(hint))
        }
        // A missing directory exposes nothing, and other errors show when it is used.
        _ => Ok(()),
    }
}
