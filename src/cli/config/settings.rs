//! Configuration: files that stand in for flags, and `qmsg config`, which tells what holds.
//!
//! A file knows no key of its own: a key at its top is a flag that several verbs have, a table is a
//! verb, and a key in it one of that verb's flags. What a file says becomes the default of the
//! flag, so a flag goes before its variable, and both go before any file, by how defaults work.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Result;
use clap::Command;
use toml::Table;

use crate::cli::config::keys::{self, Setting};
use crate::failure::{Exit, Failure};
use crate::profile::home;
use crate::text::units::Targets;

/// What holds for the whole machine.
const SYSTEM: &str = "/etc/qmsg/config.toml";

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// Of the file that goes before the others first.
    settings: Vec<Setting>,
    /// Where mail for somebody goes, by the name in lower case.
    aliases: BTreeMap<String, (Targets, PathBuf)>,
    /// Flags of all verbs that the command line gives, with their values.
    flags: Vec<(String, Vec<String>)>,
}

impl Config {
    /// Where mail for this name goes, by `[sendmail.aliases]`.
    pub(crate) fn alias(&self, name: &str) -> Option<&Targets> {
        self.aliases.get(&name.to_ascii_lowercase()).map(|(targets, _)| targets)
    }

    /// What the files say of flags, by file.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Where mail goes, by name, and the files that say so.
    pub(crate) fn aliases(&self) -> &BTreeMap<String, (Targets, PathBuf)> {
        &self.aliases
    }

    /// The values that the command line gives of a flag that all verbs have.
    pub(crate) fn flag(&self, id: &str) -> Option<&[String]> {
        let (_, values) = self.flags.iter().find(|(flag, _)| flag == id)?;
        Some(values)
    }

    pub(crate) fn set_flags(&mut self, flags: Vec<(String, Vec<String>)>) {
        self.flags = flags;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }
}

/// The files that are read, the one that goes before the other first.
pub(crate) fn paths(given: Option<&Path>) -> Vec<PathBuf> {
    match given {
        Some(path) => vec![path.to_owned()],
        None => {
            let user = home::home("XDG_CONFIG_HOME", ".config").ok();
            let user = user.map(|home| home.join("config.toml"));
            user.into_iter().chain([PathBuf::from(SYSTEM)]).collect()
        }
    }
}

pub(crate) fn load(given: Option<&Path>, command: &Command) -> Result<Config> {
    let mut config = Config::default();
    for path in paths(given) {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if given.is_none() && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Failure::new(
                    Exit::Config,
                    format!("{} cannot be read", path.display()),
                )
                .hint("`qmsg config path` shows which files are read")
                .because(error));
            }
        };
        let table: Table = text.parse().map_err(|error| {
            Failure::new(Exit::Config, format!("{} is not TOML", path.display()))
                .hint("a key is written like until = \"processed\", below a line [send]")
                .because(error)
        })?;
        let (settings, aliases) = keys::read(&path, &table, command)?;
        config.settings.extend(settings);
        for (name, targets) in aliases {
            config.aliases.entry(name).or_insert((targets, path.clone()));
        }
    }
    Ok(config)
}

/// The value of a variable, if it is set and has one.
pub(crate) fn variable(arg: &clap::Arg) -> Option<(&str, String)> {
    let name = arg.get_env()?.to_str()?;
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some((name, value.to_string_lossy().into_owned()))
}
