//! Notices on stderr. They never make the program wait, or end.

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

/// Tells what is wrong with a command line: `styled` where there are colours.
pub(crate) fn usage(plain: &str, styled: &str, color: Color) {
    let color = color.is_on_for(stream().is_terminal());
    // Arguments may hold what a terminal takes for commands.
    let is_harmless = visible(plain) == plain;
    let text = if color && is_harmless { styled.to_owned() } else { visible(plain) };
    voice(|voice| voice.say(text.as_bytes()));
}

/// Tells something that is not an error, unless the user wants quiet.
pub(crate) fn note(talk: Verbosity, text: &str) {
    if !talk.quiet {
        announce(text);
    }
}

/// Shows how far a long piece of work has come, on one line of a terminal that can clear it again;
/// `None` clears it.
pub(crate) fn progress(talk: Verbosity, text: Option<&str>) {
    if !talk.quiet && stream().is_terminal() && has_escapes() {
        let text = format!("\r\x1b[K{}", text.map(harmless).unwrap_or_default());
        voice(|voice| voice.say(text.as_bytes()));
    }
}

/// Tells what others wait for, whether or not the user wants quiet.
pub(crate) fn announce(text: &str) {
    say(&format!("qmsg: {text}"));
}

/// Passes on what another program says, for as long as that takes.
pub(crate) fn pass(bytes: &[u8]) -> io::Result<()> {
    Patient::new(stream()).write_all(bytes)
}

/// Waits a little for what is still to be said, at the end of the program.
pub(crate) fn finish() {
    voice(|voice| voice.finish(LAST_WORDS));
}

/// Says a line. Somebody else's text in it does not make it two.
pub(crate) fn say(text: &str) {
    voice(|voice| voice.say(format!("{}\n", harmless(text)).as_bytes()));
}

/// Diagnostics have the one voice of the program; whoever says something before they are set up
/// waits a little instead.
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

/// Sends the diagnostics of the library to stderr, as much as was asked for, and what is said of
/// bugs as well.
pub(crate) fn listen_to_diagnostics(talk: Verbosity) {
    let level = match (talk.quiet, talk.verbose) {
        (true, _) => tracing::Level::ERROR,
        (false, 0) => tracing::Level::WARN,
        (false, 1) => tracing::Level::INFO,
        (false, 2) => tracing::Level::DEBUG,
        (false, _) => tracing::Level::TRACE,
    };
    // Warnings of libraries, such as one for each packet that cannot leave, are told in our words.
    let theirs = if talk.verbose > 1 { level } else { tracing::Level::ERROR };
    let filter = Targets::new().with_default(theirs).with_target("qmsg", level);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(Voice::new(stream()))
        .with_ansi(false)
        .with_target(talk.verbose > 1)
        // By `eprintln!`, which panics where stderr cannot be written.
        .log_internal_errors(false)
        .finish()
        .with(filter);
    // Set once, at the start of the program.
    let _ = tracing::subscriber::set_global_default(subscriber);
    // The hook of std waits for whoever reads stderr.
    std::panic::set_hook(Box::new(|bug| {
        say(&format!("qmsg: a bug: {bug}"));
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            trace.to_string().lines().for_each(say);
        }
    }));
}

/// Tells an error, `qmsg: what: cause` and then the hint, and says how to end.
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

/// The same for somebody who may want quiet: what is kept for a later try is no error then.
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

/// Where they all go.
pub(crate) fn stream() -> BorrowedFd<'static> {
    rustix::stdio::stderr()
}
