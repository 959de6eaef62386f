//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use qmsg::cli::{self, Cli};

fn main() -> ExitCode {
    ExitCode::from(cli::run(&Cli::parse()).code())
}
