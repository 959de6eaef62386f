//! A smaller parser for the verbs that are run most.
//!
//! Building all verbs with their flags takes longer than parsing the arguments, and each `send` is
//! a new process. A command line that begins with such a verb is parsed with that verb alone.

use std::ffi::OsString;

use clap::{Args, Command, CommandFactory};

use crate::cli::args::{FileArgs, VerbosityArgs};
use crate::cli::command::Cli;
use crate::cli::verbs::listen::args::ListenArgs;
use crate::cli::verbs::send::args::SendArgs;

/// The command that parses `args`.
pub(crate) fn command(args: &[OsString]) -> Command {
    let verb = args.get(1).and_then(|arg| arg.to_str());
    verb.and_then(alone).unwrap_or_else(Cli::command)
}

/// A command with one verb and the global flags, if it is a frequent verb.
fn alone(verb: &str) -> Option<Command> {
    let verb = match verb {
        "send" => SendArgs::augment_args(Command::new("send")),
        "listen" => ListenArgs::augment_args(Command::new("listen")),
        _ => return None,
    };
    let command = Command::new("qmsg").max_term_width(100).subcommand_required(true);
    Some(FileArgs::augment_args(VerbosityArgs::augment_args(command)).subcommand(verb))
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::{alone, command};
    use crate::cli::command::Cli;

    /// Renders everything that defines a command.
    fn help(mut command: Command, verb: &str) -> Option<String> {
        command.build();
        let verb = command.find_subcommand_mut(verb)?;
        Some(verb.render_long_help().to_string())
    }

    #[test]
    fn a_verb_alone_is_the_same_verb() {
        for verb in ["send", "listen"] {
            let quick = alone(verb).and_then(|command| help(command, verb));
            assert!(quick.is_some());
            assert_eq!(quick, help(Cli::command(), verb));
        }
    }

    #[test]
    fn only_a_verb_at_the_very_beginning_counts() {
        for line in [&["qmsg"][..], &["qmsg", "-q", "send"], &["qmsg", "sent"], &["qmsg", "join"]] {
            let args: Vec<_> = line.iter().map(Into::into).collect();
            assert!(command(&args).find_subcommand("serve").is_some(), "{line:?}");
        }
    }
}
