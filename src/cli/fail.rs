//! The bad news: exit codes, errors with their cause and a hint, notices. The only place that
//! writes to stderr.

use std::fmt;
use std::io::{self, IsTerminal};
use std::os::fd::BorrowedFd;

use anyhow::Error;

use crate::client::ClientError;
use crate::quic::{DialError, Obstacle};
use crate::wire::{CloseCode, Refusal};

use super::notices::say;
use super::{Talk, clock, content, known};

pub(super) use super::notices::{
    announce, finish, listen_to_diagnostics, note, pass, progress, usage,
};

/// How the program ends. One test a row.
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
    /// Not sent yet, but kept in the local spool.
    TempFail = 75,
    /// Protocol or version mismatch.
    Protocol = 76,
    /// Not allowed, id taken, key not trusted.
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

/// What went wrong, how the program ends for it, and what to do next.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    what: String,
    hint: Option<String>,
    usage: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None, usage: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With how a command is written.
    pub(super) fn usage(mut self, usage: impl Into<String>) -> Self {
        self.usage = Some(usage.into());
        self
    }

    /// With what it came from.
    pub(super) fn because(self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::new(cause).context(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

/// Tells an error, `qmsg: what: cause` and then the hint, and says how to end.
pub(super) fn tell(error: &Error) -> Exit {
    let failure = error.downcast_ref::<Failure>();
    let mut text = format!("qmsg: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let is_toml = cause.is::<toml::de::Error>();
        let cause = cause.to_string();
        // Transparent errors repeat their source.
        if !last.contains(&cause) {
            text.push_str(": ");
            text.push_str(&if is_toml { without_picture(&cause) } else { without_number(&cause) });
        }
        last = cause;
    }
    say(&text);
    if let Some(hint) = failure.and_then(|failure| failure.hint.as_ref()) {
        say(&format!("hint: {hint}"));
    }
    if let Some(usage) = failure.and_then(|failure| failure.usage.as_ref()) {
        say(&format!("usage: {usage}"));
    }
    failure.map_or(Exit::Unexpected, |failure| failure.exit)
}

/// The same for somebody who may want quiet: what is kept for a later try is no error then.
pub(super) fn tell_to(talk: Talk, error: &Error) -> Exit {
    match error.downcast_ref::<Failure>() {
        Some(failure) if talk.quiet && failure.exit == Exit::TempFail => failure.exit,
        _ => tell(error),
    }
}

/// What the system says, without its number for it.
fn without_number(cause: &str) -> String {
    let end = cause.rfind(" (os error ").filter(|_| cause.ends_with(')'));
    cause[..end.unwrap_or(cause.len())].to_owned()
}

/// Where TOML is wrong and why, without the lines of the file in between.
fn without_picture(cause: &str) -> String {
    let mut lines = cause.lines().filter(|line| !line.trim().is_empty());
    let (place, why) = (lines.next(), lines.next_back());
    place.into_iter().chain(why).collect::<Vec<_>>().join(": ")
}

/// Whether nobody answers: what 69 says.
pub(super) fn is_unreachable(error: &Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::Unavailable)
}

/// Whether a person reads what is told.
pub(super) fn is_terminal() -> bool {
    stream().is_terminal()
}

/// Where they all go.
pub(super) fn stream() -> BorrowedFd<'static> {
    rustix::stdio::stderr()
}

/// Why talking to the server came to nothing, for people.
pub(super) fn client_failure(error: ClientError, server: &str, id: &str) -> Error {
    match error {
        ClientError::Rejected(code) => rejected(code, server, id).into(),
        ClientError::NoAnswer => unavailable(server).because(ClientError::NoAnswer),
        ClientError::Untrusted(pin) => Failure::new(
            Exit::NotAllowed,
            format!("{server} is not known on this machine; its key is {pin}"),
        )
        .hint(format!("if that is the pin that `qmsg serve` printed there, add: --pin {pin}"))
        .into(),
        ClientError::Dial(error) => dial_failure(error, server),
        ClientError::Key(error) => {
            Failure::new(Exit::Config, "cannot keep the new key").because(error)
        }
    }
}

