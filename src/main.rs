//! Parse, run, exit code.

use std::process::ExitCode;

use qmsg::cli;

/// Runs before `main`, and before std puts /dev/null in the place of a closed stdout.
#[ctor::ctor]
fn before_main() {
    cli::mark_closed_stdout();
}

fn main() -> ExitCode {
    ExitCode::from(cli::run(std::env::args_os()))
}
