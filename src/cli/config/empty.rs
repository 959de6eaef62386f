//! Environment variables that are set but empty, as in compose files and systemd units: they count
//! as unset.

use std::env;

use clap::builder::Resettable;
use clap::{Arg, Command};

/// Makes `command` ignore environment variables that are empty.
pub(crate) fn passed_over(command: Command) -> Command {
    // Rebuilding the command takes time, and mostly there is no such variable.
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
