//! The spools of all ids on this machine.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Error, Result};

use crate::failure::{Exit, Failure};
use crate::profile::home;
use crate::spool::disk;
use crate::spool::place::{Slot, SpoolDirectory};
use crate::wire::UserId;

/// The directory of all spools.
pub(crate) fn spools() -> Result<PathBuf> {
    Ok(home::home("XDG_STATE_HOME", ".local/state")?.join("spool"))
}

/// Spool of this id, or the spools of all ids.
pub(crate) fn places(as_id: Option<&UserId>) -> Result<Vec<(UserId, SpoolDirectory)>> {
    let dir = spools()?;
    let ids = match (as_id, fs::read_dir(&dir)) {
        (Some(id), _) => vec![id.clone()],
        (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        (None, Err(error)) => return Err(unusable(&dir, error)),
        (None, Ok(entries)) => {
            let dirs = entries.flatten().filter(|entry| entry.path().is_dir());
            let mut ids: Vec<UserId> =
                dirs.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
            ids.sort();
            ids
        }
    };
    Ok(ids.into_iter().map(|id| (id.clone(), SpoolDirectory::for_id(&dir, &id))).collect())
}

pub(crate) fn unusable(directory: &Path, error: io::Error) -> Error {
    let what = format!("cannot use the spool {}", directory.display());
    let hint = disk::advice(directory, &error);
    let failure = Failure::new(Exit::Config, what);
    hint.into_iter().fold(failure, Failure::hint).because(error)
}

pub(crate) fn messages(count: u64, done: &str) -> String {
    match count {
        1 => format!("1 message {done}"),
        count => format!("{count} messages {done}"),
    }
}

pub(crate) fn busy() -> Failure {
    Failure::new(Exit::Unavailable, "another process is sending the waiting messages")
        .hint("try again when it has finished; if it is stopped, resume or kill it")
}

/// Waiting messages, then those that were set aside.
pub(crate) fn all(directory: &SpoolDirectory) -> Result<Vec<Slot>> {
    let both =
        || -> io::Result<Vec<Slot>> { Ok([directory.waiting()?, directory.aside()?].concat()) };
    both().map_err(|error| unusable(directory.path(), error))
}
