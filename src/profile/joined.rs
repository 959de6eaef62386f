//! Profiles: the id, key, server and pin that `join` stores on a machine.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use toml::Table;

use crate::failure::{Exit, Failure};
use crate::files::PrivateFileError;
use crate::process::runtime;
use crate::profile::address::ServerAddress;
use crate::profile::home::{PROFILE, data_home, joined, private_directory, profiles, read, top};
use crate::profile::limits::HINT_IDS_MAX;
use crate::profile::{disk, known};
use crate::quic::{Identity, IdentityError};
use crate::wire::{Pin, UserId};
use crate::{clock, files};

/// The file that names the default id. No id begins with a dot.
const DEFAULT: &str = ".default";
const KEY: &str = "key.pem";
/// Appended to a suggested `qmsg join` when the server is not known.
const ELSEWHERE: &str = " (add --server HOST:PORT unless its server is on this machine)";

/// Pause between attempts to lock a profile that another `join` holds.
const LOOK: Duration = Duration::from_millis(20);

/// A complete profile: one id on one server.
pub(crate) struct Profile {
    pub(crate) id: UserId,
    pub(crate) identity: Identity,
    pub(crate) server: ServerAddress,
    pub(crate) pin: Pin,
}

/// The directory of an id's profile, locked against other `join`s.
pub(crate) struct ProfileDirectory {
    id: UserId,
    dir: PathBuf,
    /// `None` on a file system without locks.
    _lock: Option<File>,
}

/// The parts of a profile that exist: all of them, or what an interrupted `join` or a disk error
/// has left.
pub(crate) struct Remains {
    pub(crate) identity: Option<Identity>,
    pub(crate) server: Option<ServerAddress>,
    pub(crate) pin: Option<Pin>,
}

/// Loads the profile that `--as` names, or else the default one. `--server` replaces the address
/// only: the pin stays, so it must be the same server.
pub(crate) fn choose(as_id: Option<&UserId>, server: Option<&ServerAddress>) -> Result<Profile> {
    let id = match as_id {
        Some(id) => id.clone(),
        None => default_id()?,
    };
    let Some(mut profile) = load(&id)? else {
        return Err(Failure::new(Exit::Config, format!("{id} is not joined on this machine"))
            .hint(match profiles()?.join(id.as_str()).join(KEY).exists() {
                true => format!("its key is still here: qmsg join {id}{ELSEWHERE}"),
                false => not_joined(&id),
            })
            .into());
    };
    if let Some(server) = server {
        profile.server = server.clone();
    }
    Ok(profile)
}

/// The hint for an id that is not joined. A misspelt id is no reason to claim another one.
fn not_joined(id: &UserId) -> String {
    match (known::near_id(id), known::ids().as_slice()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, []) => format!("claim it first: qmsg join {id}"),
        (None, ids) => {
            let ids: Vec<&str> = ids.iter().take(HINT_IDS_MAX).map(UserId::as_str).collect();
            format!("joined on this machine: {}; to claim a new id: qmsg join ID", ids.join(", "))
        }
    }
}

/// Finds the default id: the one that was joined first.
pub(crate) fn default_id() -> Result<UserId> {
    let dir = profiles()?;
    let joined = joined()?;
    let Some(first) = joined.first() else {
        return Err(Failure::new(Exit::Config, "no id is joined on this machine")
            .hint("claim one first: qmsg join ID")
            .into());
    };
    let default = match read(&dir.join(DEFAULT))? {
        None => return Ok(first.clone()),
        Some(text) => text.trim().parse().ok(),
    };
    match default {
        Some(id) if joined.contains(&id) => Ok(id),
        // Another id in its place would send in the wrong name.
        _ if joined.len() > 1 || default.is_some() => {
            let path = dir.join(DEFAULT);
            let ids: Vec<&str> = joined.iter().map(UserId::as_str).collect();
            let what = match &default {
                Some(id) => format!("the default id, {id}, is not joined on this machine"),
                None => format!("{} names an id that is not joined", path.display()),
            };
            let hint = format!(
                "joined are: {}; choose one with --as or QMSG_AS, or for good: echo {first} > {}",
                ids.join(", "),
                path.display()
            );
            Err(Failure::new(Exit::Config, what).hint(hint).into())
        }
        _ => Ok(first.clone()),
    }
}

/// Loads the profile of an id, if there is one.
pub(crate) fn load(id: &UserId) -> Result<Option<Profile>> {
    let profiles = profiles()?;
    let dir = profiles.join(id.as_str());
    let path = dir.join(PROFILE);
    let Some(text) = read(&path)? else { return Ok(None) };
    guard(&dir)?;
    let (server, pin) = parse(&text);
    let elsewhere = if server.is_none() { ELSEWHERE } else { "" };
    let (Some(server), Some(pin)) = (server, pin) else {
        return Err(Failure::new(Exit::Config, format!("{} is damaged", path.display()))
            .hint(format!("qmsg join {id} mends it with the key that is there{elsewhere}"))
            .into());
    };
    let path = dir.join(KEY);
    let identity = key(Identity::load(&path), &path, || {
        "put the key back from a copy: the id belongs to it, and to no other".into()
    })?;
    Ok(Some(Profile { id: id.clone(), identity, server, pin }))
}

/// Parses a profile; damaged values are `None`.
fn parse(text: &str) -> (Option<ServerAddress>, Option<Pin>) {
    let table: Table = text.parse().unwrap_or_default();
    let value = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default();
    (value("server").parse().ok(), value("pin").parse().ok())
}

