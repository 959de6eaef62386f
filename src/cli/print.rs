//! What goes to stdout, and the only place that writes there. stdout is data: messages, objects,
//! a ticket.

use std::ffi::OsString;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::os::fd::{AsRawFd, IntoRawFd};

use anyhow::Result;
use clap::ValueEnum;
use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use serde_json::Value;

use super::clock;
use super::fail::{Exit, Failure, without_number};
use super::json::json;
use super::render::{Letter, Style, one_line, render};
use super::streams::{Patient, ready};

/// What is written at a time.
const BUFFER_LEN: usize = 64 << 10;
/// Columns of a terminal that does not know how many it has.
const WIDTH: usize = 80;

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal that has them, unless `NO_COLOR` is set
    Auto,
    /// Always; `listen` then prints into a pipe what it would print on a terminal
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether to colour what goes to stdout.
    pub(super) fn is_on(self) -> bool {
        self.is_on_for(is_terminal())
    }

    /// Whether to colour what goes to a terminal, or to something else.
    pub(super) fn is_on_for(self, terminal: bool) -> bool {
        match self {
            Self::Auto => wants_color(terminal, |name| std::env::var_os(name)),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// The rules of no-color.org and bixense.com/clicolors. An empty variable is none.
fn wants_color(terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is_zero = |name| variable(name).is_some_and(|value| value == "0");
    if is_set("NO_COLOR") {
        return false;
    }
    let is_forced = is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE");
    is_forced || terminal && !is_dumb(&variable) && !is_zero("CLICOLOR")
}

fn is_dumb(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    variable("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Whether a terminal here understands escape sequences.
pub(super) fn has_escapes() -> bool {
    !is_dumb(|name| std::env::var_os(name))
}

/// Whether a person is looking at stdout.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A time in a list: local and short for people, with its zone for others.
pub(super) fn time(unix_ms: u64) -> String {
    if is_terminal() { clock::local(unix_ms) } else { clock::rfc3339(unix_ms) }
}

/// Columns of the terminal that stdout is.
pub(super) fn width() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => WIDTH,
    }
}

/// Whether another program reads stdout as it comes.
pub(super) fn is_pipe() -> bool {
    let kind = rustix::fs::fstat(io::stdout()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket))
}

/// Puts something into the place of a closed stdout that cannot be written either, so that no file
/// lands there and no message is taken for printed.
pub fn mark_closed_stdout() {
    let stdout = rustix::stdio::stdout();
    if rustix::io::fcntl_getfd(stdout).is_ok() {
        return;
    }
    // The lowest number that is free; std fills the one below as well.
    while let Ok(nothing) = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()) {
        if nothing.as_raw_fd() > stdout.as_raw_fd() {
            return;
        }
        // It stays open under its number.
        let _ = nothing.into_raw_fd();
    }
}

/// Whether stdout is there at all.
pub(super) fn is_open() -> bool {
    let flags = rustix::fs::fcntl_getfl(io::stdout());
    flags.is_ok_and(|flags| flags & OFlags::RWMODE != OFlags::RDONLY)
}

/// What is wrong with stdout before anything is written.
pub(super) fn check() -> Result<()> {
    if is_open() { Ok(()) } else { Err(write_error(Errno::BADF.into())) }
}

/// Waits until nobody reads stdout any more; for ever if it is no pipe and no terminal.
pub(super) fn wait_unread() -> bool {
    matches!(ready(io::stdout(), PollFlags::empty(), None), Ok(Some(_)))
}

/// Gives the reader of stdout a moment to go, if it wants no more.
pub(super) fn is_unread_within(time: std::time::Duration) -> bool {
    matches!(ready(io::stdout(), PollFlags::empty(), Some(time)), Ok(Some(_)))
}

/// Where letters are written to.
pub(super) type Out = BufWriter<Patient<StdoutLock<'static>>>;

/// Where letters are written to. They have left when it is flushed.
pub(super) fn out() -> Out {
    BufWriter::with_capacity(BUFFER_LEN, Patient::new(io::stdout().lock()))
}

/// Prints an answer to a message.
pub(super) fn reply(style: Style, reply: &Letter) -> Result<()> {
    let mut out = out();
    written(render(style, reply, &mut out).and_then(|()| out.flush()))
}

/// Prints a line of data. A reader that has gone is no error.
pub(super) fn line(text: &str) -> Result<()> {
    written(write(format!("{text}\n").as_bytes()))
}

fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(write_error(error)),
        _ => Ok(()),
    }
}

/// Why what was to be printed was not.
pub(super) fn write_error(error: io::Error) -> anyhow::Error {
    let failure = Failure::new(Exit::Unexpected, "write error: stdout cannot be written");
    match error.raw_os_error() == Some(Errno::BADF.raw_os_error()) {
        true => failure.hint("it is closed, or not open for writing").because(error),
        false => failure.because(error),
    }
}

/// The same where what was to be told had happened already.
pub(super) fn after_sending(error: &anyhow::Error) -> anyhow::Error {
    let cause = error.root_cause().to_string();
    let what = format!("write error: stdout cannot be written: {cause}");
    Failure::new(Exit::Unexpected, without_number(&what))
        .hint("the messages were accepted all the same: do not send them again")
        .into()
}

/// Prints what clap says when it is asked for help or the version.
pub(super) fn help(error: &clap::Error, color: Color) -> Result<()> {
    let text = error.render();
    let text = if color.is_on() { text.ansi().to_string() } else { text.to_string() };
    written(write(text.as_bytes()))
}

/// Prints a line with something of somebody else's in it, without what a terminal would act on or
/// what would make it two.
pub(super) fn text(text: &str) -> Result<()> {
    line(&one_line(text))
}

/// Prints a JSON object, its fields in alphabetical order.
pub(super) fn object(fields: &[(&str, Value)]) -> Result<()> {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    line(&json(&Value::Object(fields.collect())))
}

/// Passes on what another program prints.
pub(super) fn pass(bytes: &[u8]) -> io::Result<()> {
    write(bytes)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    Patient::new(io::stdout().lock()).write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::wants_color;

    #[test]
    fn variables_say_whether_there_are_colours() {
        for (terminal, variables, wanted) in [
            (true, &[("TERM", "xterm")][..], true),
            (false, &[("TERM", "xterm")], false),
            (true, &[], false),
            (true, &[("TERM", "")], false),
            (true, &[("TERM", "dumb")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], false),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], true),
            (true, &[("TERM", "xterm"), ("CLICOLOR", "0")], false),
            (true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (false, &[("CLICOLOR_FORCE", "")], false),
            (true, &[("TERM", "xterm"), ("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            let value = |name: &str| variables.iter().find(|(of, _)| *of == name);
            let value = |name: &str| value(name).map(|(_, value)| (*value).into());
            assert_eq!(wants_color(terminal, value), wanted, "{terminal} {variables:?}");
        }
    }
}
