//! `qmsg serve --backup` and `--check-store`: maintenance of a server's data.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::cli::verbs::serve::data;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::profile::{disk, home};
use crate::store::{self, Mended};
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};

/// Copies the store to a directory that has none, and the key unless the operator provides a
/// certificate.
pub(crate) fn backup(
    from: &Path,
    has_certs: bool,
    to: &Path,
    verbosity: Verbosity,
) -> Result<Exit> {
    if !store::is_there(from) {
        let what = format!("there is no store in {}", from.display());
        let hint = "--data names the server's directory";
        return Err(Failure::new(Exit::Config, what).hint(hint).into());
    }
    home::private_directory(to)?;
    disk::guard(to, files::OTHERS)?;
    for name in ["store.db", "store.db-wal", data::KEY] {
        let path = to.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            let what = format!("{} already exists", path.display());
            let hint = "name a new directory; older backups are never overwritten";
            return Err(Failure::new(Exit::Config, what).hint(hint).into());
        }
    }
    if !has_certs {
        copy_key(&from.join(data::KEY), &to.join(data::KEY))?;
    }
    // The store comes last: with it the copy is complete.
    store::backup(from, &to.join("store.db")).map_err(|error| data::unopened(error, from))?;
    notices::note(
        verbosity,
        &format!("backed up to {}: everything acknowledged until now", to.display()),
    );
    Ok(Exit::Success)
}

fn copy_key(from: &Path, to: &Path) -> Result<()> {
    let failure = |path: &Path, error: &std::io::Error| {
        let what = format!("cannot copy the key to {}", to.display());
        disk::failure(what, path, path.parent().unwrap_or(path), error)
    };
    let key = fs::read(from).map_err(|error| failure(from, &error).because(error))?;
    files::create(to, &key).map_err(|error| failure(to, &error).because(error))
}

/// Checks and repairs the store, and reports intact and lost messages.
pub(crate) fn check(dir: &Path, json: bool) -> Result<Exit> {
    let checked = store::check(dir).map_err(|error| data::unchecked(error, dir))?;
    let exit = if store::is_whole(&checked) { Exit::Success } else { Exit::Partial };
    let (lost, users, aside) = match &checked.mended {
        Some(Mended { aside, lost, users }) => (&lost[..], &users[..], Some(aside)),
        None => (&[][..], &[][..], None),
    };
    if json {
        print::object(&[
            ("users", checked.users.into()),
            ("messages", checked.messages.into()),
            ("rotten", checked.rotten.into()),
            ("damages", checked.damages.clone().into()),
            ("lost", lost.into()),
            ("lost_users", users.into()),
            ("aside", aside.map(|path| path.display().to_string()).into()),
        ])?;
        return Ok(exit);
    }
    for damage in &checked.damages {
        print::line(&format!("damaged: {damage}"))?;
    }
    if let Some(aside) = aside {
        print::line(&format!("repaired: store.db is new; the damaged one is {}", aside.display()))?;
    }
    for lost in lost {
        print::line(&format!("lost: {lost}"))?;
    }
    for user in users {
        print::line(&format!("lost: the owner of {user}, who has to join again"))?;
    }
    if checked.rotten > 0 {
        let rotten = checked.rotten;
        print::line(&format!("lost: the contents of {rotten} messages"))?;
    }
    let (users, messages) = (checked.users, checked.messages);
    print::line(&format!("intact: {users} users, {messages} messages"))?;
    Ok(exit)
}
