//! Locations of a user's files.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Result;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::profile::disk;
use crate::wire::UserId;

pub(crate) const PROFILE: &str = "profile.toml";

/// The directory `$XDG_DATA_HOME/qmsg`, or its default.
pub(crate) fn data_home() -> Result<PathBuf> {
    home("XDG_DATA_HOME", ".local/share")
}

/// The directory `$variable/qmsg`, or `~/below/qmsg` if the variable is not set.
pub(crate) fn home(variable: &str, below: &str) -> Result<PathBuf> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let base = env::var_os(variable).map(PathBuf::from).and_then(absolute);
    // Some daemons start programs without HOME: then the account's home is used.
    let home = || env::home_dir().and_then(absolute).map(|home| home.join(below));
    let base = base.or_else(home).ok_or_else(|| {
        Failure::new(Exit::Config, "no home directory").hint(format!("set HOME or {variable}"))
    })?;
    Ok(base.join("qmsg"))
}

/// The directory of all profiles.
pub(crate) fn profiles() -> Result<PathBuf> {
    Ok(data_home()?.join("profiles"))
}

/// The directory below which paths may belong to qmsg: the user's home, or the parent of a `qmsg`
/// directory.
pub(crate) fn top(path: &Path) -> PathBuf {
    let home = env::home_dir().filter(|home| path.starts_with(home));
    let ours = || path.ancestors().find(|path| path.ends_with("qmsg"));
    let above = || ours().or_else(|| path.parent())?.parent().map(Path::to_owned);
    home.or_else(above).unwrap_or_default()
}

/// Lists the ids that have a profile, sorted.
pub(crate) fn joined() -> Result<Vec<UserId>> {
    let dir = profiles()?;
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&dir, error)),
    };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut ids: Vec<UserId> =
        ids.filter(|id: &UserId| dir.join(id.as_str()).join(PROFILE).exists()).collect();
    ids.sort();
    Ok(ids)
}

/// Reads a file as text, `None` if it does not exist. Invalid UTF-8 is replaced.
pub(crate) fn read(path: &Path) -> Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, error)),
    }
}

pub(crate) fn unreadable(path: &Path, error: io::Error) -> anyhow::Error {
    let what = format!("cannot read {}", path.display());
    disk::failure(what, path, &top(path), &error).because(error)
}

/// Creates a directory and its parents, accessible to the user alone.
pub(crate) fn private_directory(dir: &Path) -> Result<()> {
    files::create_directory(dir).map_err(|error| {
        let what = format!("cannot create {}", dir.display());
        disk::failure(what, dir, &top(dir), &error).because(error)
    })
}
