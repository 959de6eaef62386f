//! Data directory of the server, and its failures.
//!
//! Clients pin the server's key, and the store holds the keys that own ids. So neither is created
//! anew if the other shows that it once existed. Without `server.key.pem`, a store with users is
//! refused. Without `store.db`, the server starts with its key and a warning. An empty `store.db`
//! is refused: it may have had users.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;

use crate::durable::StoreError;
use crate::failure::{Exit, Failure};
use crate::files::{self, PrivateFileError};
use crate::profile::{disk, home, joined};
use crate::quic::{Identity, Secrets, SecretsError};
use crate::store::{self, OpenError};

/// The file of the server's key.
pub(crate) const KEY: &str = "server.key.pem";

/// Creates the directory if it is missing, and refuses one that is open to others.
pub(crate) fn prepare(data: &Path) -> Result<()> {
    home::private_directory(data)?;
    Ok(disk::guard(data, files::OTHERS)?)
}

/// Loads the server's key: the operator's own, or the one created at the first start. With
/// `new_key` a new one is created even if the store has users.
pub(crate) fn identity(data: &Path, certs: Option<&Path>, new_key: bool) -> Result<Identity> {
    if certs.is_none() && !data.join(KEY).exists() {
        let users = store::users(data).map_err(|error| unopened(error, data))?;
        if users > 0 && !new_key {
            return Err(keyless(data, users));
        }
        let path = data.join(KEY);
        return Identity::load_or_create(&path).map_err(|error| joined::unkept(error, &path));
    }
    known_identity(data, certs)
}

/// Loads the key of a server that has one.
pub(crate) fn known_identity(data: &Path, certs: Option<&Path>) -> Result<Identity> {
    if let Some(dir) = certs {
        let read = Identity::from_certificate(&dir.join("cert.pem"), &dir.join("key.pem"));
        return joined::key(read, &dir.join("key.pem"), || {
            "the directory of --certs needs cert.pem and key.pem, both PEM".into()
        });
    }
    let path = data.join(KEY);
    let loaded = Identity::load(&path);
    if matches!(&loaded, Err(error) if error.is_not_found()) {
        return Err(match store::users(data) {
            Ok(users @ 1..) => keyless(data, users),
            _ => Failure::new(Exit::Config, format!("no server at {}", data.display()))
                .hint("start it once with `qmsg serve`, or name its directory with --data")
                .into(),
        });
    }
    joined::key(loaded, &path, || {
        format!(
            "put {KEY} back from a backup: clients know the server by it; if it is lost, move the \
             file aside, start once with --new-key, and give every client the new pin"
        )
    })
}

fn keyless(data: &Path, users: u64) -> anyhow::Error {
    let what = format!(
        "the key of this server is missing: {} has a store with {users} users, and no {KEY}",
        data.display()
    );
    Failure::new(Exit::Config, what)
        .hint(
            "put it back from a backup, or give --certs if the server had a certificate of its \
             own; --new-key makes another, which clients refuse until its pin is in their profiles",
        )
        .into()
}

/// True when the directory has a key but no store, so that every id is free again. Remains of a
/// store that may have had users are refused.
pub(crate) fn has_lost_store(data: &Path, certs: Option<&Path>) -> Result<bool> {
    let has_key = data.join(KEY).exists();
    if has_key || certs.is_some() {
        store::refuse_remains(data).map_err(|error| unopened(error, data))?;
    }
    Ok(has_key && !store::is_there(data))
}

/// Loads the secrets with which a restarted server resets old connections.
pub(crate) fn secrets(data: &Path) -> Result<Secrets> {
    let path = data.join("endpoint.secrets");
    Secrets::load_or_create(&path).map_err(|error| {
        let what = format!("cannot use {}", path.display());
        let failure = match &error {
            SecretsError::File(PrivateFileError::Io { source, .. }) => {
                disk::failure(what, &path, above(data), source)
            }
            SecretsError::Damaged { .. } => Failure::new(Exit::Config, what).hint(format!(
                "move it aside; a new one is created: mv {0} {0}.damaged",
                path.display()
            )),
            _ => Failure::new(Exit::Config, what).hint("only its owner may be able to read it"),
        };
        failure.because(error)
    })
}