/// Refuses a profile that others can read, or whose parents others can write.
fn guard(dir: &Path) -> Result<()> {
    disk::guard(dir, files::OTHERS)?;
    for above in [profiles()?, data_home()?] {
        disk::guard(&above, files::OTHERS_WRITE)?;
    }
    Ok(())
}

fn unwritable(path: &Path, error: io::Error) -> anyhow::Error {
    let what = format!("cannot write {}", path.display());
    disk::failure(what, path, &top(path), &error).because(error)
}

/// Adds hints to the errors of loading a key. `lost` is the hint if the file is missing or holds no
/// key.
pub(crate) fn key(
    result: Result<Identity, IdentityError>,
    path: &Path,
    lost: impl FnOnce() -> String,
) -> Result<Identity> {
    result.map_err(|error| {
        let what = "cannot use the key";
        let failure = match &error {
            IdentityError::File(PrivateFileError::Exposed { .. }) => {
                Failure::new(Exit::Config, what)
                    .hint("a key is private: only its owner may be able to read it")
            }
            IdentityError::File(PrivateFileError::Io { source, .. }) if !is_missing(source) => {
                disk::failure(what, path, &top(path), source)
            }
            _ => Failure::new(Exit::Config, what).hint(lost()),
        };
        failure.because(error)
    })
}

/// Builds the failure for a new key that could not be stored.
pub(crate) fn unkept(error: IdentityError, path: &Path) -> anyhow::Error {
    let what = format!("cannot keep a new key in {}", path.display());
    let failure = match &error {
        IdentityError::File(PrivateFileError::Io { source, .. }) => {
            disk::failure(what, path, &top(path), source)
        }
        _ => Failure::new(Exit::Config, what).hint("run the same join again"),
    };
    failure.because(error)
}

impl ProfileDirectory {
    /// Locks the directory of an id. Waits at most `patience` for another `join` to finish.
    pub(crate) fn lock(id: &UserId, patience: Duration) -> Result<Self> {
        let dir = profiles()?.join(id.as_str());
        let look = || -> Result<Option<Self>> {
            private_directory(&dir)?;
            let Some(lock) = try_lock(&dir).map_err(|error| unwritable(&dir, error))? else {
                return Ok(None);
            };
            Ok(Some(Self { id: id.clone(), dir: dir.clone(), _lock: lock }))
        };
        let start = clock::moment();
        let directory = runtime::runtime()?.block_on(async {
            loop {
                if let Some(directory) = look()? {
                    return anyhow::Ok(directory);
                }
                if clock::since(start) >= patience {
                    let what = format!("another `qmsg join {id}` is under way");
                    let hint = "wait for its end, then run this again";
                    return Err(Failure::new(Exit::Unavailable, what).hint(hint).into());
                }
                tokio::time::sleep(LOOK).await;
            }
        })?;
        guard(&directory.dir)?;
        Ok(directory)
    }

    /// The path of the key file.
    pub(crate) fn key(&self) -> PathBuf {
        self.dir.join(KEY)
    }

    /// Loads what exists of the profile. Damaged values of the profile count as missing; a damaged
    /// key is an error, since the id belongs to it.
    pub(crate) fn remains(&self) -> Result<Remains> {
        let (server, pin) = parse(&read(&self.dir.join(PROFILE))?.unwrap_or_default());
        let path = self.key();
        let identity = match Identity::load(&path) {
            Err(error) if error.is_not_found() => None,
            loaded => Some(key(loaded, &path, || {
                let id = &self.id;
                format!("put the key back from a copy: {id} may belong to it; nothing was changed")
            })?),
        };
        Ok(Remains { identity, server, pin })
    }

    /// Stores the profile. The first profile becomes the default one.
    pub(crate) fn save(&self, server: &ServerAddress, pin: Pin) -> Result<()> {
        let mut table = Table::new();
        table.insert("server".into(), server.to_string().into());
        table.insert("pin".into(), pin.to_string().into());
        let path = self.dir.join(PROFILE);
        files::replace(&path, table.to_string().as_bytes())
            .map_err(|error| unwritable(&path, error))?;
        let profiles = profiles()?;
        let (default, line) = (profiles.join(DEFAULT), format!("{}\n", self.id));
        let written = match files::create(&default, line.as_bytes()) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let named = read(&default)?.and_then(|text| text.trim().parse().ok());
                let is_joined = |id: UserId| profiles.join(id.as_str()).join(PROFILE).exists();
                if named.is_some_and(is_joined) {
                    return Ok(());
                }
                files::replace(&default, line.as_bytes())
            }
            created => created,
        };
        written.map_err(|error| unwritable(&default, error))
    }

    /// Removes a key that this process has created, and to which no server has bound an id.
    pub(crate) fn forget_key(&self) -> Result<()> {
        let path = self.key();
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}

impl Drop for ProfileDirectory {
    fn drop(&mut self) {
        // Removes the directory of an id that was not joined; one with files in it stays.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// Locks a directory; `None` if another process holds the lock, or held it and has removed the
/// directory.
fn try_lock(dir: &Path) -> io::Result<Option<Option<File>>> {
    let file = File::open(dir)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        // Without locks on this file system, concurrent joins still never replace each other's key.
        Err(TryLockError::Error(_)) => return Ok(Some(None)),
        Ok(()) => {}
    }
    let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let here = fs::metadata(dir).ok().map(number);
    Ok((here == Some(number(file.metadata()?))).then_some(Some(file)))
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}
