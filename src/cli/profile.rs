//! What `join` leaves on a machine: id, key, server, pin.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use toml::Table;

use crate::quic::Identity;
use crate::wire::{Pin, UserId};

use super::address::Server;
use super::fail::{Exit, Failure};
use super::{Who, known};

/// Names the id that is used without `--as`. No id begins with a dot.
const DEFAULT: &str = ".default";
/// Ids that a hint shows.
const SHOWN_MAX: usize = 8;

/// One id on one server.
pub(super) struct Profile {
    pub(super) id: UserId,
    pub(super) identity: Identity,
    pub(super) server: Server,
    pub(super) pin: Pin,
}

/// `$XDG_DATA_HOME/qmsg`, or what stands for it.
pub(super) fn data_home() -> Result<PathBuf> {
    home("XDG_DATA_HOME", ".local/share")
}

/// `$variable/qmsg`, or what stands for it below the home directory.
pub(super) fn home(variable: &str, below: &str) -> Result<PathBuf> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let base = env::var_os(variable).map(PathBuf::from).and_then(absolute);
    // Without HOME, as some daemons start programs, it is that of the account.
    let home = || env::home_dir().and_then(absolute).map(|home| home.join(below));
    let base = base.or_else(home).ok_or_else(|| {
        Failure::new(Exit::Config, "no home directory").hint(format!("set HOME or {variable}"))
    })?;
    Ok(base.join("qmsg"))
}

/// Where the profile of an id is.
pub(super) fn directory(id: &UserId) -> Result<PathBuf> {
    Ok(profiles()?.join(id.as_str()))
}

/// Where all profiles are.
pub(super) fn profiles() -> Result<PathBuf> {
    Ok(data_home()?.join("profiles"))
}

/// The profile that `--as` names, or else the only one, or else the one that was joined first. With
/// the server of `--server`, if that is given: the pin stays, so it must be the same server.
pub(super) fn choose(who: &Who) -> Result<Profile> {
    let id = match &who.as_id {
        Some(id) => id.clone(),
        None => default_id()?,
    };
    let Some(mut profile) = load(&id)? else {
        return Err(Failure::new(Exit::Config, format!("{id} is not joined on this machine"))
            .hint(not_joined(&id))
            .into());
    };
    if let Some(server) = &who.server {
        profile.server = server.clone();
    }
    Ok(profile)
}

/// An id that is misspelt is no reason to claim another.
fn not_joined(id: &UserId) -> String {
    match (known::near_id(id), known::ids().as_slice()) {
        (Some(near), _) => format!("did you mean {near}?"),
        (None, []) => format!("claim it first: qmsg join {id}"),
        (None, ids) => {
            let ids: Vec<&str> = ids.iter().take(SHOWN_MAX).map(UserId::as_str).collect();
            format!("joined on this machine: {}; to claim a new id: qmsg join ID", ids.join(", "))
        }
    }
}

/// The id that is used without `--as`.
pub(super) fn default_id() -> Result<UserId> {
    let dir = profiles()?;
    if let Ok(text) = fs::read_to_string(dir.join(DEFAULT))
        && let Ok(id) = text.trim().parse()
    {
        return Ok(id);
    }
    known::ids().into_iter().next().ok_or_else(|| {
        Failure::new(Exit::Config, "no id is joined on this machine")
            .hint("claim one first: qmsg join ID")
            .into()
    })
}

/// The profile of an id, if there is one.
pub(super) fn load(id: &UserId) -> Result<Option<Profile>> {
    let dir = directory(id)?;
    let path = dir.join("profile.toml");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path).because(error)),
    };
    let table: Table = text.parse().map_err(|error| unusable(&path).because(error))?;
    let value = |key: &str| table.get(key).and_then(toml::Value::as_str).unwrap_or_default();
    let server = value("server").parse().map_err(|error| unusable(&path).because(error))?;
    let pin = value("pin").parse().map_err(|error| unusable(&path).because(error))?;
    let identity = key(Identity::load(&dir.join("key.pem")))?;
    Ok(Some(Profile { id: id.clone(), identity, server, pin }))
}

fn unusable(path: &Path) -> Failure {
    Failure::new(Exit::Config, format!("{} cannot be used", path.display()))
        .hint("mend the file, or remove its directory and join again with another id")
}

/// A key or secret, its errors said as configuration errors.
pub(super) fn key<T, E>(result: Result<T, E>) -> Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result.map_err(|error| {
        let hint = "a key is private: nobody but its owner may be able to read it";
        Failure::new(Exit::Config, "no usable key").hint(hint).because(error)
    })
}

/// The key for an id that is not joined yet; made now if it is not there from an attempt before.
/// It is on disk before the server hears of it, so that no claim is ever left without its key.
pub(super) fn prepare(id: &UserId) -> Result<Identity> {
    let dir = directory(id)?;
    private_directory(&dir)?;
    key(Identity::load_or_create(&dir.join("key.pem")))
}

/// Makes a directory, and those above it, for the user alone.
pub(super) fn private_directory(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| {
        Failure::new(Exit::Config, format!("cannot create {}", dir.display())).because(error)
    })
}

/// Writes the profile down. The first one becomes the one that is used without `--as`.
pub(super) fn save(id: &UserId, server: &Server, pin: Pin) -> Result<()> {
    let mut table = Table::new();
    table.insert("server".into(), server.to_string().into());
    table.insert("pin".into(), pin.to_string().into());
    let dir = directory(id)?;
    replace(&dir.join("profile.toml"), &table.to_string())?;
    let default = profiles()?.join(DEFAULT);
    if !default.exists() {
        replace(&default, &format!("{id}\n"))?;
    }
    Ok(())
}

/// Takes back what `prepare` made for an id that was refused.
pub(super) fn discard(id: &UserId) -> Result<()> {
    let dir = directory(id)?;
    fs::remove_dir_all(&dir).with_context(|| format!("{} cannot be removed", dir.display()))
}

/// Puts a whole file in place of what is there.
fn replace(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_extension("new");
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        Failure::new(Exit::Config, format!("{} cannot be written", path.display())).because(error)
    })
}