/// Converts an error of opening the store to a failure.
pub(crate) fn unopened(error: OpenError, data: &Path) -> anyhow::Error {
    let what = "the store cannot be opened";
    let config = |hint: String| Failure::new(Exit::Config, what).hint(hint);
    let failure = match &error {
        _ if error.is_full() => Failure::new(Exit::NoSpace, "the disk is full")
            .hint(format!("nothing was changed; make room in {}", data.display())),
        OpenError::Files { path, cause } => disk::failure(what, path, above(data), cause),
        OpenError::InUse(_) => {
            config("is another server running on it? --data names another directory".into())
        }
        OpenError::Half(log) => config(format!(
            "put store.db back beside its log, or, to begin without its messages: mv {0} {0}.old",
            log.display()
        )),
        OpenError::Emptied(store) => config(format!(
            "put a backup back in its place, or, to start anew without users: rm {}",
            store.display()
        )),
        OpenError::Format { found, version } => config(other_version(*found, version.as_deref())),
        OpenError::Older { .. } => {
            config("an older version of qmsg made it: start the server of this version once".into())
        }
        OpenError::Foreign(path) => config(format!(
            "--data names another directory; if {} was a store, it is damaged: {}",
            path.display(),
            check(data)
        )),
        _ if error.is_damaged() => Failure::new(Exit::Io, "the store is damaged").hint(check(data)),
        _ if error.is_disk_error() => Failure::new(Exit::Io, "the store cannot be read or written")
            .hint("look for disk errors in dmesg or the system log"),
        _ if error.is_unwritable() => config(unwritable(data)),
        OpenError::Missing(_) => {
            config("start the server once, or name its directory with --data".into())
        }
        _ => config("--data names another directory".into()),
    };
    failure.because(error)
}

/// Returns the hint for a store whose format is not known.
fn other_version(found: i32, version: Option<&str>) -> String {
    match version {
        Some(version) if found > store::FORMAT => {
            format!("qmsg {version} wrote it: use that or a newer qmsg, or another --data")
        }
        _ => format!(
            "{} version of qmsg made it: use that one, or another directory with --data",
            if found > store::FORMAT { "a newer" } else { "an older" }
        ),
    }
}

/// Converts an error of `--check-store` to a failure.
pub(crate) fn unchecked(error: OpenError, data: &Path) -> anyhow::Error {
    let config = |hint| Failure::new(Exit::Config, "the store cannot be checked").hint(hint);
    let failure = match &error {
        OpenError::InUse(_) => config("stop the server that uses it first, then check it"),
        OpenError::Foreign(_) => config(
            "if it was a store, too much of its beginning is damaged: put a backup back in its \
             place; --data names another directory",
        ),
        OpenError::Missing(_) => config("--data names the server's directory"),
        _ if error.is_damaged() && !error.is_full() => {
            Failure::new(Exit::Io, "the store is damaged beyond repair")
                .hint("put a backup back in its place")
        }
        _ => return unopened(error, data),
    };
    failure.because(error)
}

/// Converts the error that stopped the server to a failure.
pub(crate) fn failed(error: StoreError, data: &Path) -> anyhow::Error {
    let hint = match &error {
        StoreError::Lost(_) => format!(
            "nothing was acknowledged since; put {} back as it was, then start the server again",
            data.display()
        ),
        error if error.is_damage() => {
            format!("nothing was acknowledged after it; {}", check(data))
        }
        _ => {
            "nothing was acknowledged after it; check the disk, then start the server again".into()
        }
    };
    let what = "the store failed, so the server has stopped";
    Failure::new(Exit::Io, what).hint(hint).because(error)
}

fn check(data: &Path) -> String {
    format!("check and repair it: qmsg serve --check-store --data {}", data.display())
}

/// Finds a hint for a store that cannot be written: SQLite does not say which file it is.
fn unwritable(data: &Path) -> String {
    let names = ["", "store.db", "store.db-wal", "store.db-shm"].map(|name| data.join(name));
    let foreign = names.iter().find(|path| files::uppermost_foreign(path, above(data)).is_some());
    let probe = std::fs::File::options().append(true).open(data.join("store.db"));
    match (foreign, probe) {
        (_, Err(error)) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            format!("{} is read-only: mount it writable", data.display())
        }
        (Some(_), _) => format!(
            "it belongs to another user; to take it over: \
             sudo chown -R \"$(id -u):$(id -g)\" {}",
            data.display()
        ),
        (None, _) => format!("see who may write it: ls -la {}", data.display()),
    }
}

fn above(data: &Path) -> &Path {
    data.parent().unwrap_or(data)
}
