//! `qmsg send`.

use anyhow::Result;

use crate::cli::args::profile;
use crate::cli::verbs::send::args::{self, SendArgs};
use crate::cli::verbs::send::{dry, slips, wrap};
use crate::failure::Exit;
use crate::outgoing::conversation::carry_out;
use crate::profile::known;
use crate::terminal::verbosity::Verbosity;

/// Runs `qmsg send`. The exit code may be that of a wrapped command.
pub(crate) fn run(args: &SendArgs, verbosity: Verbosity) -> Result<u8> {
    if args.wrap.wrap {
        return wrap::run(args, verbosity);
    }
    let (input, job) = (args::source(args)?, args::job(args)?);
    slips::note(&args.targets.0, &args.body.text, verbosity);
    let exit = match args.dry_run {
        true => dry::run(&job, input, &args.who, verbosity)?,
        false => carry_out(&job, input, &profile(&args.who)?, verbosity)?,
    };
    if exit == Exit::Success && !args.dry_run {
        known::remember_sent(&args.targets.0);
    }
    Ok(exit.code())
}
