//! `qmsg send --wrap`: runs a command and sends a message about how it ended.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;

use crate::cli::args::profile;
use crate::cli::headers::HeaderArgs;
use crate::cli::limits::COMMAND_CHARS_MAX;
use crate::cli::verbs::send::args::{self, SendArgs};
use crate::clock;
use crate::failure::{self, Exit, Failure};
use crate::handler::attend;
use crate::message::content::Content;
use crate::message::known_headers::{DURATION, EXIT, PRIORITY, TITLE, TYPE};
use crate::outgoing::job::{Job, message_id};
use crate::process::{host, runtime};
use crate::spool::deliver::{Keep, Spool};
use crate::spool::file::Spooled;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::text::clean::clean;
use crate::wire::MsgIds;

/// Exit codes for a command that cannot be started, as shells use them.
const CODE_NOT_FOUND: u8 = 127;
const CODE_NOT_RUN: u8 = 126;
/// Offset of the exit code when a signal killed a command, as in shells.
const CODE_SIGNAL: i32 = 128;

/// The end of a command.
struct CommandEnd {
    code: u8,
    /// A short description: `exit 3`, `killed by signal 9`.
    status: String,
    time: Duration,
    last_lines: Vec<u8>,
    /// Error by which some of its output was lost.
    unwritten: Option<io::Error>,
}

/// Runs the command and reports on it. Returns its exit code, or that of wrong usage.
pub(crate) fn run(args: &SendArgs, verbosity: Verbosity) -> Result<u8> {
    let Some((program, arguments)) = args.body.text.split_first() else {
        return Err(Failure::new(Exit::Usage, "--wrap has no command to run")
            .hint("put it after --, as in: qmsg send bob --wrap -- make all")
            .into());
    };
    // Errors in the message are found before the command runs.
    header_args(args, &CommandEnd::none()).headers()?;
    let start = clock::moment();
    let runtime = runtime::runtime()?;
    let _context = runtime.enter();
    attend::keep_children()?;
    let end = match attend::start(program, arguments) {
        Ok(child) => {
            let ended = runtime.block_on(attend::attend(child, args.wrap.tail.into()))?;
            let (code, status) = outcome(ended.status);
            let (last_lines, unwritten) = (ended.last_lines, ended.unwritten);
            CommandEnd { code, status, last_lines, unwritten, ..CommandEnd::none() }
        }
        Err(error) => {
            let why = match attend::interpreter(program, &error) {
                Some(name) => format!("its first line wants {name}, which does not exist"),
                None => why(&error),
            };
            notices::announce(&format!("cannot start {}: {why}", program.to_string_lossy()));
            let is_missing = error.kind() == ErrorKind::NotFound;
            let code = if is_missing { CODE_NOT_FOUND } else { CODE_NOT_RUN };
            CommandEnd { code, status: format!("not started: {why}"), ..CommandEnd::none() }
        }
    };
    // A closed pipe loses nothing: its reader has gone on purpose.
    let is_lost = |error: &&io::Error| error.kind() != ErrorKind::BrokenPipe;
    if let Some(error) = end.unwritten.as_ref().filter(is_lost) {
        let (name, why) = (name(&args.body.text), why(error));
        notices::announce(&format!("the output of {name} could not be written: {why}"));
    }
    let end = CommandEnd { time: clock::since(start), ..end };
    if end.code != 0 || !args.wrap.only_on_failure {
        runtime.block_on(async {
            tokio::select! {
                () = attend::stopped() => notices::announce("stopped before the message was sent"),
                () = send_report(args, &end, verbosity) => {}
            }
        });
    }
    Ok(end.code)
}

impl CommandEnd {
    fn none() -> Self {
        Self {
            code: 0,
            status: "exit 0".into(),
            time: Duration::ZERO,
            last_lines: Vec::new(),
            unwritten: None,
        }
    }
}

fn outcome(status: ExitStatus) -> (u8, String) {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => (code as u8, format!("exit {code}")),
        (None, Some(number)) => {
            ((CODE_SIGNAL + number) as u8, format!("killed by signal {number}"))
        }
        (None, None) => (u8::MAX, "ended in an unknown way".into()),
    }
}

