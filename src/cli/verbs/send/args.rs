//! The arguments of `qmsg send`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::cli::args::Who;
use crate::cli::headers::HeaderArgs;
use crate::cli::keeping::KeepingArgs;
use crate::cli::values;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::message::input::{BodySource, Empty, Framing};
use crate::outgoing::job::{Job, PATIENCE, Show, Until, plain_job};
use crate::text::units::{self, Targets};
use crate::text::when::{self, When};

/// Send a message to a user, a room, or everyone
///
/// Exits 0 once the message is on the server's disk for every recipient, or has reached the level
/// given by --until. If TEXT is given, it is the message, and stdin is not touched. Without TEXT,
/// or with a single -, stdin is read to its end and sent as one message, byte for byte.
///
/// Options go before TEXT: from its first word on, everything is text. A word of it that looks like
/// an option of this command is an error, unless -- stands before the text or the whole text is one
/// argument.
///
/// A long message takes little memory: a file is read while it is sent, so it must not change until
/// then; a stream is first copied to $TMPDIR, up to 1 GiB.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  df -h / | tail -1 | qmsg send bob
  qmsg send @ops --title 'backup failed' -p high --file backup.log
  qmsg send bob --wrap -- make all")]
pub(crate) struct SendArgs {
    /// Recipients: an id, a @room, @all, or several separated by commas
    #[arg(value_name = "TARGET[,TARGET…]", value_parser = values::targets_arg())]
    pub(crate) targets: Targets,
    #[command(flatten)]
    pub(crate) body: BodyArgs,
    /// Send each line of the input as one message, without its newline
    ///
    /// Each line is sent as soon as it is complete, so the input may be an endless stream.
    #[arg(short, long, conflicts_with_all = ["null", "empty", "skip_empty"])]
    pub(crate) lines: bool,
    /// Send each NUL-terminated piece of the input as one message
    #[arg(short = '0', long, conflicts_with_all = ["empty", "skip_empty"])]
    pub(crate) null: bool,
    /// Wait until every recipient has reached this level
    ///
    /// The exit code shows how far the message has got: 10 if it was accepted but not delivered in
    /// time, 11 if it was delivered but not processed, 12 if it was refused for good, and 13 if
    /// recipients differ. The wait survives a restart of the server.
    #[arg(long, value_name = "LEVEL", env = "QMSG_UNTIL", default_value = "accepted")]
    #[arg(value_parser = values::until())]
    pub(crate) until: Until,
    /// Deliver to current listeners only; not stored, not retried
    ///
    /// Exits 0 when the server has passed the message on, without waiting for its disk, even if
    /// nobody is listening; --json shows how many listeners there were. A listener that cannot keep
    /// up slows its sender down; a member of a room that cannot keep up misses messages.
    #[arg(long)]
    pub(crate) volatile: bool,
    /// Idempotency key: the same key sends once
    ///
    /// If the same user has sent a message to the same target with the same key within the server's
    /// duplicate window, nothing is sent, even if the text differs, and the exit code is 0. With -l
    /// and -0 the number of the message is part of the key. An empty key counts as not given.
    #[arg(long = "id", value_name = "KEY", allow_hyphen_values = true)]
    #[arg(conflicts_with = "volatile")]
    pub(crate) key: Option<OsString>,
    /// Schedule for this time
    ///
    /// Written like 7:00, which is the next time the clock shows this, '2026-11-24 07:00', or with
    /// an offset as in 2026-11-24T07:00:00Z. See also: qmsg later
    #[arg(long, value_name = "TIME", value_parser = when::when)]
    #[arg(conflicts_with_all = ["volatile", "after"])]
    pub(crate) at: Option<When>,
    /// Schedule after this delay
    ///
    /// Written like 90s, 10m, 1h30m or 2d, always with a unit.
    #[arg(long = "in", id = "after", value_name = "TIME")]
    #[arg(value_parser = units::duration_with_unit)]
    #[arg(conflicts_with = "volatile")]
    pub(crate) after: Option<Duration>,
    /// Show what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Print a JSON object for each message and target, or with --until for each recipient
    #[arg(long)]
    pub(crate) json: bool,
    /// Give up after this long without an answer from the server [default: 10s]
    ///
    /// Written like 500ms, 10s, 5m or 1h30m; a bare number is seconds. Until then the command keeps
    /// retrying. After a timeout the message may still have reached the server; since this is not
    /// known, the exit code is not 0. With --until, TIME is also the time that a message may
    /// take, once it is accepted, to reach the level; without --timeout that wait has no limit.
    #[arg(long, value_name = "TIME", env = "QMSG_TIMEOUT", value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) keeping: KeepingArgs,
    #[command(flatten)]
    pub(crate) wrap: WrapArgs,
}

