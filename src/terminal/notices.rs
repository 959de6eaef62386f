//! Notices on stderr. Writing them never blocks the program, and never ends it.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Error;
use tracing::dispatcher;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use crate::failure::{Exit, Failure, line};
use crate::terminal::color::{Color, has_escapes};
use crate::terminal::streams::{Patient, Voice};
use crate::terminal::verbosity::Verbosity;
use crate::text::visible::{harmless, visible};

/// Longest wait for unwritten notices when the program ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Prints an error in a command line: `styled` if colours are on.
pub(crate) fn usage(plain: &str, styled: &str, color: Color) {
    let color = color.is_on_for(stream().is_terminal());
    // Arguments may hold escape sequences.
    let is_harmless = visible(plain) == plain;
    let text = if color && is_harmless { styled.to_owned() } else { visible(plain) };
    voice(|voice| voice.say(text.as_bytes()));
}

/// Prints a notice that is not an error, unless quiet.
pub(crate) fn note(talk: Verbosity, text: &str) {
    if !talk.quiet {
        announce(text);
    }
}

/// Shows the progress of a long task on one line of the terminal; `None` clears the line.
pub(crate) fn progress(talk: Verbosity, text: Option<&str>) {
    if !talk.quiet && stream().is_terminal() && has_escapes() {
        let text = format!("\r\x1b[K{}", text.map(harmless).unwrap_or_default());
        voice(|voice| voice.say(text.as_bytes()));
    }
}

/// Prints a notice that other programs wait for, even if quiet.
pub(crate) fn announce(text: &str) {
    say(&format!("qmsg: {text}"));
}

/// Writes output of another program, and waits as long as that takes.
pub(crate) fn pass(bytes: &[u8]) -> io::Result<()> {
    Patient::new(stream()).write_all(bytes)
}

/// Waits for unwritten notices at the end of the program, for a short time.
pub(crate) fn finish() {
    voice(|voice| voice.finish(LAST_WORDS));
}

/// Prints one line, even if text of others in it contains line ends.
pub(crate) fn say(text: &str) {
    voice(|voice| voice.say(format!("{}\n", harmless(text)).as_bytes()));
}

/// Uses the program's only writer for diagnostics; before it is set up, one that waits briefly.
fn voice(say: impl FnOnce(&Voice)) {
    match dispatcher::get_default(|dispatch| dispatch.downcast_ref::<Voice>().cloned()) {
        Some(voice) => say(&voice),
        None => {
            let voice = Voice::new(stream());
            say(&voice);
            voice.finish(LAST_WORDS);
        }
    }
}

/// Sends diagnostics of libraries to stderr, at the wanted level, and panics as well.
pub(crate) fn listen_to_diagnostics(talk: Verbosity) {
    let level = match (talk.quiet, talk.verbose) {
        (true, _) => tracing::Level::ERROR,
        (false, 0) => tracing::Level::WARN,
        (false, 1) => tracing::Level::INFO,
        (false, 2) => tracing::Level::DEBUG,
        (false, _) => tracing::Level::TRACE,
    };
    // Warnings of libraries, such as one for each lost packet, are replaced by notices of this
    // program.
    let theirs = if talk.verbose > 1 { level } else { tracing::Level::ERROR };
    let filter = Targets::new().with_default(theirs).with_target("qmsg", level);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Voice::new(stream()))
        .with_ansi(false)
        .with_target(talk.verbose > 1)
        // The internal error log uses `eprintln!`, which panics if stderr cannot be written.
        .log_internal_errors(false)
        .finish()
        .with(filter);
    // Set once, at the start of the program.
    let _ = tracing::subscriber::set_global_default(subscriber);
    // The standard hook would wait for the reader of stderr.
    std::panic::set_hook(Box::new(|bug| {
        say(&format!("qmsg: a bug: {bug}"));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            trace.to_string().lines().for_each(say);
        }
    }));
}

/// Prints an error as `qmsg: what: cause`, then its hint. Returns the exit code.
pub(crate) fn tell(error: &Error) -> Exit {
    let failure = error.downcast_ref::<Failure>();
    say(&format!("qmsg: {}", line(error)));
    if let Some(hint) = failure.and_then(Failure::hinted) {
        say(&format!("hint: {hint}"));
    }
    if let Some(usage) = failure.and_then(Failure::usage_line) {
        say(&format!("usage: {usage}"));
    }
    failure.map_or(Exit::Unexpected, Failure::exit)
}

/// Prints an error as `tell` does, unless quiet and the message is kept for a later attempt.
pub(crate) fn tell_to(talk: Verbosity, error: &Error) -> Exit {
    match error.downcast_ref::<Failure>() {
        Some(failure) if talk.quiet && failure.exit() == Exit::TempFail => failure.exit(),
        _ => tell(error),
    }
}

/// True if stderr is a terminal.
pub(crate) fn is_terminal() -> bool {
    stream().is_terminal()
}

/// The stream of all notices.
pub(crate) fn stream() -> BorrowedFd<'static> {
    rustix::stdio::stderr()
}
