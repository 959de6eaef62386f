//! Help and version. Built only on request, so that the command that parses a `send` is built fast.

use std::ffi::OsString;
use std::fmt::Write;

use clap::Command;

use crate::terminal::color::Color;
use crate::{store, wire};

/// Verbs by group, in the order of the help.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Messages", &["send", "listen", "ask", "later", "spool", "sendmail"]),
    ("Ids and rooms", &["join", "leave"]),
    ("Server", &["serve", "invite", "bench"]),
    ("Other", &["config", "completions", "help"]),
];

/// Completes a command for printing its help: groups of verbs, and the long version.
pub(crate) fn shown(command: Command, args: &[OsString]) -> Command {
    let is = |word: &str| args.iter().any(|arg| arg == word);
    let is_long = is("--help") || is("help");
    let command = tidied(command.version(version()), is_long);
    grouped(command)
}

/// Hides the environment variables in the short help, and their values in both.
fn tidied(command: Command, is_long: bool) -> Command {
    let hidden =
        |arg: clap::Arg| if is_long { arg.hide_env_values(true) } else { arg.hide_env(true) };
    command.mut_args(hidden).mut_subcommands(|inner| tidied(inner, is_long))
}

fn grouped(mut command: Command) -> Command {
    // Building adds the command `help`.
    let mut built = command.clone();
    built.build();
    if built.get_subcommands().count() < GROUPS.iter().map(|(_, verbs)| verbs.len()).sum() {
        return command;
    }
    let style = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let mut list = String::new();
    for (name, verbs) in GROUPS {
        // Writing to a string does not fail.
        let _ = writeln!(list, "{style}{name}:{style:#}");
        for verb in verbs.iter().filter_map(|verb| built.find_subcommand(verb)) {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(list, "  {literal}{:<11}{literal:#}  {about}", verb.get_name());
        }
        list.push('\n');
    }
    let list = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}\
         {style}Options:{style:#}\n{{options}}{{after-help}}"
    );
    command = command.help_template(list);
    command
}

/// The long version, with the details that a bug report needs.
fn version() -> String {
    format!(
        "{}\nprotocol {} ({})\n{}",
        env!("CARGO_PKG_VERSION"),
        String::from_utf8_lossy(wire::ALPN),
        wire::Features::KNOWN,
        store::about(),
    )
}

/// Finds the value of --color, or of QMSG_COLOR, in a line that may not parse.
pub(crate) fn color(args: &[OsString]) -> Color {
    let mut words = args.iter().filter_map(|arg| arg.to_str());
    let given = words.find_map(|word| word.strip_prefix("--color")).map(str::to_owned);
    let given = match given.as_deref() {
        Some("") => words.next().map(str::to_owned),
        Some(value) => value.strip_prefix('=').map(str::to_owned),
        None => std::env::var("QMSG_COLOR").ok(),
    };
    match given.as_deref() {
        Some("never") => Color::Never,
        Some("always") => Color::Always,
        _ => Color::Auto,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{Command, CommandFactory};

    use super::{GROUPS, color, shown};
    use crate::cli::command::Cli;
    use crate::terminal::color::Color;

    fn args(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn every_verb_has_a_place() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| *verbs).copied().collect();
        let mut command = Cli::command();
        command.build();
        let mut verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }

    #[test]
    fn a_short_help_has_no_variables_and_all_have_examples() {
        for (line, is_long) in [("qmsg -h", false), ("qmsg --help", true)] {
            let mut command = shown(Cli::command(), &args(line));
            command.build();
            for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
                let name = verb.get_name().to_owned();
                let help = match is_long {
                    true => verb.render_long_help(),
                    false => verb.render_help(),
                };
                let help = help.to_string();
                assert!(help.contains("Examples:"), "{name}: {help}");
                assert_eq!(help.contains("[env: QMSG_"), is_long, "{name}: {help}");
                assert!(!help.contains("=]"), "{name}: {help}");
                let (own, global) = help.split_once("Global options:").unwrap_or_default();
                assert!(own.contains("--help") && global.contains("--quiet"), "{name}: {help}");
                assert!(!global.contains("\n\n  Options:"), "{name}: the last heading");
            }
        }
    }

    #[test]
    fn colours_hold_for_help_and_for_errors() {
        for (line, wanted) in [
            ("qmsg --color never --help", Color::Never),
            ("qmsg --color=always", Color::Always),
            ("qmsg send --nope --color never", Color::Never),
            ("qmsg --color", Color::Auto),
            ("qmsg", Color::Auto),
        ] {
            assert_eq!(color(&args(line)), wanted, "{line}");
        }
    }
}
