//! Values of configuration files as defaults of flags.

use anyhow::Result;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::config::keys::{Setting, setting};
use crate::failure::{Exit, Failure};

/// Sets the values of the configuration files as defaults of `command`'s flags. `given` is the
/// command line as parsed without them: a flag given there excludes settings that conflict with it.
pub(crate) fn defaults(
    settings: &[Setting],
    command: Command,
    given: &ArgMatches,
) -> Result<Command> {
    let mut built = command.clone();
    built.build();
    verb(settings, command, &built, Some(given), &mut Vec::new())
}

/// Applies the settings to one verb and to the verb below it that the command line names.
fn verb(
    settings: &[Setting],
    mut command: Command,
    built: &Command,
    given: Option<&ArgMatches>,
    path: &mut Vec<String>,
) -> Result<Command> {
    if let Some(given) = given {
        let taken = choose(settings, built, given, path)?;
        command = command.mut_args(|arg| match taken.iter().find(|(id, _)| arg.get_id() == id) {
            // The values of a list replace the default list as a whole.
            Some((_, setting)) => arg.default_values(setting.values.clone()),
            None => arg,
        });
    }
    let names: Vec<String> =
        command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
    for name in names {
        let (at_hand, inner) =
            match (given.and_then(ArgMatches::subcommand), built.find_subcommand(&name)) {
                (Some((at_hand, given)), Some(inner)) if at_hand == name => (given, inner),
                _ => continue,
            };
        path.push(name.clone());
        let mut result = Ok(());
        command = command.mut_subcommand(&name, |before| {
            verb(settings, before.clone(), inner, Some(at_hand), path).unwrap_or_else(|error| {
                result = Err(error);
                before
            })
        });
        path.pop();
        result?;
    }
    Ok(command)
}

/// Selects the settings of a verb's flags that conflict neither with flags that are given nor with
/// one another. An error if two settings of one file exclude each other.
fn choose<'a>(
    settings: &'a [Setting],
    built: &Command,
    given: &ArgMatches,
    path: &[String],
) -> Result<Vec<(String, &'a Setting)>> {
    let (there, rest): (Vec<&Arg>, Vec<&Arg>) =
        built.get_arguments().partition(|arg| is_given(given, arg));
    let there: Vec<&Arg> = there.into_iter().filter(|arg| !is_off(given, arg)).collect();
    let mut found: Vec<(&Arg, &Setting)> = rest
        .into_iter()
        .filter_map(|arg| Some((arg, setting(settings, path, arg)?)))
        .filter(|(arg, _)| !there.iter().any(|other| exclude(built, arg, other)))
        .collect();
    // Settings of the file with precedence come first.
    found.sort_by_key(|(_, setting)| rank(settings, setting));
    let mut taken: Vec<(&Arg, &Setting)> = Vec::new();
    for (arg, setting) in found {
        let is_on = |arg: &Arg, setting: &Setting| takes_values(arg) || setting.values != ["false"];
        let other = taken.iter().find(|(other, by)| {
            is_on(other, by) && is_on(arg, setting) && exclude(built, arg, other)
        });
        match other {
            None => taken.push((arg, setting)),
            Some((_, by)) if by.file != setting.file => {}
            Some((other, _)) => {
                let name = |arg: &Arg| arg.get_long().unwrap_or_default().to_owned();
                let what = format!("{} and {} exclude each other", name(other), name(arg));
                let file = setting.file.display();
                return Err(Failure::new(Exit::Config, format!("{file}: {what}"))
                    .hint("use only one of them")
                    .into());
            }
        }
    }
    Ok(taken.into_iter().map(|(arg, setting)| (arg.get_id().to_string(), setting)).collect())
}

fn rank(settings: &[Setting], setting: &Setting) -> Option<usize> {
    settings.iter().position(|other| std::ptr::eq(other, setting))
}

/// True when the flag or its environment variable is set.
fn is_given(given: &ArgMatches, arg: &Arg) -> bool {
    let id = arg.get_id().as_str();
    let is_known = given.try_contains_id(id).is_ok();
    let source = is_known.then(|| given.value_source(id)).flatten();
    matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

/// True for a switch that its environment variable turns off.
fn is_off(given: &ArgMatches, arg: &Arg) -> bool {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    is_switch && !given.get_flag(arg.get_id().as_str())
}

fn takes_values(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// True when two flags exclude each other.
fn exclude(built: &Command, a: &Arg, b: &Arg) -> bool {
    let names = |one: &Arg, other: &Arg| {
        built.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    names(a, b) || names(b, a)
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::exclude;
    use crate::cli::command::Cli;

    fn ask_all(command: &Command) {
        for a in command.get_arguments() {
            for b in command.get_arguments() {
                exclude(command, a, b);
            }
        }
        command.get_subcommands().for_each(ask_all);
    }

    #[test]
    fn any_two_flags_can_be_asked_about() {
        let mut command = Cli::command();
        command.build();
        ask_all(&command);
        let listen = command.find_subcommand("listen").unwrap_or(&command);
        let arg = |id: &str| listen.get_arguments().find(|arg| arg.get_id() == id);
        let (Some(raw), Some(json), Some(count)) = (arg("raw"), arg("json"), arg("count")) else {
            panic!("flags of listen");
        };
        assert!(exclude(listen, raw, json) && exclude(listen, json, raw));
        assert!(!exclude(listen, raw, count));
    }
}
