//! `qmsg send`.

mod conversation;
mod dry;
mod following;
mod ledger;
mod levels;
mod news;
mod slips;
mod wrap;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::fail::{Exit, Failure};
use super::headers::HeaderArgs;
use super::input::{Framing, Input};
use super::job::{Job, PATIENCE, Show, Until};
use super::spool::Keeping;
use super::units::{self, Targets};
use super::when::{self, When};
use super::{Talk, Who, clock, known};

pub(super) use conversation::carry_out;
use wrap::WrapArgs;

/// Send a message to a user, a room, or everyone
///
/// Exits 0 once the message is on the server's disk for everybody it is addressed to, or has come
/// as far as --until says. If TEXT is given, it is the message, and stdin is not touched. Without
/// TEXT, or with a single -, stdin is read to its end and is one message, byte for byte.
///
/// A long message takes little memory: a file is read while it is sent, so it must not change until
/// then, and what comes through a pipe is first copied to $TMPDIR, up to 1 GiB.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg send bob lunch at noon?
  make 2>&1 | qmsg send @ops --title 'nightly build'
  qmsg send bob --in 2h --until delivered -f report.pdf
  qmsg send @ops --wrap -- ./backup.sh")]
pub(super) struct SendArgs {
    /// Who gets it: an id, a @room, @all, or several of them separated by commas
    #[arg(value_name = "TARGET[,TARGET…]", value_parser = units::targets)]
    targets: Targets,
    #[command(flatten)]
    body: BodyArgs,
    /// Send each line of the input as one message, without its newline
    ///
    /// Each line is sent as soon as it is there, so the input may be a stream without an end.
    #[arg(short, long, conflicts_with_all = ["null", "empty"])]
    lines: bool,
    /// Send each NUL-terminated piece of the input as one message
    #[arg(short = '0', long, conflicts_with = "empty")]
    null: bool,
    /// End when the message has come so far with every recipient
    ///
    /// The exit code tells how far it has come: 10 if it was accepted and nobody has got it in
    /// time, 11 if it was delivered and not dealt with, 12 if it was refused for good, and 13 if it
    /// is not the same with all recipients. The wait goes on when the server is started again.
    #[arg(long, value_name = "LEVEL", env = "QMSG_UNTIL", default_value = "accepted")]
    until: Until,
    /// Only for those who listen now: neither stored nor repeated
    ///
    /// Exits 0 when the server has passed the message on, without waiting for its disk, be it to
    /// nobody; with --json it says to how many. A listener that cannot keep up slows its sender
    /// down; a member of a room that cannot misses messages.
    #[arg(long)]
    volatile: bool,
    /// Send it once, however often this is run with the same key
    ///
    /// A message that was sent by the same user to the same target with the same key within the
    /// server's duplicate window is not sent again, whatever is in it; the exit code is 0 all the
    /// same. With -l and -0 the message's number belongs to the key.
    #[arg(long = "id", value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    #[arg(conflicts_with = "volatile")]
    key: Option<String>,
    /// Have the server keep it and send it at this time
    ///
    /// Written like 07:00, which is the next time that the clock shows this, '2026-11-24 07:00', or
    /// with its offset as in 2026-11-24T07:00:00Z. See also: qmsg later
    #[arg(long, value_name = "TIME", value_parser = when::when)]
    #[arg(conflicts_with_all = ["volatile", "after"])]
    at: Option<When>,
    /// Have the server keep it and send it after this time
    #[arg(long = "in", id = "after", value_name = "TIME", value_parser = units::duration)]
    #[arg(conflicts_with = "volatile")]
    after: Option<Duration>,
    /// Say what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    headers: HeaderArgs,
    #[command(flatten)]
    who: Who,
    /// Print a JSON object for each message and target, or with --until for each recipient
    #[arg(long)]
    json: bool,
    /// Give up when the server has not answered for this long [default: 10s]
    ///
    /// Written like 500ms, 10s, 5m or 1h30m. Until then it tries again and again. What gave up may
    /// still have reached the server: the exit code is then not 0, because nobody knows. With
    /// --until it is also how long a message may take, once it is accepted, to come as far as it is
    /// to; if no time is given, that wait has no end.
    #[arg(long, value_name = "TIME", env = "QMSG_TIMEOUT", value_parser = units::duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    keeping: Keeping,
    #[command(flatten)]
    wrap: WrapArgs,
}