/// Arguments that give the body of a message.
#[derive(Debug, Args)]
pub(crate) struct BodyArgs {
    /// The message; several words are joined by spaces
    ///
    /// If it begins with -, put -- before it, as in: qmsg send bob -- -n
    #[arg(value_name = "TEXT", trailing_var_arg = true)]
    pub(crate) text: Vec<OsString>,
    /// The message, as an option; it may begin with -
    #[arg(
        short,
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        conflicts_with_all = ["text", "file"]
    )]
    pub(crate) message: Option<OsString>,
    /// Read the message from a file instead of stdin; - is stdin
    ///
    /// A file that is empty is sent, with its name as the title.
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    /// Allow an empty message
    #[arg(long, conflicts_with = "skip_empty")]
    pub(crate) empty: bool,
    /// Exit with 0 and send nothing if the message is empty
    #[arg(long)]
    pub(crate) skip_empty: bool,
}

/// Builds the source of bodies: one message, or several that end in the byte `end`.
pub(crate) fn body_source(body: &BodyArgs, end: Option<u8>) -> Result<BodySource> {
    let empty = match (body.empty, body.skip_empty) {
        (true, _) => Empty::Sent,
        (_, true) => Empty::Skipped,
        _ => Empty::Refused,
    };
    let framing = end.map_or(Framing::Whole { empty }, Framing::Until);
    if let Some(file) = &body.file {
        return Ok(match file.as_os_str() == "-" {
            true => BodySource::Stdin(framing),
            false => BodySource::File(file.clone(), framing),
        });
    }
    let text = match (&body.message, body.text.as_slice()) {
        (None, []) => return Ok(BodySource::Stdin(framing)),
        (None, [dash]) if dash == "-" => return Ok(BodySource::Stdin(framing)),
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, words) => words.join(OsStr::new(" ")).into_vec(),
    };
    match end {
        None => Ok(BodySource::Text(text.into(), framing)),
        Some(_) => {
            Err(Failure::new(Exit::Usage, "TEXT is one message; -l and -0 split stdin or a file")
                .hint("leave out TEXT, or the flag")
                .into())
        }
    }
}

/// The file's name, which is the title of an empty file.
pub(crate) fn file_name(body: &BodyArgs) -> Option<String> {
    let name = body.file.as_ref()?.file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// Builds the source of bodies of `qmsg send`.
pub(crate) fn source(args: &SendArgs) -> Result<BodySource> {
    body_source(
        &args.body,
        match (args.lines, args.null) {
            (true, _) => Some(b'\n'),
            (_, true) => Some(0),
            _ => None,
        },
    )
}

/// Builds the job of `qmsg send`.
pub(crate) fn job(args: &SendArgs) -> Result<Job> {
    let due_ms = due_ms(args)?;
    if args.until > Until::Accepted && (args.volatile || due_ms.is_some()) {
        let flag = if args.volatile { "--volatile" } else { "--at or --in" };
        let what = format!("--until has nothing to wait for with {flag}");
        return Err(Failure::new(Exit::Usage, what)
            .hint("leave out one; --until accepted takes precedence over QMSG_UNTIL")
            .into());
    }
    Ok(Job {
        name: file_name(&args.body),
        key: args.key.clone().map(OsString::into_vec).filter(|key| !key.is_empty()),
        volatile: args.volatile,
        due_ms,
        is_delay: args.after.is_some(),
        until: args.until,
        patience: args.timeout.unwrap_or(PATIENCE),
        timeout: args.timeout,
        show: if args.json { Show::Json } else { Show::Nothing },
        spool: (!args.volatile).then(|| args.keeping.keeping()),
        excerpts: true,
        ..plain_job(args.targets.0.clone(), args.headers.headers()?)
    })
}

/// Determines the time of --at or --in, in Unix milliseconds.
fn due_ms(args: &SendArgs) -> Result<Option<u64>> {
    if let Some(after) = args.after {
        let due_ms = when::after(clock::now_ms(), after)
            .ok_or_else(|| Failure::new(Exit::Usage, "the time of --in is beyond the calendar"))?;
        return Ok(Some(due_ms));
    }
    let Some(at) = args.at else { return Ok(None) };
    let now = clock::here();
    let due_ms = at.unix_ms(&now).ok_or_else(|| {
        let now = now.strftime("%Y-%m-%d %H:%M:%S %Z");
        Failure::new(Exit::Usage, "the time of --at is in the past")
            .hint(format!("it is {now}; --at 07:00 is the next time the clock shows this"))
    })?;
    Ok(Some(due_ms))
}

/// Flags for reporting on a command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Wrap")]
pub(crate) struct WrapArgs {
    /// Run the command after -- and report how it ended
    ///
    /// As in: qmsg send bob --wrap -- make all. Its output goes to stdout and stderr, its
    /// last lines are sent, and the exit code is the command's, whether or not the message could be
    /// sent. If the command fails, the message has a high priority, unless -p says otherwise.
    /// --until has no effect.
    #[arg(long, conflicts_with_all = [
        "message", "file", "empty", "skip_empty", "lines", "null", "volatile", "at", "after",
        "dry_run", "json",
    ])]
    pub(crate) wrap: bool,
    /// Report failures only
    #[arg(long, requires = "wrap")]
    pub(crate) only_on_failure: bool,
    /// Lines of its output to send
    #[arg(long, value_name = "N", default_value = "20", requires = "wrap")]
    pub(crate) tail: u16,
}
