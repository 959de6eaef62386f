//! People: arguments, printing, errors, exit codes.

mod args;
mod caller;
mod command;
mod config;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;
mod parse;
mod run;
mod text;
mod values;
mod verbs;

pub use crate::failure::Exit;
pub use crate::profile::address::{Server, Ticket};
pub use crate::terminal::print::mark_closed_stdout;
pub use command::Cli;
pub use run::run;
pub use verbs::completions::{Shell, completion_script};
