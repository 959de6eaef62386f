//! Variables that are set and empty, as compose files and units leave them: as good as unset.

use std::env;

use clap::builder::Resettable;
use clap::{Arg, Command};

/// A command that reads no variable without a value.
pub(crate) fn passed_over(command: Command) -> Command {
    // Mostly there is none, and a send is in a hurry.
    let is_empty = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        value.is_empty() && name.as_encoded_bytes().starts_with(b"QMSG_")
    };
    if env::vars_os().any(is_empty) { without(command) } else { command }
}

fn without(command: Command) -> Command {
    let passed_over = |arg: Arg| {
        let value = arg.get_env().and_then(env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
    };
    command.mut_args(passed_over).mut_subcommands(without)
}