/// Sends the message about the command. An error is printed and has no other effect.
async fn send_report(args: &SendArgs, end: &CommandEnd, verbosity: Verbosity) {
    let sent = report(args, end).and_then(|messages| {
        let (who, keeping, patience) =
            (args.who.clone(), args.keeping.keeping(), args::job(args)?.patience);
        Ok(tokio::task::spawn_blocking(move || -> Result<()> {
            let profile = profile(&who)?;
            let spool = Spool::open(&profile, keeping.bounds, patience, verbosity)?;
            let keep = if keeping.spool { Keep::Unreached } else { Keep::Nothing };
            let delivery = spool.deliver(messages, keep)?;
            if delivery.kept > 0 {
                notices::note(verbosity, "the message is not sent yet, but kept: qmsg spool list");
            }
            for (to, error) in delivery.failed {
                notices::announce(&format!(
                    "the message to {to} was not sent: {}",
                    failure::line(&error)
                ));
            }
            Ok(())
        }))
    });
    let result = match sent {
        Ok(sent) => sent.await.unwrap_or_else(|error| Err(error.into())),
        Err(error) => Err(error),
    };
    if let Err(error) = result {
        notices::tell(&error.context("the message about the command was not sent"));
    }
}

fn report(args: &SendArgs, end: &CommandEnd) -> Result<Vec<Spooled>> {
    let job = Job { headers: header_args(args, end).headers()?, ..args::job(args)? };
    let about = format!("{}: {} after {:.1} s\n", name(&args.body.text), end.status, seconds(end));
    let lost = end.unwritten.as_ref();
    let lost = lost.map(|error| format!("its output could not be written: {}\n", why(error)));
    let blank: &[u8] = if end.last_lines.is_empty() { b"" } else { b"\n" };
    let lost = lost.unwrap_or_default();
    let body = [about.as_bytes(), lost.as_bytes(), blank, &end.last_lines].concat();
    let content = Content::Memory(body.into());
    let mut ids = vec![MsgIds::default(); job.targets.len()];
    let messages = job.targets.iter().zip(&mut ids).map(|(to, ids)| Spooled {
        id: message_id(&job, ids, to, 0, 0),
        to: to.clone(),
        headers: job.headers.clone(),
        due_ms: None,
        content: content.clone(),
        is_cuttable: true,
    });
    Ok(messages.collect())
}

/// Renders an error without the system's number.
fn why(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

fn seconds(end: &CommandEnd) -> f64 {
    end.time.as_secs_f64()
}

/// Combines the user's headers with those about the end of the command.
fn header_args(args: &SendArgs, end: &CommandEnd) -> HeaderArgs {
    let mut headers = args.headers.clone();
    headers.add(EXIT, end.code.to_string());
    headers.add(DURATION, format!("{:.3}", seconds(end)));
    headers.add_default(TITLE, headline(&args.body.text, end));
    if end.code != 0 {
        headers.add_default(PRIORITY, "high".into());
    }
    headers.add_default(TYPE, "text/plain".into());
    headers
}

fn headline(words: &[OsString], end: &CommandEnd) -> String {
    let (name, host) = (name(words), host::name());
    match end.code {
        0 => format!("{name} is done on {host}"),
        _ => format!("{name} failed ({}) on {host}", end.status),
    }
}

/// Renders the command on one line, shortened.
fn name(words: &[OsString]) -> String {
    let line = clean(&words.join(OsStr::new(" ")).to_string_lossy());
    if line.chars().count() <= COMMAND_CHARS_MAX {
        return line;
    }
    line.chars().take(COMMAND_CHARS_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{COMMAND_CHARS_MAX, name};

    #[test]
    fn a_command_is_named_in_a_line() {
        let words = |line: &str| line.split(' ').map(Into::into).collect::<Vec<_>>();
        assert_eq!(name(&words("make all")), "make all");
        assert_eq!(name(&words("sh -c a\nb")), "sh -c a b");
        assert_eq!(name(&words(&"ü".repeat(99))).chars().count(), COMMAND_CHARS_MAX);
    }
}
