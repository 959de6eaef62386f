//! The command line: arguments, verbs, help, completions, configuration.

mod args;
mod command;
mod config;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;
mod init;
mod keeping;
mod limits;
mod parse;
mod requester;
mod run;
mod text;
mod values;
mod verbs;

pub use crate::failure::Exit;
pub use crate::profile::address::{JoinTicket, ServerAddress};
pub use crate::terminal::print::mark_closed_stdout;
pub use command::Cli;
pub use run::run;
pub use verbs::completions::args::CompletionShell;
pub use verbs::completions::script::completion_script;
