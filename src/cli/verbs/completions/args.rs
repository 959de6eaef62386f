//! The arguments of `qmsg completions`.

use clap::{Args, ValueEnum};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

/// Print a completion script for a shell
///
/// It completes commands, flags and their values, and for targets, ids and rooms the names that
/// this machine knows: its own ids, the rooms they joined, and the targets that were sent to from a
/// terminal.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  eval \"$(qmsg completions bash)\"              in ~/.bashrc
  qmsg completions zsh > ~/.zfunc/_qmsg        a directory of $fpath
  qmsg completions fish > ~/.config/fish/completions/qmsg.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: CompletionShell,
}

/// A shell with completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// GNU bash, 3.2 or later
    Bash,
    /// Z shell
    Zsh,
    /// fish
    Fish,
}

impl CompletionShell {
    pub(crate) fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
        }
    }
}
