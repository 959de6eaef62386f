//! The flags of `qmsg listen`, and the settings made from them.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, Args};

use crate::cli::args::Who;
use crate::cli::verbs::listen::filter::FilterArgs;
use crate::cli::verbs::listen::printer::{PrintTarget, Shape};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::handler::exec::Handler;
use crate::handler::inbox::InboxWants;
use crate::handler::save::Shelf;
use crate::handler::schedule::Policy;
use crate::logic::Prefetch;
use crate::message::known_headers;
use crate::message::render::format::Format;
use crate::message::render::style::Style;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{color, print};
use crate::text::units;
use crate::wire::{MsgId, Start};

/// First paragraph of the help text of --format.
const FORMAT_HELP: &str = "Print each message in this format, followed by a newline";

/// Most unacked messages of a sharing reader, so that the others get a share.
const SHARED_MESSAGES: u32 = 16;

/// Receive messages: those waiting first, then new ones
///
/// Messages are printed, saved as files, or passed to a command. A message counts as processed
/// once it has been printed, is on disk, or its command has succeeded; until then it is delivered
/// again, to this listener or the next. A terminal shows the time, sender, target, priority, title
/// and tags of each message along with its body. Anywhere else only the body is printed, followed
/// by a newline unless it ends in one; a message with an empty body prints its title. qmsg listen
/// keeps running until it is stopped, even if the server restarts.
///
/// A message is printed once all of it has arrived; until then a message of more than 1 MiB is kept
/// in $TMPDIR.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg listen                       print messages until it is stopped
  qmsg listen --poll --json         print what is waiting, then exit
  qmsg listen --room @ops --exec ./handler.sh")]
#[command(group = ArgGroup::new("handler").args(["exec", "shell"]))]
#[command(group = ArgGroup::new("drawer").args(["dead", "requeue", "drop"]).conflicts_with_all([
    "count", "poll", "new", "since", "share", "from", "room", "priority", "title", "raw", "null",
    "format", "save_dir", "handler",
]))]
pub(crate) struct ListenArgs {
    #[command(flatten)]
    pub(crate) who: Who,
    /// Exit after N messages
    ///
    /// With a handler: after N messages have been processed or dead-lettered.
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Exit after this time
    ///
    /// For example 500ms, 10s, 5m or 1h30m; a bare number is seconds. The exit code is 124 if
    /// --count was given and not reached, otherwise 0; it is 69 if the server could not be reached
    /// at all.
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Exit once all waiting messages have been processed
    #[arg(long)]
    pub(crate) poll: bool,
    /// Skip waiting messages; receive only new ones
    #[arg(long, conflicts_with_all = ["poll", "since"])]
    new: bool,
    /// Replay from this point, including processed messages
    ///
    /// A time ago such as 10m or 24h (a bare number is seconds), the id of the message to start
    /// after, or all. Processed messages remain processed; they are only shown again, for as long
    /// as the server keeps them.
    #[arg(long, value_name = "TIME|ID|all")]
    since: Option<Since>,
    /// Share messages with this id's other --share listeners (a queue group)
    ///
    /// Each message goes to exactly one of them, and to another if that one exits without having
    /// processed it. Also known as competing consumers or a shared subscription.
    #[arg(long)]
    pub(crate) share: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    pub(crate) drawer: DrawerArgs,
}

/// Output flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output options")]
pub(crate) struct OutputArgs {
    /// Print a JSON object for each message
    #[arg(long, conflicts_with_all = ["raw", "null", "format"])]
    pub(crate) json: bool,
    /// Print bodies byte for byte, with nothing added
    ///
    /// Refused on a terminal, because a body may contain control sequences. With --format: print no
    /// newline after each message.
    #[arg(long, conflicts_with = "null")]
    raw: bool,
    /// Print bodies byte for byte, each followed by a NUL
    ///
    /// Refused on a terminal, as --raw is. With --format: print a NUL instead of the newline.
    #[arg(short = '0', long)]
    null: bool,
    #[arg(short = 'F', long, help = FORMAT_HELP, long_help = format_help())]
    format: Option<Format>,
    /// Save each message to its own file in this directory and print the file's name
    ///
    /// The file contains the body, or the output of --json or --format. It gets its name, SEQ-ID,
    /// once it is complete and on disk; the message is then processed. Its permissions follow the
    /// umask.
    #[arg(long, value_name = "DIR", conflicts_with = "handler")]
    save_dir: Option<PathBuf>,
}

