//! Output on stdout. Only this file writes there: data such as messages, objects or a ticket.

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

/// Bytes that are written at a time.
const BUFFER_LEN: usize = 64 << 10;
/// Columns of a terminal that does not know how many it has.
const WIDTH: usize = 80;

/// True if stdout is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// A time in a list: local and short for people, with its zone for others.
pub(crate) fn time(unix_ms: u64) -> String {
    if is_terminal() { clock::local(unix_ms) } else { clock::rfc3339(unix_ms) }
}

/// Columns of the terminal that stdout is.
pub(crate) fn width() -> usize {
    match rustix::termios::tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => WIDTH,
    }
}

/// True if another program reads stdout as it comes.
pub(crate) fn is_pipe() -> bool {
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

/// True if stdout is open.
pub(crate) fn is_open() -> bool {
    let flags = rustix::fs::fcntl_getfl(io::stdout());
    flags.is_ok_and(|flags| flags & OFlags::RWMODE != OFlags::RDONLY)
}

/// Fails if stdout is closed, before anything is written.
pub(crate) fn check() -> Result<()> {
    if is_open() { Ok(()) } else { Err(write_error(Errno::BADF.into())) }
}

/// Waits until nobody reads stdout any more; for ever if it is no pipe and no terminal.
pub(crate) fn wait_unread() -> bool {
    matches!(ready(io::stdout(), PollFlags::empty(), None), Ok(Some(_)))
}

/// Gives the reader of stdout a moment to go, if it wants no more.
pub(crate) fn is_unread_within(time: std::time::Duration) -> bool {
    matches!(ready(io::stdout(), PollFlags::empty(), Some(time)), Ok(Some(_)))
}

/// Where letters are written to.
pub(crate) type StdoutWriter = BufWriter<Patient<StdoutLock<'static>>>;

/// Where letters are written to. They have left when it is flushed.
pub(crate) fn out() -> StdoutWriter {
    BufWriter::with_capacity(BUFFER_LEN, Patient::new(io::stdout().lock()))
}

/// Prints a line of data. A reader that has gone is no error.
pub(crate) fn line(text: &str) -> Result<()> {
    written(write(format!("{text}\n").as_bytes()))
}

pub(crate) fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(write_error(error)),
        _ => Ok(()),
    }
}

/// Why what was to be printed was not.
pub(crate) fn write_error(error: io::Error) -> anyhow::Error {
    let failure = Failure::new(Exit::Unexpected, "write error: stdout cannot be written");
    match error.raw_os_error() == Some(Errno::BADF.raw_os_error()) {
        true => failure.hint("it is closed, or not open for writing").because(error),
        false => failure.because(error),
    }
}

/// The same where what was to be told had happened already.
pub(crate) fn after_sending(error: &anyhow::Error) -> anyhow::Error {
    let cause = error.root_cause().to_string();
    let what = format!("write error: stdout cannot be written: {cause}");
    Failure::new(Exit::Unexpected, without_number(&what))
        .hint("the messages were accepted all the same: do not send them again")
        .into()
}

/// Prints help or the version: `styled` where there are colours.
pub(crate) fn help(plain: &str, styled: &str, color: Color) -> Result<()> {
    written(write(if color.is_on() { styled } else { plain }.as_bytes()))
}

/// Prints a line with something of somebody else's in it, without what a terminal would act on or
/// what would make it two.
pub(crate) fn text(text: &str) -> Result<()> {
    line(&one_line(text))
}

/// Prints a JSON object, its fields in alphabetical order.
pub(crate) fn object(fields: &[(&str, Value)]) -> Result<()> {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    line(&json(&Value::Object(fields.collect())))
}

/// Passes on what another program prints.
pub(crate) fn pass(bytes: &[u8]) -> io::Result<()> {
    write(bytes)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    Patient::new(io::stdout().lock()).write_all(bytes)
}