fn unavailable(server: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("no answer from {server}"))
        .hint("is `qmsg serve` running there, and is its UDP port open? -s names another server")
}

fn dial_failure(error: DialError, server: &str) -> Error {
    let failure = match &error {
        DialError::WrongPin { .. } => {
            Failure::new(Exit::NotAllowed, format!("the key of {server} has changed")).hint(
                "someone may be intercepting the connection; if the server really has a new key, \
                     put its pin into profile.toml (qmsg(1), FILES)",
            )
        }
        DialError::Version => Failure::new(
            Exit::Protocol,
            format!("{server} speaks an incompatible protocol version"),
        )
        .hint("compare `qmsg --version` on both machines"),
        DialError::Closed(code) => return rejected(*code, server, "").into(),
        DialError::Blocked(obstacle) => {
            Failure::new(Exit::Unavailable, format!("no answer from {server}"))
                .hint(past(*obstacle))
        }
        _ => unavailable(server),
    };
    failure.because(error)
}

/// What to do about something that stands in the way.
fn past(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NoNetwork | Obstacle::NoAddress => {
            "is this machine connected to a network? -s names another server"
        }
        Obstacle::NoHost => "is the server's machine up, and the address right?",
        Obstacle::Forbidden => "let UDP packets pass to that port, here and on the way",
        Obstacle::SmallPackets => {
            "QUIC needs them: raise the MTU to 1,280 bytes or more (`ip link`, a VPN's settings)"
        }
    }
}

fn rejected(code: Option<CloseCode>, server: &str, id: &str) -> Failure {
    let fail = |exit, what: String, hint: &str| Failure::new(exit, what).hint(hint);
    match code {
        Some(CloseCode::IdTaken) => fail(
            Exit::NotAllowed,
            format!("{id} belongs to another key on {server}"),
            "an id has one owner: choose another, or use the machine that joined as it",
        ),
        Some(CloseCode::IdReserved) => fail(
            Exit::NotAllowed,
            format!("nobody can claim {id}"),
            "it reads like everyone, which is @all: choose another id",
        ),
        Some(CloseCode::NotJoined) => fail(
            Exit::Config,
            format!("{id} is not known on {server}"),
            "claim it with the key that is here: qmsg join ID, and a TICKET if one is required",
        ),
        Some(CloseCode::TicketNeeded) => fail(
            Exit::NotAllowed,
            format!("{server} requires a ticket for a new id"),
            "ask its operator for one (`qmsg invite`), then: qmsg join ID TICKET",
        ),
        Some(CloseCode::TicketBad) => fail(
            Exit::NotAllowed,
            format!("{server} rejected the ticket (used, expired or incomplete)"),
            "a ticket is good for one id and for a limited time: ask for a new one",
        ),
        Some(CloseCode::Stopping) => {
            fail(Exit::Unavailable, format!("{server} is stopping"), "try again when it is back")
        }
        Some(CloseCode::Busy) => fail(
            Exit::Unavailable,
            format!("{server} is overloaded, or its limit of users or connections is reached"),
            "try again later, or ask its operator to raise the limits",
        ),
        Some(CloseCode::Done | CloseCode::TooSlow) => fail(
            Exit::Unavailable,
            format!("{server} closed the connection before it answered"),
            "it may be overloaded or keep restarting: try again later, or look at its log",
        ),
        Some(CloseCode::DiskFull) => disk_full(server),
        Some(CloseCode::BodyTooLong) => fail(
            Exit::Data,
            "the body is over the server's limit".into(),
            "send less, or ask its operator to raise --max-body",
        ),
        Some(CloseCode::TakenOver) => fail(
            Exit::Unavailable,
            format!("another connection of this client to {server} took its place"),
            "does a copy of this process run, such as a restored snapshot of the machine?",
        ),
        Some(code) => fail(
            Exit::Protocol,
            format!("{server} closed the connection ({code:?})"),
            "compare `qmsg --version` on both machines",
        ),
        None => fail(
            Exit::Protocol,
            format!("{server} closed the connection for a reason unknown to this version"),
            "compare `qmsg --version` on both machines",
        ),
    }
}

