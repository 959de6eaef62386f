//! Keys and values of a configuration file, checked against the flags of the command line.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command};
use toml::{Table, Value};

use crate::cli::text::usage;
use crate::failure::{Exit, Failure};
use crate::text::units::{self, Targets};

/// Flags of all verbs; as keys they stand at the top of a file.
const OF_ALL: &[&str] = &["quiet", "verbose", "color"];
/// Flags of several verbs; at the top of a file they apply to each verb whose flag has an
/// environment variable.
const OF_SEVERAL: &[&str] = &["as", "server", "spool-max", "spool-age"];
/// Flags that make sense for one run only and cannot be keys.
const NEVER: &[&str] =
    &["help", "version", "config", "dry-run", "backup", "check-store", "new-key"];
/// The one table that is not a verb: `[sendmail.aliases]`.
const ALIASES: &str = "aliases";
/// Least similarity of two names, from 0 to 1, for a suggestion. clap uses the same.
const LIKENESS: f64 = 0.7;

/// The values that one file gives for one flag.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) file: PathBuf,
    /// Names of the verb and its subcommand; empty at the top.
    pub(crate) table: Vec<String>,
    key: String,
    pub(crate) values: Vec<String>,
}

type Aliases = Vec<(String, Targets)>;

/// Reads the settings and mail aliases of one file.
pub(crate) fn read(
    file: &Path,
    table: &Table,
    command: &Command,
) -> Result<(Vec<Setting>, Aliases)> {
    let mut reader = KeyReader { file, command, settings: Vec::new(), aliases: Vec::new() };
    read_table(&mut reader, table, command, &mut Vec::new())?;
    Ok((reader.settings, reader.aliases))
}

/// The flags of a verb that can be keys of its table.
pub(crate) fn own(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    long(command).filter(|(key, arg)| !is_common(key, arg))
}

/// The flags that can be keys at the top, each taken from one of the verbs.
pub(crate) fn common(command: &Command) -> Vec<(&str, &Arg)> {
    let mut found: Vec<(&str, &Arg)> = Vec::new();
    for (key, arg) in tree(command).into_iter().flat_map(long) {
        if is_common(key, arg) && !found.iter().any(|(other, _)| *other == key) {
            found.push((key, arg));
        }
    }
    found
}

/// Finds the setting for a verb's flag. Within a file, the verb's own table has precedence over the
/// top.
pub(crate) fn setting<'a>(
    settings: &'a [Setting],
    verb: &[String],
    arg: &Arg,
) -> Option<&'a Setting> {
    let key = arg.get_long()?;
    let is_meant = |setting: &&Setting| {
        let is_top = setting.table.is_empty() && is_common(key, arg);
        setting.key == key && (setting.table == verb || is_top)
    };
    let first = settings.iter().find(is_meant)?;
    let own = settings.iter().find(|other| other.file == first.file && other.table == verb);
    own.filter(is_meant).or(Some(first))
}

/// Lists a command and all its subcommands, parents first.
fn tree(command: &Command) -> Vec<&Command> {
    let inner = command.get_subcommands().flat_map(tree);
    [command].into_iter().chain(inner).collect()
}

fn long(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    let args = command.get_arguments().filter_map(|arg| Some((arg.get_long()?, arg)));
    args.filter(|(key, _)| !NEVER.contains(key))
}

/// True for a key that stands at the top. Excludes flags without an environment variable, which are
/// given on each command line, such as the server to measure.
fn is_common(key: &str, arg: &Arg) -> bool {
    OF_ALL.contains(&key) || OF_SEVERAL.contains(&key) && arg.get_env().is_some()
}

struct KeyReader<'a> {
    file: &'a Path,
    command: &'a Command,
    settings: Vec<Setting>,
    aliases: Aliases,
}

/// Reads a table, and the tables in it.
fn read_table(
    reader: &mut KeyReader<'_>,
    table: &Table,
    command: &Command,
    path: &mut Vec<String>,
) -> Result<()> {
    for (key, value) in table {
        let inner = command.find_subcommand(key);
        match value {
            Value::Table(aliases) if *path == ["sendmail"] && key == ALIASES => {
                reader.aliases(aliases)?;
            }
            Value::Table(table) if inner.is_some() => {
                path.push(key.clone());
                // The guard has checked that the subcommand exists.
                inner.map_or(Ok(()), |inner| read_table(reader, table, inner, path))?;
                path.pop();
            }
            value => reader.key(key, value, command, path)?,
        }
    }
    Ok(())
}

