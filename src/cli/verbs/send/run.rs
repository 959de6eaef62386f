//! `qmsg send`.

use anyhow::Result;

use crate::cli::verbs::send::args::SendArgs;
use crate::cli::verbs::send::{dry, slips, wrap};
use crate::failure::Exit;
use crate::outgoing::conversation::carry_out;
use crate::profile::known;
use crate::terminal::verbosity::Verbosity;

/// Runs `qmsg send`. The exit code may be that of a wrapped command.
pub(crate) fn run(args: &SendArgs, talk: Verbosity) -> Result<u8> {
    if args.wrap.wrap {
        return wrap::run(args, talk);
    }
    let (input, job) = (args.input()?, args.job()?);
    slips::note(&args.targets.0, &args.body.text, talk);
    let exit = match args.dry_run {
        true => dry::run(&job, input, &args.who, talk)?,
        false => carry_out(&job, input, &args.who.profile()?, talk)?,
    };
    if exit == Exit::Success && !args.dry_run {
        known::remember_sent(&args.targets.0);
    }
    Ok(exit.code())
}
