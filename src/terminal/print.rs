//! Output on stdout: messages, objects, a ticket. No other file writes to it.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, StdoutLock, Write};
use std::os::fd::{AsRawFd, IntoRawFd};

use anyhow::Result;
use rustix::event::PollFlags;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use serde_json::Value;

use crate::clock;
use crate::failure::{Exit, Failure, without_number};
use crate::terminal::streams::{Patient, ready};
use crate::text::json::json;
use crate::text::visible::one_line;

use super::color::Color;

/// Bytes of one write.
const BUFFER_LEN: usize = 64 << 10;
/// Columns assumed for a terminal that does not tell its width.
const WIDTH: usize = 80;

/// True if stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Formats a time for a list: local and short on a terminal, with its zone otherwise.
pub(crate) fn time(unix_ms: u64) -> String {
    if is_terminal() { clock::local(unix_ms) } else { clock::rfc3339(unix_ms) }
}

/// Width of the terminal on stdout, in columns.
pub(crate) fn width() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => WIDTH,
    }
}

/// True if stdout is a pipe, whose reader gets output as it comes.
pub(crate) fn is_pipe() -> bool {
    let kind = rustix::fs::fstat(io::stdout()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket))
}

/// Opens /dev/null in place of a closed stdout. A file opened later cannot get its number then, and
/// no message counts as printed, because writing to it fails.
pub fn mark_closed_stdout() {
    let stdout = rustix::stdio::stdout();
    if rustix::io::fcntl_getfd(stdout).is_ok() {
        return;
    }
    // Takes the lowest free number; std fills the lower ones.
    while let Ok(nothing) = rustix::fs::open("/dev/null", OFlags::RDONLY, Mode::empty()) {
        if nothing.as_raw_fd() > stdout.as_raw_fd() {
            return;
        }
        // Left open under its number.
        let _ = nothing.into_raw_fd();
    }
}

/// True if stdout is open.
pub(crate) fn is_open() -> bool {
    let flags = rustix::fs::fcntl_getfl(io::stdout());
    flags.is_ok_and(|flags| flags & OFlags::RWMODE != OFlags::RDONLY)
}

/// Fails if stdout is closed, before anything is written.
pub(crate) fn check() -> Result<()> {
    if is_open() { Ok(()) } else { Err(write_error(Errno::BADF.into())) }
}

/// Waits until stdout has no reader; for ever if it is neither a pipe nor a terminal.
pub(crate) fn wait_unread() -> bool {
    matches!(ready(io::stdout(), PollFlags::empty(), None), Ok(Some(_)))
}

/// Waits up to `time` for the reader of stdout to go. True if it has.
pub(crate) fn is_unread_within(time: std::time::Duration) -> bool {
    matches!(ready(io::stdout(), PollFlags::empty(), Some(time)), Ok(Some(_)))
}

/// Writer of messages.
pub(crate) type StdoutWriter = BufWriter<Patient<StdoutLock<'static>>>;

/// Returns the writer of messages. After a flush all have left this process.
pub(crate) fn out() -> StdoutWriter {
    BufWriter::with_capacity(BUFFER_LEN, Patient::new(io::stdout().lock()))
}

/// Prints a line of data. A reader that has gone is not an error.
pub(crate) fn line(text: &str) -> Result<()> {
    written(write(format!("{text}\n").as_bytes()))
}

pub(crate) fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(write_error(error)),
        _ => Ok(()),
    }
}

/// Builds the error for output that could not be printed.
pub(crate) fn write_error(error: io::Error) -> anyhow::Error {
    let failure = Failure::new(Exit::Unexpected, "write error: stdout cannot be written");
    match error.raw_os_error() == Some(Errno::BADF.raw_os_error()) {
        true => failure.hint("it is closed, or not open for writing").because(error),
        false => failure.because(error),
    }
}

/// Builds the error for a report that could not be printed although its action is done.
pub(crate) fn after_sending(error: &anyhow::Error) -> anyhow::Error {
    let cause = error.root_cause().to_string();
    let what = format!("write error: stdout cannot be written: {cause}");
    Failure::new(Exit::Unexpected, without_number(&what))
        .hint("the messages were accepted all the same: do not send them again")
        .into()
}

/// Prints help or the version: `styled` if colours are on.
pub(crate) fn help(plain: &str, styled: &str, color: Color) -> Result<()> {
    written(write(if color.is_on() { styled } else { plain }.as_bytes()))
}

/// Prints a line with text of others in it, without escape sequences and line ends.
pub(crate) fn text(text: &str) -> Result<()> {
    line(&one_line(text))
}

/// Prints a JSON object, its fields in alphabetical order.
pub(crate) fn object(fields: &[(&str, Value)]) -> Result<()> {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    line(&json(&Value::Object(fields.collect())))
}

/// Writes output of another program.
pub(crate) fn pass(bytes: &[u8]) -> io::Result<()> {
    write(bytes)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    Patient::new(io::stdout().lock()).write_all(bytes)
}
