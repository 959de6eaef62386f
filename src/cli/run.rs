//! Entry point of the command line.

use std::ffi::OsString;

use crate::cli::command::Verb;
use crate::cli::init;
use crate::cli::parse::{before, line};
use crate::cli::verbs::sendmail::{self, called};
use crate::cli::verbs::{
    ask, bench, completions, config, invite, join, later, listen, send, serve, spool,
};
use crate::terminal::notices;

/// Runs a command line that begins with the program's name, and returns the exit code. Errors are
/// printed here.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(exit) = completions::script::answer(&args) {
        return exit.code();
    }
    let code = init::run(&args).unwrap_or_else(|| run_verb(called::as_called(args)));
    notices::finish();
    code
}

fn run_verb(args: Vec<OsString>) -> u8 {
    let args = before::moved(args);
    let (cli, config) = match line::parse(&args) {
        Ok(parsed) => parsed,
        Err(exit) => return exit.code(),
    };
    let verbosity = cli.verbosity.verbosity();
    notices::listen_to_diagnostics(verbosity);
    let result = match &cli.verb {
        Verb::Serve(args) => serve::run::run(args, verbosity),
        Verb::Join(args) => join::join(args, verbosity),
        Verb::Leave(args) => join::leave(args, verbosity),
        // With --wrap the exit code is that of the wrapped command.
        Verb::Send(args) => {
            let code = send::run::run(args, verbosity);
            return code.unwrap_or_else(|error| notices::tell_to(verbosity, &error).code());
        }
        Verb::Ask(args) => ask::run(args, verbosity),
        Verb::Later(args) => later::run(args, verbosity),
        Verb::Listen(args) => listen::run::run(args, verbosity),
        Verb::Invite(args) => invite::run(args),
        Verb::Spool(args) => spool::run::run(args, verbosity),
        Verb::Sendmail(args) => sendmail::run::run(args, &config, verbosity),
        Verb::Config(args) => config::run::run(args, cli.files.config.as_deref(), &config),
        Verb::Bench(args) => bench::run::run(args, verbosity),
        Verb::Completions(args) => completions::script::run(args),
    };
    result.unwrap_or_else(|error| notices::tell_to(verbosity, &error)).code()
}
