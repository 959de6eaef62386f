//! Parse, run, exit code.

use std::process::ExitCode;

use qmsg::cli;

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os()))
}
