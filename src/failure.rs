//! The bad news: exit codes, errors with their cause and a hint, notices. The only place that
//! writes to stderr.

use std::fmt;
use std::io::{self};

use anyhow::Error;

/// Exit codes. A row is a case that scripts can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The level asked for was reached for every recipient.
    Success = 0,
    /// Unexpected failure.
    Unexpected = 1,
    /// Usage.
    Usage = 2,
    /// Accepted, but not delivered in time.
    Undelivered = 10,
    /// Delivered, but not processed in time.
    Unprocessed = 11,
    /// Refused for good by the recipient's handler.
    Refused = 12,
    /// Some recipients or messages only.
    Partial = 13,
    /// The body, or the message's id, cannot be taken.
    Data = 65,
    /// No such user or room, or no such message in a drawer.
    NoUser = 67,
    /// The server cannot be reached; nothing is kept.
    Unavailable = 69,
    /// No space: the recipient's mailbox is at its quota, or a disk is full.
    NoSpace = 73,
    /// `serve`: the store failed and the server stopped.
    Io = 74,
    /// The message is not sent yet, but kept in the local spool.
    TempFail = 75,
    /// Protocol or version mismatch.
    Protocol = 76,
    /// Permission denied, id taken, key not trusted.
    NotAllowed = 77,
    /// Configuration, not joined.
    Config = 78,
    /// `listen --timeout` ended it before `--count` was met.
    Timeout = 124,
    /// Ended by SIGHUP: its terminal went away.
    HungUp = 129,
    /// Ended by SIGINT.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The number that the caller's shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error with its exit code and a hint about what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    hint: Option<String>,
    usage: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None, usage: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With how a command is written.
    pub(crate) fn usage(mut self, usage: impl Into<String>) -> Self {
        self.usage = Some(usage.into());
        self
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns the hint.
    pub(crate) fn hinted(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the usage line of the command.
    pub(crate) fn usage_line(&self) -> Option<&str> {
        self.usage.as_deref()
    }

    /// With what it came from.
    pub(crate) fn because(self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::new(cause).context(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// Joins an error and its causes on one line, without repeating any text.
pub(crate) fn line(error: &Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let is_toml = cause.is::<toml::de::Error>();
        let cause = cause.to_string();
        let cause = if is_toml { without_picture(&cause) } else { without_number(&cause) };
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// Removes the number from an error text of the system or of SQLite.
pub(crate) fn without_number(cause: &str) -> String {
    let end = cause.rfind(" (os error ").filter(|_| cause.ends_with(')'));
    let cause = &cause[..end.unwrap_or(cause.len())];
    let sqlite = cause.strip_prefix("Error code ").and_then(|rest| rest.split_once(": "));
    sqlite.map_or(cause, |(_, what)| what).to_owned()
}

/// Where TOML is wrong and why, without the lines of the file in between.
fn without_picture(cause: &str) -> String {
    let mut lines = cause.lines().filter(|line| !line.trim().is_empty());
    let (place, why) = (lines.next(), lines.next_back());
    place.into_iter().chain(why).collect::<Vec<_>>().join(": ")
}

/// True for errors with exit code 69: the server cannot be reached.
pub(crate) fn is_unreachable(error: &Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::Unavailable)
}

/// The error for a message that cannot be read.
pub(crate) fn unreadable(name: &str, error: io::Error) -> Error {
    Failure::new(Exit::Data, format!("{name} cannot be read"))
        .hint("nothing was sent (with --lines, earlier lines may have been)")
        .because(error)
}

/// A file of the spool.
pub(crate) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Failure::new(Exit::Data, "the file of the message is damaged").because(error)
}

/// A message in the spool whose time is over: that of the spool, or its own.
pub(crate) fn too_old(is_old: bool) -> Error {
    let what = match is_old {
        true => "it waited too long",
        false => "it expired while it waited",
    };
    let hint = "qmsg spool flush --aside sends it anyway, qmsg spool drop deletes it";
    Failure::new(Exit::Data, what).hint(hint).into()
}

/// A message in the spool from a time when the id was joined on another server.
pub(crate) fn for_another_server(server: &str) -> Error {
    let hint = "qmsg spool flush --aside sends it to the server that is joined now";
    Failure::new(Exit::NotAllowed, format!("it was for another server than {server}"))
        .hint(hint)
        .into()
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure, line, without_number, without_picture};

    #[test]
    fn a_cause_that_is_said_is_not_said_again() {
        let failure = |what: &str| Failure::new(Exit::Unavailable, what);
        let error = failure("no answer from h:1").because(failure("no answer"));
        assert_eq!(line(&error), "no answer from h:1");
        let cause = failure("Error code 11: the image is malformed");
        let error = failure("reading: the image is malformed").because(cause);
        assert_eq!(line(&error), "reading: the image is malformed");
        let error = failure("cannot read").because(std::io::Error::from_raw_os_error(28));
        assert_eq!(line(&error), "cannot read: No space left on device");
    }

    #[test]
    fn causes_are_told_in_a_line_and_without_numbers() {
        let full = std::io::Error::from_raw_os_error(28).to_string();
        assert_eq!(without_number(&full), "No space left on device");
        assert_eq!(without_number("a (os error 2) b"), "a (os error 2) b");
        let error = "a = [\n".parse::<toml::Table>().map(drop);
        let error = error.map_err(|error| without_picture(&error.to_string()));
        let wanted = "TOML parse error at line 1, column 6: unclosed array, expected `]`";
        assert_eq!(error, Err(wanted.into()));
    }
}
