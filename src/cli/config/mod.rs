//! Configuration: files that stand in for flags, and `qmsg config`, which tells what holds.
//!
//! A file knows no key of its own: a key at its top is a flag that several verbs have, a table is a
//! verb, and a key in it one of that verb's flags. What a file says becomes the default of the
//! flag, so a flag goes before its variable, and both go before any file, by how defaults work.

mod apply;
mod empty;
mod keys;
mod show;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Result;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Subcommand};
use toml::Table;

use crate::cli::command::{Cli, Verb};
use crate::cli::config::keys::Setting;
use crate::cli::parse::{quick, words};
use crate::cli::text::{help, usage};
use crate::failure::{Exit, Failure};
use crate::profile::home;
use crate::terminal::{notices, print};
use crate::text::units::Targets;

/// What holds for the whole machine.
const SYSTEM: &str = "/etc/qmsg/config.toml";

/// Show the configuration, or the files it comes from
///
/// Flags can be set in files: ~/.config/qmsg/config.toml for a user, /etc/qmsg/config.toml for the
/// machine. In order of precedence: a flag, its variable, the user's file, the machine's file, the
/// default.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg config show                  what is in force
  qmsg config path                  the files that are read")]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print each key with its value and its origin
    ///
    /// Without --all only the keys that are set, and the id and server in force. The output is
    /// itself a valid configuration file.
    Show {
        /// Print all keys, also those that have their default value
        #[arg(long)]
        all: bool,
        /// Print a JSON object for each key, set or not
        #[arg(long)]
        json: bool,
    },
    /// Print the paths of the files that are read, in order of precedence
    Path,
}

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

    fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }
}

/// Parses a command line with what the files say where it says nothing. `Err`: all that was to be
/// said has been said.
pub(crate) fn parse(args: &[OsString]) -> Result<(Cli, Config), Exit> {
    let told = |error: clap::Error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let whole = help::shown(quick::command(args), args);
            let shown = whole.try_get_matches_from(args).err().unwrap_or(error);
            let color = help::color(args);
            let text = shown.render();
            let (plain, styled) = (text.to_string(), text.ansi().to_string());
            if shown.use_stderr() {
                notices::usage(&plain, &styled, color);
                return Exit::Usage;
            }
            print::help(&plain, &styled, color)
                .map_or_else(|error| notices::tell(&error), |()| Exit::Success)
        }
        _ => notices::tell(&usage::failure(&error, args).into()),
    };
    let read =
        |args: &[OsString]| empty::passed_over(quick::command(args)).try_get_matches_from(args);
    let (args, plain) = match read(args) {
        Ok(plain) => (args.to_vec(), plain),
        Err(error) => {
            let again = words::as_text(args, &error);
            let again = again.and_then(|args| read(&args).ok().map(|plain| (args, plain)));
            again.ok_or_else(|| told(error))?
        }
    };
    words::check(&args, &plain, || quick::command(&args))
        .map_err(|failure| notices::tell(&failure.into()))?;
    let cli = Cli::from_arg_matches(&plain).map_err(told)?;
    // This has to work also where a file is broken.
    if matches!(cli.verb, Verb::Config(ConfigArgs { what: What::Path })) {
        return Ok((cli, Config::default()));
    }
    let mut config = load(cli.files.config.as_deref()).map_err(|error| notices::tell(&error))?;
    if matches!(cli.verb, Verb::Config(_)) {
        config.flags = flags(&plain);
    }
    if config.is_empty() {
        return Ok((cli, config));
    }
    let command = apply::defaults(&config.settings, Cli::command(), &plain);
    let command = empty::passed_over(command.map_err(|error| notices::tell(&error))?);
    let matches = command.try_get_matches_from(args);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(told)?;
    Ok((cli, config))
}

/// What the command line itself gives of the flags that all verbs have.
fn flags(matches: &ArgMatches) -> Vec<(String, Vec<String>)> {
    let command = Cli::command();
    let ids = command.get_arguments().map(|arg| arg.get_id().as_str());
    let is_given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let values = |id: &str| {
        let raw = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
        let raw: Vec<String> = raw.map(|value| value.to_string_lossy().into()).collect();
        // A switch has none; one that counts is there as often as it was given.
        let count = matches.try_get_one::<u8>(id).ok().flatten().map(u8::to_string);
        count.map_or(if raw.is_empty() { vec!["true".into()] } else { raw }, |n| vec![n])
    };
    ids.filter(is_given).map(|id| (id.to_owned(), values(id))).collect()
}

/// The files that are read, the one that goes before the other first.
fn paths(given: Option<&Path>) -> Vec<PathBuf> {
    match given {
        Some(path) => vec![path.to_owned()],
        None => {
            let user = home::home("XDG_CONFIG_HOME", ".config").ok();
            let user = user.map(|home| home.join("config.toml"));
            user.into_iter().chain([PathBuf::from(SYSTEM)]).collect()
        }
    }
}

fn load(given: Option<&Path>) -> Result<Config> {
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
        let (settings, aliases) = keys::read(&path, &table, &Cli::command())?;
        config.settings.extend(settings);
        for (name, targets) in aliases {
            config.aliases.entry(name).or_insert((targets, path.clone()));
        }
    }
    Ok(config)
}

pub(crate) fn run(args: &ConfigArgs, cli: &Cli, config: &Config) -> Result<Exit> {
    match args.what {
        What::Show { all, json } => show::run(config, all, json)?,
        What::Path => {
            for path in paths(cli.files.config.as_deref()) {
                print::line(&path.display().to_string())?;
            }
        }
    }
    Ok(Exit::Success)
}

/// The value of a variable, if it is set and has one.
fn variable(arg: &clap::Arg) -> Option<(&str, String)> {
    let name = arg.get_env()?.to_str()?;
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    Some((name, value.to_string_lossy().into_owned()))
}