/// Handler flags.
#[derive(Debug, Args)]
#[command(next_help_heading = "Handler options")]
struct ExecArgs {
    /// Run this command for each message, with the body as its stdin
    ///
    /// Everything that follows belongs to the command. No shell is involved. The exit code decides:
    /// 0 the message is processed, 75 it is retried later, 65 or 100 it becomes a dead letter;
    /// anything else, or a signal, is a failure. The message's fields are in QMSG_MSG_ID,
    /// QMSG_MSG_FROM and so on, and as a JSON object on file descriptor 3.
    #[arg(
        short = 'x',
        long,
        value_name = "CMD",
        num_args = 1..,
        allow_hyphen_values = true,
        conflicts_with_all = ["json", "raw", "null", "format"]
    )]
    exec: Vec<OsString>,
    /// Run this line with /bin/sh for each message, like --exec
    #[arg(
        long,
        value_name = "LINE",
        value_parser = OsStringValueParser::new().try_map(shell_line),
        conflicts_with_all = ["json", "raw", "null", "format"]
    )]
    shell: Option<OsString>,
    /// Run up to N handlers in parallel
    ///
    /// Messages from one sender are still handled one at a time, in order.
    #[arg(
        short,
        long,
        value_name = "N",
        default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=1024),
        requires = "handler"
    )]
    jobs: u32,
    /// Dead-letter after N failed attempts; 0 = never
    #[arg(long, value_name = "N", default_value = "5", requires = "handler")]
    max_attempts: u32,
    /// Delay before the first retry; doubles up to 5m
    ///
    /// A bare number is seconds.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "1s",
        value_parser = units::duration,
        requires = "handler"
    )]
    retry_delay: Duration,
    /// Stop a handler that takes longer than this, and count it as failed
    ///
    /// The handler and the processes that it started get SIGTERM, then SIGKILL after 5 seconds. A
    /// bare number is seconds.
    #[arg(long, value_name = "TIME", value_parser = units::duration, requires = "handler")]
    exec_timeout: Option<Duration>,
    /// Send the handler's stdout (at most 60 KiB) as the reply if it succeeds
    #[arg(long, requires = "handler")]
    reply: bool,
}

/// Flags for dead letters.
#[derive(Debug, Args)]
#[command(next_help_heading = "Dead letter options")]
pub(crate) struct DrawerArgs {
    /// List the dead letters and exit
    #[arg(long)]
    pub(crate) dead: bool,
    /// Put a dead letter, or all of them, back into the mailbox and exit
    #[arg(long, value_name = "ID|all", conflicts_with = "dead")]
    pub(crate) requeue: Option<DeadLetterChoice>,
    /// Delete a dead letter, or all of them, and exit
    #[arg(long, value_name = "ID|all", conflicts_with_all = ["dead", "requeue"])]
    pub(crate) drop: Option<DeadLetterChoice>,
}

/// One dead letter, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeadLetterChoice {
    All,
    One(MsgId),
}

impl FromStr for DeadLetterChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(Self::All),
            id => id.parse().map(Self::One).map_err(|_| "give the id of a message, or all"),
        }
    }
}

/// The value of --since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    All,
    Ago(Duration),
    After(MsgId),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let why = "give a time like 10m, the id of a message, or all";
        match (text, text.parse()) {
            ("all", _) => Ok(Self::All),
            (_, Ok(id)) => Ok(Self::After(id)),
            _ => units::duration(text).map(Self::Ago).map_err(|_| why),
        }
    }
}

impl From<Since> for Start {
    fn from(since: Since) -> Self {
        match since {
            Since::All => Self::Since(0),
            Since::Ago(time) => {
                Self::Since(clock::now_ms().saturating_sub(time.as_millis() as u64))
            }
            Since::After(id) => Self::After(id),
        }
    }
}

/// The whole help text of --format, with the letters of the known headers.
fn format_help() -> String {
    let letters = known_headers::letters();
    let letters: String =
        letters.map(|(name, header)| format!("%{} {name}, ", header.letter)).collect();
    format!(
        "{FORMAT_HELP}\n\n%p body, %x %X body in hexadecimal, %l its length, %s sender, %t target, \
         %g room, %m id, %n seq, %I time, %U time in seconds, %j the object of --json, {letters}%P \
         all headers, %{{NAME}} a header, %% a %. \\n \\t \\r \\0 \\a \\e \\v \\\\ \
         are characters. Text without any field is refused."
    )
}