/// Where one message comes from.
#[derive(Debug, Args)]
pub(super) struct BodyArgs {
    /// The message; several words are joined by spaces
    ///
    /// A message that starts with - goes behind --, as in: qmsg send bob -- -n
    #[arg(value_name = "TEXT", allow_hyphen_values = false)]
    text: Vec<String>,
    /// Read the message from a file instead of stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// Send also an empty message, if that is what stdin or the file holds
    #[arg(long)]
    empty: bool,
}

impl BodyArgs {
    /// As one message, or cut at each such byte.
    pub(super) fn input(&self, end: Option<u8>) -> Result<Input> {
        let framing = end.map_or(Framing::Whole { empty: self.empty }, Framing::Until);
        if let Some(file) = &self.file {
            return Ok(Input::File(file.clone(), framing));
        }
        match self.text.as_slice() {
            [] => Ok(Input::Stdin(framing)),
            [dash] if dash == "-" => Ok(Input::Stdin(framing)),
            _ if end.is_some() => {
                Err(Failure::new(Exit::Usage, "TEXT is one message; -l and -0 cut stdin or a file")
                    .hint("leave out TEXT, or the flag")
                    .into())
            }
            words => Ok(Input::Text(words.join(" ").into())),
        }
    }
}

impl SendArgs {
    fn input(&self) -> Result<Input> {
        self.body.input(match (self.lines, self.null) {
            (true, _) => Some(b'\n'),
            (_, true) => Some(0),
            _ => None,
        })
    }

    fn job(&self) -> Result<Job> {
        let due_ms = self.due_ms()?;
        if self.until > Until::Accepted && (self.volatile || due_ms.is_some()) {
            let flag = if self.volatile { "--volatile" } else { "--at or --in" };
            let what = format!("--until has nothing to wait for with {flag}");
            return Err(Failure::new(Exit::Usage, what)
                .hint("leave out one; --until accepted goes before what QMSG_UNTIL says")
                .into());
        }
        Ok(Job {
            key: self.key.clone(),
            volatile: self.volatile,
            due_ms,
            until: self.until,
            patience: self.timeout.unwrap_or(PATIENCE),
            timeout: self.timeout,
            show: if self.json { Show::Json } else { Show::Nothing },
            spool: (!self.volatile).then_some(self.keeping),
            ..Job::new(self.targets.0.clone(), self.headers.headers()?)
        })
    }

    fn due_ms(&self) -> Result<Option<u64>> {
        if let Some(after) = self.after {
            let due_ms = when::after(clock::now_ms(), after).ok_or_else(|| {
                Failure::new(Exit::Usage, "the time of --in is beyond the calendar")
            })?;
            return Ok(Some(due_ms));
        }
        let Some(at) = self.at else { return Ok(None) };
        let now = clock::here();
        let due_ms = at.unix_ms(&now).ok_or_else(|| {
            let now = now.strftime("%Y-%m-%d %H:%M:%S %Z");
            Failure::new(Exit::Usage, "the time of --at is over")
                .hint(format!("it is {now}; --at 07:00 is the next time that the clock shows this"))
        })?;
        Ok(Some(due_ms))
    }
}

/// The exit code, which may be that of a command that was run.
pub(super) fn run(args: &SendArgs, talk: Talk) -> Result<u8> {
    if args.wrap.wrap {
        return wrap::run(args, talk);
    }
    let (input, job) = (args.input()?, args.job()?);
    slips::note(&args.targets.0, &args.body.text, talk);
    let exit = match args.dry_run {
        true => dry::run(&job, input, &args.who, talk)?,
        false => carry_out(&job, input, &args.who, talk)?,
    };
    if exit == Exit::Success && !args.dry_run {
        known::remember_sent(&args.targets.0);
    }
    Ok(exit.code())
}
