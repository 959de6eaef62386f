//! Locks, clean-up and error advice for the directories of the spool.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use tokio::runtime::Handle;

use crate::clock;
use crate::files::{foreign_owner, is_full, is_unsupported};
use crate::process::runtime;

/// Interval between two attempts to take a lock.
const TURN: Duration = Duration::from_millis(20);
/// Age at which an unfinished file counts as abandoned.
const UNFINISHED_AGE_MS: i64 = 60_000;

/// Takes the lock of this name. `None` if another process holds it. The system releases a lock when
/// its process ends for any reason. A file system without locks always grants it.
pub(crate) fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) if has_no_locks(&error) => Ok(Some(file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn has_no_locks(error: &io::Error) -> bool {
    is_unsupported(error) || Errno::from_io_error(error) == Some(Errno::NOLCK)
}

/// Takes a lock, and waits for it up to `patience`.
pub(crate) fn lock(path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let start = clock::moment();
    loop {
        if let Some(lock) = try_lock(path)? {
            return Ok(Some(lock));
        }
        if clock::since(start) >= patience {
            return Ok(None);
        }
        thread::sleep(TURN);
    }
}

/// Removes abandoned unfinished files.
pub(crate) fn clean(dir: &Path, prefix: &str) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let is_unfinished = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        let is_old = || {
            let written_ms = entry.metadata().map(|metadata| metadata.mtime() * 1000);
            let now_ms = i64::try_from(clock::now_ms()).unwrap_or_default();
            written_ms.is_ok_and(|written_ms| now_ms - written_ms >= UNFINISHED_AGE_MS)
        };
        if is_unfinished && is_old() {
            // A file that cannot be removed does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Turns a write beyond the size limit of files (`ulimit -f`) into an error. The signal for it
/// would end the process, and the message would be lost.
pub(crate) fn survive_limits() {
    // Each runtime installs a handler for the signal, which stays when the runtime is gone. Without
    // a runtime the signal still ends the process.
    if Handle::try_current().is_err() {
        drop(runtime::runtime());
    }
}

/// True for a shortage in this process, such as of file descriptors: the file itself may be fine.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    const LACKS: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    error.kind() == ErrorKind::Interrupted
        || Errno::from_io_error(error).is_some_and(|errno| LACKS.contains(&errno))
}

/// Hint about a directory that cannot be used, if there is one for this error. A program that once
/// ran as root may have left files that belong to root.
pub(crate) fn advice(directory: &Path, error: &io::Error) -> Option<String> {
    match error.kind() {
        _ if is_full(error) => Some("free some space, or raise the quota".into()),
        ErrorKind::ReadOnlyFilesystem => Some(format!(
            "{} is on a read-only file system: XDG_STATE_HOME names another place",
            directory.display()
        )),
        ErrorKind::PermissionDenied => Some(foreign(directory).map_or_else(
            || {
                format!(
                    "you need to be allowed to write there: chmod -R u+rwX {}",
                    directory.display()
                )
            },
            |(path, uid)| {
                let path = path.display();
                format!("{path} belongs to the user {uid}: sudo chown -R \"$USER\" {path}")
            },
        )),
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            // A parent path may be a file instead of a directory.
            let path = directory.ancestors().find(|path| path.exists()).unwrap_or(directory);
            Some(format!("{} exists and is not a directory", path.display()))
        }
        _ => None,
    }
}

/// Finds a path that belongs to another user: the directory or its nearest parent, or an entry.
fn foreign(directory: &Path) -> Option<(PathBuf, u32)> {
    let below = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let above = directory.ancestors().map(Path::to_owned);
    let nearest = above.into_iter().find(|path| path.exists());
    nearest.into_iter().chain(below).find_map(|path| foreign_owner(&path).map(|uid| (path, uid)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustix::io::Errno;

    use super::{has_no_locks, is_full, is_temporary, is_unsupported};

    fn of(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn a_file_system_without_locks_is_no_failure() {
        for errno in [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM] {
            assert!(is_unsupported(&of(errno)) && has_no_locks(&of(errno)), "{errno}");
        }
        assert!(has_no_locks(&of(Errno::NOLCK)) && !has_no_locks(&of(Errno::IO)));
    }

    #[test]
    fn no_room_has_several_names() {
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert!(is_full(&of(errno)) && !is_temporary(&of(errno)), "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM] {
            assert!(is_temporary(&of(errno)) && !is_full(&of(errno)), "{errno}");
        }
        assert!(!is_full(&of(Errno::ACCESS)) && !is_temporary(&of(Errno::ACCESS)));
    }
}