fn disk_full(server: &str) -> Failure {
    Failure::new(Exit::NoSpace, format!("the disk of {server} is full"))
        .hint("nothing was stored; tell its operator, and send again once there is space")
}

/// What was to be sent.
pub(super) fn unreadable(name: &str, error: io::Error) -> Error {
    Failure::new(Exit::Data, format!("{name} cannot be read"))
        .hint("nothing was sent (with --lines, earlier lines may have been)")
        .because(error)
}

/// A long message that has to be kept for a while.
pub(super) fn no_place(error: io::Error) -> Error {
    let place = content::temp_dir();
    Failure::new(Exit::NoSpace, format!("cannot keep a long message in {}", place.display()))
        .hint("it is stored there until it is complete; TMPDIR names another directory")
        .because(error)
}

/// A file of the spool.
pub(super) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Failure::new(Exit::Data, "the file of the message is damaged").because(error)
}

/// A message in the spool whose time is over: that of the spool, or its own.
pub(super) fn too_old(is_old: bool) -> Error {
    let what = match is_old {
        true => "it waited too long",
        false => "it expired while it waited",
    };
    let hint = "qmsg spool flush --aside sends it anyway, qmsg spool drop deletes it";
    Failure::new(Exit::Data, what).hint(hint).into()
}

/// A message in the spool from a time when the id was joined on another server.
pub(super) fn for_another_server(server: &str) -> Error {
    let hint = "qmsg spool flush --aside sends it to the server that is joined now";
    Failure::new(Exit::NotAllowed, format!("it was for another server than {server}"))
        .hint(hint)
        .into()
}

/// A volatile message on a link that was lost.
pub(super) fn uncertain(server: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("lost the connection to {server}")).hint(
        "it is not known whether the message was delivered; a volatile message is not repeated",
    )
}

/// Why the server would not store a message for `to`.
pub(super) fn refusal(why: Refusal, to: &str, server: &str) -> Failure {
    match why {
        Refusal::UnknownTarget => no_such(to).hint(match (known::near(to), to.strip_prefix('@')) {
            (Some(near), _) => format!("did you mean {near}?"),
            (None, Some(_)) => {
                "check the spelling; a room exists once somebody has joined it".into()
            }
            (None, None) => format!("check the spelling, or ask {to} to join"),
        }),
        Refusal::OtherKind => no_such(to).hint(match to.strip_prefix('@') {
            Some(id) => format!("did you mean {id}? that is a user"),
            None if to == "all" => "did you mean @all? that is everyone".into(),
            None => format!("did you mean @{to}? that is a room"),
        }),
        Refusal::MailboxFull => Failure::new(Exit::NoSpace, format!("the mailbox of {to} is full"))
            .hint(format!("nothing was stored; {to} has to read messages first: qmsg listen")),
        Refusal::DiskFull => disk_full(server),
        Refusal::BodyTooLong { max } => {
            Failure::new(Exit::Data, format!("the body is over the server's limit of {max} bytes"))
                .hint("send less, or ask its operator to raise --max-body")
        }
        Refusal::IdTooOld => {
            let what = "the message is too old: by the server's clock it was made before the \
                        duplicate window";
            Failure::new(Exit::Data, what).hint(clocks())
        }
        Refusal::IdInFuture => {
            let what = "the message is dated more than a day in the future, by the server's clock";
            Failure::new(Exit::Data, what).hint(clocks())
        }
    }
}

/// No such room or user. No hint leads to claiming a name: it may be somebody's, misspelt.
pub(super) fn no_such(to: &str) -> Failure {
    let kind = if to.starts_with('@') { "room" } else { "user" };
    Failure::new(Exit::NoUser, format!("no such {kind}: {to}"))
}

/// What to do when this machine and the server do not agree about the time.
fn clocks() -> String {
    let now = clock::here().strftime("%Y-%m-%d %H:%M:%S %Z");
    format!("nothing was stored; it is {now} here: set the clock that is wrong, then send it again")
}

#[cfg(test)]
mod tests {
    use super::{without_number, without_picture};

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
