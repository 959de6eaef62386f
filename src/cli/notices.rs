//! What is said on stderr besides messages: it never makes the program wait, or end.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use tracing::dispatcher;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use super::people::is_hidden;
use super::print::{Color, has_escapes};
use super::render::visible;
use super::streams::{Patient, Voice};
use super::{Talk, fail};

/// How long an end waits for what is still to be said.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Tells what clap says of a command line.
pub(super) fn usage(error: &clap::Error, color: Color) {
    let (text, color) = (error.render(), color.is_on_for(fail::stream().is_terminal()));
    let plain = text.to_string();
    // Arguments may hold what a terminal takes for commands.
    let is_harmless = visible(&plain) == plain;
    let text = if color && is_harmless { text.ansi().to_string() } else { visible(&plain) };
    voice(|voice| voice.say(text.as_bytes()));
}

/// Tells something that is not an error, unless the user wants quiet.
pub(super) fn note(talk: Talk, text: &str) {
    if !talk.quiet {
        announce(text);
    }
}

/// Shows how far a long piece of work has come, on one line of a terminal that can clear it again;
/// `None` clears it.
pub(super) fn progress(talk: Talk, text: Option<&str>) {
    if !talk.quiet && fail::stream().is_terminal() && has_escapes() {
        let text = format!("\r\x1b[K{}", text.map(harmless).unwrap_or_default());
        voice(|voice| voice.say(text.as_bytes()));
    }
}

/// Tells what others wait for, whether or not the user wants quiet.
pub(super) fn announce(text: &str) {
    say(&format!("qmsg: {text}"));
}

/// Passes on what another program says, for as long as that takes.
pub(super) fn pass(bytes: &[u8]) -> io::Result<()> {
    Patient::new(fail::stream()).write_all(bytes)
}

/// Waits a little for what is still to be said, at the end of the program.
pub(super) fn finish() {
    voice(|voice| voice.finish(LAST_WORDS));
}

/// Says a line. Somebody else's text in it does not make it two.
pub(super) fn say(text: &str) {
    voice(|voice| voice.say(format!("{}\n", harmless(text)).as_bytes()));
}

/// A line without what a terminal would act on.
pub(super) fn harmless(text: &str) -> String {
    let marked = |c: char| match c {
        '\n' => '\u{240a}',
        c if c.is_control() || is_hidden(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(marked).collect()
}

/// Diagnostics have the one voice of the program; whoever says something before they are set up
/// waits a little instead.
fn voice(say: impl FnOnce(&Voice)) {
    match dispatcher::get_default(|dispatch| dispatch.downcast_ref::<Voice>().cloned()) {
        Some(voice) => say(&voice),
        None => {
            let voice = Voice::new(fail::stream());
            say(&voice);
            voice.finish(LAST_WORDS);
        }
    }
}

/// Sends the diagnostics of the library to stderr, as much as was asked for, and what is said of
/// bugs as well.
pub(super) fn listen_to_diagnostics(talk: Talk) {
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
        .with_writer(Voice::new(fail::stream()))
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

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_line_stays_one_and_harmless() {
        let said = harmless("no\nhint: \u{1b}[2J\u{2028}\u{202e}\t\u{85}");
        assert_eq!(said, "no\u{240a}hint: \u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
    }
}