impl KeyReader<'_> {
    fn key(&mut self, key: &str, value: &Value, command: &Command, path: &[String]) -> Result<()> {
        let found = self.known(command, path).into_iter().find(|(name, _)| *name == key);
        let Some((_, arg)) = found else { return Err(self.unknown(key, command, path).into()) };
        if value.as_str() == Some("") && arg.get_action().takes_values() {
            // An empty value counts as unset, like an empty environment variable.
            return Ok(());
        }
        let values = texts(arg, value).map_err(|why| self.bad(path, key, &why))?;
        for value in &values {
            check(arg, value).map_err(|why| self.bad(path, key, &why))?;
        }
        let (file, table) = (self.file.to_owned(), path.to_vec());
        self.settings.push(Setting { file, table, key: key.to_owned(), values });
        Ok(())
    }

    /// Flags that can be keys of the table at `path`.
    fn known<'c>(&'c self, command: &'c Command, path: &[String]) -> Vec<(&'c str, &'c Arg)> {
        if path.is_empty() { common(self.command) } else { long(command).collect() }
    }

    fn aliases(&mut self, table: &Table) -> Result<()> {
        let path = ["sendmail".to_owned(), ALIASES.to_owned()];
        for (name, value) in table {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Array(many) if many.iter().all(Value::is_str) => {
                    many.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
                }
                _ => return Err(self.bad(&path, name, "write an id, a @room or a list").into()),
            };
            let targets = units::targets(&text).map_err(|why| self.bad(&path, name, &why))?;
            self.aliases.push((name.to_ascii_lowercase(), targets));
        }
        Ok(())
    }

    fn bad(&self, path: &[String], key: &str, why: &str) -> Failure {
        let name = [path, &[key.to_owned()]].concat().join(".");
        Failure::new(Exit::Config, format!("{}: {name}: {why}", self.file.display()))
            .hint("all keys: qmsg config show --all")
    }

    /// Builds the failure for a key that does not exist, with the most similar one as the hint.
    fn unknown(&self, key: &str, command: &Command, path: &[String]) -> Failure {
        let place =
            if path.is_empty() { "at the top".into() } else { format!("in [{}]", path.join(".")) };
        let what = format!("{}: unknown key {key:?} {place}", self.file.display());
        let failure = Failure::new(Exit::Config, what);
        let here = self.known(command, path).into_iter().map(|(name, _)| name.to_owned());
        let tables = command.get_subcommands().filter(|inner| inner.get_name() != "help");
        let tables = tables.map(|inner| {
            let names = path.iter().map(String::as_str).chain([inner.get_name()]);
            format!("[{}]", names.collect::<Vec<_>>().join("."))
        });
        match nearest(key, here.chain(tables)) {
            Some(name) => failure.hint(format!("did you mean {name}?")),
            None => match self.elsewhere(key) {
                verbs if verbs.is_empty() => failure.hint("all keys: qmsg config show --all"),
                verbs => failure.hint(format!("it belongs in {}", verbs.join(" or "))),
            },
        }
    }

    /// Lists the tables in which `key` would be valid.
    fn elsewhere(&self, key: &str) -> Vec<String> {
        let verbs = self.command.get_subcommands();
        let verbs = verbs.filter(|verb| own(verb).any(|(name, _)| name == key));
        verbs.map(|verb| format!("[{}]", verb.get_name())).collect()
    }
}

/// Finds the most similar name, if any is similar enough.
fn nearest(key: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let bare = |name: &str| name.trim_matches(['[', ']']).rsplit('.').next().map(str::to_owned);
    let likeness = |name: &str| strsim::jaro(key, &bare(name).unwrap_or_default());
    let rated = names.map(|name| (likeness(&name), name)).filter(|(rate, _)| *rate > LIKENESS);
    rated.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// Converts a value of the file to the texts of a command line.
fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
    let many = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    let is_list = many || matches!(arg.get_action(), ArgAction::Append);
    match (arg.get_action(), value) {
        (ArgAction::SetTrue | ArgAction::SetFalse, Value::Boolean(on)) => Ok(vec![on.to_string()]),
        (ArgAction::SetTrue | ArgAction::SetFalse, _) => Err("write true or false".into()),
        (ArgAction::Count, Value::Integer(0..=255)) => Ok(vec![value.to_string()]),
        (ArgAction::Count, _) => Err("write a number from 0 to 255".into()),
        (_, Value::Array(values)) if is_list => {
            values.iter().map(text).collect::<Option<_>>().ok_or("write a list of texts".into())
        }
        (_, value) => Ok(vec![text(value).ok_or("write a text or a number")?]),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Checks a value by parsing a command line that has a copy of the flag and nothing else.
fn check(arg: &Arg, value: &str) -> Result<(), String> {
    if !arg.get_action().takes_values() {
        return Ok(());
    }
    let parser = arg.get_value_parser().clone();
    let flag = Arg::new("value").long("value").allow_hyphen_values(true).value_parser(parser);
    let command = Command::new("check").no_binary_name(true).arg(flag);
    let Err(error) = command.try_get_matches_from([format!("--value={value}")]) else {
        return Ok(());
    };
    let why = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
            format!("it is one of {}", valid.join(", "))
        }
        _ => std::error::Error::source(&error)
            .map_or_else(|| "it cannot be empty".into(), usage::reason),
    };
    Err(format!("{value:?} is not accepted: {why}"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{OF_ALL, OF_SEVERAL, common, long};
    use crate::cli::command::Cli;

    #[test]
    fn what_is_at_the_top_is_what_flags_there_are() {
        let command = Cli::command();
        let of_all: Vec<&str> = long(&command).map(|(key, _)| key).collect();
        assert_eq!(of_all, OF_ALL);
        let mut keys: Vec<&str> = common(&command).into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        let mut wanted = [OF_ALL, OF_SEVERAL].concat();
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
    }

    #[test]
    fn no_secret_is_a_key() {
        let command = Cli::command();
        let verbs = command.get_subcommands();
        assert!(verbs.flat_map(long).all(|(_, arg)| !arg.is_hide_env_values_set()));
    }
}
