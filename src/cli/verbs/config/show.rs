//! `qmsg config show`: the configuration in force, and its origin.

use std::any::TypeId;

use anyhow::Result;
use clap::{Arg, ArgAction, Command, CommandFactory};
use serde_json::Value;

use crate::cli::command::Cli;
use crate::cli::config::keys::{self, Setting, setting};
use crate::cli::config::settings::{Config, variable};
use crate::profile::joined;
use crate::terminal::print;

/// The origin of built-in defaults.
const DEFAULT: &str = "default";

/// A key, its value if set, and the origin of the value.
struct ConfigEntry {
    table: Vec<String>,
    key: String,
    value: Option<Value>,
    origin: String,
}

pub(crate) fn run(config: &Config, all: bool, json: bool) -> Result<()> {
    let command = Cli::command();
    let mut table = Vec::new();
    for entry in entries(config, &command) {
        if json {
            let name = [&entry.table[..], std::slice::from_ref(&entry.key)].concat().join(".");
            print::object(&[
                ("key", name.into()),
                ("value", entry.value.unwrap_or_default()),
                ("origin", entry.origin.into()),
            ])?;
            continue;
        }
        if !all && (entry.origin == DEFAULT || entry.value.is_none()) {
            continue;
        }
        if entry.table != table {
            print::line(&format!("\n[{}]", entry.table.join(".")))?;
            table.clone_from(&entry.table);
        }
        let key = if entry.key.bytes().all(is_bare) { entry.key } else { quoted(&entry.key) };
        print::line(&match entry.value {
            Some(value) => format!("{key} = {value}  # {}", entry.origin),
            None => format!("# {key} is not set"),
        })?;
    }
    Ok(())
}

fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_".contains(&byte)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Lists all keys, those at the top first.
fn entries(config: &Config, command: &Command) -> Vec<ConfigEntry> {
    let common = keys::common(command).into_iter().map(|(_, arg)| entry(config, &[], arg));
    let mut entries: Vec<ConfigEntry> = common.collect();
    verbs(config, command, &mut Vec::new(), &mut entries);
    let aliases = config.aliases().iter().map(|(name, (targets, file))| ConfigEntry {
        table: vec!["sendmail".into(), "aliases".into()],
        key: name.clone(),
        value: Some(targets.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",").into()),
        origin: file.display().to_string(),
    });
    entries.extend(aliases);
    entries
}

fn verbs(
    config: &Config,
    command: &Command,
    path: &mut Vec<String>,
    entries: &mut Vec<ConfigEntry>,
) {
    for verb in command.get_subcommands() {
        path.push(verb.get_name().to_owned());
        entries.extend(keys::own(verb).map(|(_, arg)| entry(config, path, arg)));
        // A common key may also be set in one verb's table.
        let special = verb.get_arguments().filter(|arg| {
            let is_set =
                setting(config.settings(), path, arg).is_some_and(|set| set.table == *path);
            is_set && !keys::own(verb).any(|(_, own)| own.get_id() == arg.get_id())
        });
        entries.extend(special.map(|arg| entry(config, path, arg)));
        verbs(config, verb, path, entries);
        path.pop();
    }
}

fn entry(config: &Config, path: &[String], arg: &Arg) -> ConfigEntry {
    let (values, origin) = held(config, path, arg);
    let value = values.map(|values| match (arg.get_action(), values.as_slice()) {
        (ArgAction::SetTrue | ArgAction::SetFalse, [value]) => is_on(value).into(),
        (ArgAction::Count, [value]) => value.parse::<u8>().map_or(Value::Null, Value::from),
        (_, [value]) if is_number(arg) => {
            value.parse::<u64>().map_or_else(|_| value.as_str().into(), Value::from)
        }
        (_, [value]) => value.as_str().into(),
        (_, values) => values.to_vec().into(),
    });
    let key = arg.get_long().unwrap_or_default().to_owned();
    ConfigEntry { table: path.to_vec(), key, value, origin }
}

/// True for flags with numeric values, sizes included: a size with a unit stays text.
fn is_number(arg: &Arg) -> bool {
    let of = arg.get_value_parser().type_id();
    let numbers =
        [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
    numbers.iter().any(|number| of == *number)
}

/// Interprets the variable of a switch as clap does.
fn is_on(value: &str) -> bool {
    let off = ["", "0", "n", "no", "f", "false", "off"];
    !off.contains(&value.to_ascii_lowercase().as_str())
}

/// Finds the current values of a flag, and their origin.
fn held(config: &Config, path: &[String], arg: &Arg) -> (Option<Vec<String>>, String) {
    let id = arg.get_id().as_str();
    if let Some(values) = config.flag(id) {
        return (Some(values.to_vec()), "flag".into());
    }
    if let Some((name, value)) = variable(arg) {
        return (Some(vec![value]), format!("env {name}"));
    }
    if let Some(Setting { values, file, .. }) = setting(config.settings(), path, arg) {
        return (Some(values.clone()), file.display().to_string());
    }
    let built_in: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into()).collect();
    let built_in = match arg.get_action() {
        ArgAction::SetTrue => vec!["false".into()],
        ArgAction::Count => vec!["0".into()],
        _ => built_in,
    };
    if built_in.is_empty() && path.is_empty() {
        return in_force(config, id);
    }
    ((!built_in.is_empty()).then_some(built_in), DEFAULT.into())
}

/// Finds the id or the server that commands use without `--as` and `--server`.
fn in_force(config: &Config, id: &str) -> (Option<Vec<String>>, String) {
    let none = (None, DEFAULT.to_owned());
    if id == "as_id" {
        let joined = joined::default_id().ok().map(|id| vec![id.to_string()]);
        return joined.map_or(none, |id| (Some(id), "joined first".into()));
    }
    let command = Cli::command();
    let common = keys::common(&command);
    let Some((_, arg)) = common.iter().find(|(key, _)| id == "server" && *key == "as") else {
        return none;
    };
    let as_id = held(config, &[], arg).0.and_then(|ids| ids.first()?.parse().ok());
    let joined = as_id.and_then(|id| joined::load(&id).ok().flatten());
    joined.map_or(none, |profile| {
        (Some(vec![profile.server.to_string()]), format!("where {} was joined", profile.id))
    })
}
