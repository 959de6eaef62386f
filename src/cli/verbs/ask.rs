//! `qmsg ask`.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::cli::args::{Who, profile};
use crate::cli::headers::HeaderArgs;
use crate::cli::values;
use crate::cli::verbs::send::args::{BodyArgs, body_source, file_name};
use crate::failure::Exit;
use crate::message::render::style::Style;
use crate::outgoing::conversation;
use crate::outgoing::job::{Job, PATIENCE, Show, Until, plain_job};
use crate::terminal::print;
use crate::terminal::verbosity::Verbosity;
use crate::text::units::{self, Targets};

/// Default time limit for replies.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Send a message and print the reply
///
/// Waits until the recipient has processed the message and prints the reply of its `qmsg listen
/// --exec CMD --reply`, with a newline added if it does not end in one. Exits with 0 if the message
/// was processed, even without a reply; 12 if it was refused for good, and says why; 10 if it was
/// not delivered in time, and 11 if it was delivered but not processed in time.
///
/// The message comes from TEXT or stdin, as with qmsg send. Options go before TEXT.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg ask clock --timeout 5s 'what time is it?'
  qmsg ask @workers --count 1 who is free")]
pub(crate) struct AskArgs {
    /// Recipients: an id, a @room, @all, or several separated by commas
    #[arg(value_name = "TARGET[,TARGET…]", value_parser = values::targets_arg())]
    targets: Targets,
    #[command(flatten)]
    body: BodyArgs,
    /// Exit after N replies
    ///
    /// Without it, all recipients have to process the message. A recipient who does so without a
    /// reply does not count. The exit code is 13 if there were fewer than N replies.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    who: Who,
    /// Print a JSON object for each recipient, with the reply as body or body_b64
    #[arg(long)]
    json: bool,
    /// Give up after this long without an answer [default: 1m]
    ///
    /// Written like 500ms, 10s, 5m or 1h30m; a bare number is seconds. The time starts when
    /// the server has accepted the message. For accepting it the server has the same time again, or
    /// 10s if --timeout is not given. Time spent reading the message from stdin or a file does not
    /// count.
    #[arg(long, value_name = "TIME", env = "QMSG_TIMEOUT", value_parser = units::duration)]
    timeout: Option<Duration>,
}

pub(crate) fn run(args: &AskArgs, verbosity: Verbosity) -> Result<Exit> {
    let style = match args.json {
        true => Style::Json,
        false if print::is_terminal() => {
            Style::Terminal { color: verbosity.color.is_on(), folds: true }
        }
        false => Style::Lines,
    };
    let job = Job {
        until: Until::Processed,
        patience: args.timeout.unwrap_or(PATIENCE),
        timeout: Some(args.timeout.unwrap_or(TIMEOUT)),
        enough: args.count,
        show: Show::Replies(style),
        name: file_name(&args.body),
        ..plain_job(args.targets.0.clone(), args.headers.headers()?)
    };
    conversation::carry_out(&job, body_source(&args.body, None)?, &profile(&args.who)?, verbosity)
}
