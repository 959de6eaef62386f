//! Configuration files: their paths, and their settings.
//!
//! The file format defines no keys of its own. A key at the top is a flag that several verbs share;
//! a table is a verb, and its keys are the flags of that verb. The values become the defaults of
//! the flags, so a flag has precedence over its environment variable, and both over any file.

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

/// The file of the whole machine.
const SYSTEM: &str = "/etc/qmsg/config.toml";

/// Settings and mail aliases of all configuration files.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// Settings by file, the file with precedence first.
    settings: Vec<Setting>,
    /// Targets of mail by the local name in lower case, with the file that sets them.
    aliases: BTreeMap<String, (Targets, PathBuf)>,
    /// Global flags that the command line gives, with their values.
    flags: Vec<(String, Vec<String>)>,
}

impl Config {
    /// Targets of mail to `name`, by `[sendmail.aliases]`.
    pub(crate) fn alias(&self, name: &str) -> Option<&Targets> {
        self.aliases.get(&name.to_ascii_lowercase()).map(|(targets, _)| targets)
    }

    /// Settings of all files, the file with precedence first.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// All mail aliases, with the file that sets each.
    pub(crate) fn aliases(&self) -> &BTreeMap<String, (Targets, PathBuf)> {
        &self.aliases
    }

    /// Values that the command line gives for a global flag.
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

/// Lists the files to read, the one with precedence first.
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

/// Reads the environment variable of a flag. An empty one counts as unset.
pub(crate) fn variable(arg: &clap::Arg) -> Option<(&str, String)> {
    let name = arg.get_env()?.to_str()?;
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some((name, value.to_string_lossy().into_owned()))
}
