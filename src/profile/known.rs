//! Names of ids and rooms that this machine knows, for suggestions and shell completion.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;

use crate::profile::home;
use crate::profile::limits::REMEMBERED_MAX;
use crate::terminal::notices;
use crate::wire::{Target, UserId};

/// Lists the ids joined on this machine, sorted.
pub(crate) fn ids() -> Vec<UserId> {
    home::joined().unwrap_or_default()
}

/// Lists all known targets: remembered names, the machine's own ids, and @all.
pub(crate) fn targets() -> BTreeSet<Target> {
    let own = ids().into_iter().map(Target::User);
    remembered().into_iter().chain(own).chain([Target::All]).collect()
}

fn file() -> Result<PathBuf> {
    Ok(home::home("XDG_STATE_HOME", ".local/state")?.join("known"))
}

fn remembered() -> BTreeSet<Target> {
    let text = file().ok().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    text.lines().take(REMEMBERED_MAX).filter_map(|line| line.parse().ok()).collect()
}

/// Remembers targets of a message sent from a terminal. Scripts leave no trace.
pub(crate) fn remember_sent(targets: &[Target]) {
    if notices::is_terminal() {
        remember(targets);
    }
}

/// Remembers names that the server has accepted. Errors are ignored, since the command itself has
/// succeeded.
pub(crate) fn remember(targets: &[Target]) {
    let known = remembered();
    let new = targets.iter().filter(|to| **to != Target::All && !known.contains(to));
    let lines: String = new.map(|to| format!("{to}\n")).collect();
    if lines.is_empty() || known.len() >= REMEMBERED_MAX {
        return;
    }
    let Ok(path) = file() else { return };
    let _ = path.parent().map_or(Ok(()), home::private_directory);
    let opened = fs::OpenOptions::new().append(true).create(true).open(path);
    let _ = opened.and_then(|mut file| file.write_all(lines.as_bytes()));
}

/// Finds the known name most similar to `name`, if any is similar enough.
pub(crate) fn near(name: &str) -> Option<String> {
    nearest(name, targets().iter().map(ToString::to_string))
}

/// Finds the id of this machine most similar to `id`, if any is similar enough.
pub(crate) fn near_id(id: &UserId) -> Option<String> {
    nearest(id.as_str(), ids().iter().map(ToString::to_string))
}

/// Finds the name with the smallest edit distance: at most one, or a quarter of the characters. A
/// missing or extra `@` does not count.
pub(crate) fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let bare = |name: &str| name.trim_start_matches('@').to_ascii_lowercase();
    let len = bare(name).len();
    let slips = |other: &String| strsim::osa_distance(&bare(name), &bare(other));
    let rated = names.filter(|other| other != name).map(|other| (slips(&other), other));
    let alike = rated.filter(|(slips, _)| *slips < len && *slips <= (len / 4).max(1));
    alike.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_name_with_a_slip_is_near() {
        let names = ["alice", "bob", "@ops", "@operations", "host-01", "x", "@all"];
        let near = |name| nearest(name, names.iter().map(ToString::to_string));
        for (name, meant) in [
            ("bbo", "bob"),
            ("bo", "bob"),
            ("bobb", "bob"),
            ("bib", "bob"),
            ("Bbo", "bob"),
            ("ops", "@ops"),
            ("@bob", "bob"),
            ("@osp", "@ops"),
            ("all", "@all"),
            ("operatoins", "@operations"),
            ("opeartoins", "@operations"),
            ("host-02", "host-01"),
        ] {
            assert_eq!(near(name).as_deref(), Some(meant), "{name}");
        }
        for name in ["carol", "boat", "y", "b", "", "@", "alice", "postmaster"] {
            assert_eq!(near(name), None, "{name}");
        }
    }
}