/// Refuses a shell line without a command. /bin/sh would succeed with it, for example with a
/// variable that is not set, and every message would be acked.
fn shell_line(line: OsString) -> Result<OsString, &'static str> {
    let is_nothing = |line: &[u8]| line.is_empty() || line.starts_with(b"#");
    match line.as_bytes().split(|byte| *byte == b'\n').all(|line| is_nothing(line.trim_ascii())) {
        true => Err("there is no command in it"),
        false => Ok(line),
    }
}

/// Builds the prefetch: the most unacked messages, and where to begin.
pub(crate) fn prefetch(args: &ListenArgs) -> Prefetch {
    let most = match (args.share, args.exec.is_given()) {
        (false, _) => Prefetch::DEFAULT.messages,
        // Messages beyond the number of handlers are left to other readers.
        (true, true) => args.exec.jobs,
        (true, false) => SHARED_MESSAGES,
    };
    // A filter may skip any number of messages before the last wanted one.
    let count = args.count.filter(|_| args.filter.filter().is_open() && !args.new);
    let messages = count.map_or(most, |count| count.min(most.into()) as u32);
    let start = args.since.map(Start::from).unwrap_or_default();
    Prefetch { messages, bytes: Prefetch::DEFAULT.bytes, start, share: args.share }
}

/// Builds the filter and the counters of incoming messages.
pub(crate) fn inbox_wants(args: &ListenArgs) -> InboxWants {
    let (filter, count) = (args.filter.filter(), args.count.unwrap_or(u64::MAX));
    InboxWants { filter, count, new: args.new }
}

/// Builds the handler and its retry policy; `None` if messages are printed.
pub(crate) fn handler(args: &ListenArgs) -> Option<(Handler, Policy)> {
    let ExecArgs { jobs, max_attempts, retry_delay, exec_timeout: limit, reply, .. } = args.exec;
    let (program, args) = args.exec.command()?;
    let policy = Policy {
        jobs: jobs as usize,
        pause_ms: retry_delay.as_millis() as u64,
        attempts_max: NonZeroU32::new(max_attempts),
    };
    Some((Handler::new(program, args, limit, reply), policy))
}

/// Builds the print target; fails if stdout cannot be used.
pub(crate) fn print_target(args: &ListenArgs, verbosity: Verbosity) -> Result<PrintTarget> {
    let OutputArgs { json, format, save_dir, .. } = &args.output;
    let suffix = if *json { ".json" } else { "" };
    let shelf = save_dir.clone().map(|dir| Shelf::open(dir, suffix)).transpose()?;
    if shelf.is_none() {
        // Errors are better found before a message comes.
        print::check()?;
    }
    let terminal = print::is_terminal() && shelf.is_none();
    if terminal && (args.output.raw || args.output.null) {
        return Err(Failure::new(Exit::Usage, "bodies are not printed raw on a terminal")
            .hint("they may contain control sequences; use a pipe or a file")
            .into());
    }
    let shape = match format {
        Some(format) => {
            let end = end(&args.output);
            Shape::Formatted { format: Arc::new(format.clone()), end, shows: terminal }
        }
        None => Shape::Styled(match args.output {
            OutputArgs { json: true, .. } => Style::Json,
            OutputArgs { raw: true, .. } => Style::Raw,
            OutputArgs { null: true, .. } => Style::Null,
            // A file needs no trailing newline.
            _ if shelf.is_some() => Style::Raw,
            _ if terminal || verbosity.color == color::Color::Always => {
                Style::Terminal { color: verbosity.color.is_on(), folds: terminal }
            }
            _ => Style::Lines,
        }),
    };
    Ok(PrintTarget::new(shape, shelf))
}

/// Bytes written after each formatted message.
fn end(output: &OutputArgs) -> &'static [u8] {
    match (output.raw, output.null) {
        (true, _) => b"",
        (_, true) => b"\0",
        _ => b"\n",
    }
}

impl ExecArgs {
    fn is_given(&self) -> bool {
        self.shell.is_some() || !self.exec.is_empty()
    }

    fn command(&self) -> Option<(OsString, Vec<OsString>)> {
        if let Some(line) = &self.shell {
            return Some(("/bin/sh".into(), vec!["-c".into(), line.clone()]));
        }
        // A `--` before the command is not part of it.
        let given = self.exec.strip_prefix(&[OsString::from("--")]).unwrap_or(&self.exec);
        given.split_first().map(|(program, args)| (program.clone(), args.to_vec()))
    }
}
