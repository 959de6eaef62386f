//! Files and directories that cannot be used: how the program exits for it, and what to do.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::failure::{Exit, Failure};
use crate::files;

/// A failure of a file below `top`, with the hint that its cause asks for. A cause without one has
/// none.
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

/// What to do about something below `top` that the user may not read or write: mostly it was made
/// by root in somebody's home.
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

/// Refuses a directory whose mode has any of these bits.
pub(crate) fn guard(dir: &Path, bits: u32) -> Result<(), Failure> {
    match fs::metadata(dir) {
        Ok(metadata) if metadata.mode() & bits != 0 => {
            let dir = dir.display();
            let what = format!("others can read or write {dir} (run: chmod 700 {dir})");
            let hint = "keys and messages are private: their directory is for its owner alone";
            Err(Failure::new(Exit::Config, what).hint(hint))
        }
        // What is not there cannot be open to others, and what else is wrong shows when it is used.
        _ => Ok(()),
    }
}
