//! The bad news: exit codes, errors with their cause and a hint, notices. The only place that
//! writes to stderr.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::Error;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use crate::client::ClientError;
use crate::quic::{DialError, Obstacle};
use crate::wire::{CloseCode, Refusal};

use super::{Talk, clock};

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
}

impl Failure {
    pub(super) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
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
        let cause = cause.to_string();
        // Transparent errors repeat their source.
        if !last.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        last = cause;
    }
    if let Some(hint) = failure.and_then(|failure| failure.hint.as_ref()) {
        text.push_str("\nhint: ");
        text.push_str(hint);
    }
    say(&text);
    failure.map_or(Exit::Unexpected, |failure| failure.exit)
}

/// Whether nobody answers: what 69 says.
pub(super) fn is_unreachable(error: &Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::Unavailable)
}

/// Tells something that is not an error, unless the user wants quiet.
pub(super) fn note(talk: Talk, text: &str) {
    if !talk.quiet {
        say(&format!("qmsg: {text}"));
    }
}

/// Shows how far a long piece of work has come, on one line of a terminal; `None` clears it.
pub(super) fn progress(talk: Talk, text: Option<&str>) {
    let mut stderr = io::stderr();
    if !talk.quiet && stderr.is_terminal() {
        // As for `say`.
        let _ = write!(stderr, "\r\x1b[K{}", text.unwrap_or_default());
    }
}

/// Tells what others wait for, whether or not the user wants quiet.
pub(super) fn announce(text: &str) {
    say(&format!("qmsg: {text}"));
}

/// Passes on what another program says.
pub(super) fn pass(bytes: &[u8]) -> io::Result<()> {
    io::stderr().write_all(bytes)
}

/// A closed stderr has nobody to be told.
fn say(text: &str) {
    let text: String = text.chars().map(|c| if shows(c) { c } else { '\u{fffd}' }).collect();
    let _ = writeln!(io::stderr(), "{text}");
}

fn shows(c: char) -> bool {
    c == '\n' || !c.is_control()
}

/// Sends the diagnostics of the library to stderr, as much as was asked for.
pub(super) fn listen_to_diagnostics(talk: Talk) {
    let level = match (talk.quiet, talk.verbose) {
        (true, _) => tracing::Level::ERROR,
        (false, 0) => tracing::Level::WARN,
        (false, 1) => tracing::Level::INFO,
        (false, 2) => tracing::Level::DEBUG,
        (false, _) => tracing::Level::TRACE,
    };
    // What libraries warn of, such as each packet that cannot leave, is told in our own words.
    let theirs = if talk.verbose > 1 { level } else { tracing::Level::ERROR };
    let filter = Targets::new().with_default(theirs).with_target("qmsg", level);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(talk.verbose > 1)
        .log_internal_errors(false)
        .finish()
        .with(filter);
    // Set once, at the start of the program.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Why talking to the server came to nothing, for people.
pub(super) fn client_failure(error: ClientError, server: &str, id: &str) -> Error {
    match error {
        ClientError::Rejected(code) => rejected(code, server, id).into(),
        ClientError::NoAnswer => unavailable(server).because(ClientError::NoAnswer),
        ClientError::Untrusted(pin) => {
            Failure::new(Exit::NotAllowed, format!("{server} is not known here; its key is {pin}"))
                .hint(format!(
                    "if that is the pin that `qmsg serve` printed there, add: --pin {pin}"
                ))
                .into()
        }
        ClientError::Dial(error) => dial_failure(error, server),
    }
}

fn unavailable(server: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("no answer from {server}"))
        .hint("is `qmsg serve` running there, and is its UDP port open? -s names another server")
}

fn dial_failure(error: DialError, server: &str) -> Error {
    let failure = match &error {
        DialError::WrongPin { .. } => {
            Failure::new(Exit::NotAllowed, format!("{server} is not the server that was joined"))
                .hint(
                    "somebody may be in between; if the server really has a new key, \
                     put its pin into profile.toml (qmsg(1), FILES)",
                )
        }
        DialError::Version => {
            Failure::new(Exit::Protocol, format!("{server} speaks no protocol of this qmsg"))
                .hint("compare `qmsg --version` on both machines")
        }
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
        Some(CloseCode::NotJoined) => fail(
            Exit::Config,
            format!("nobody has joined as {id} on {server}"),
            "claim it first: qmsg join ID",
        ),
        Some(CloseCode::TicketNeeded) => fail(
            Exit::NotAllowed,
            format!("{server} wants a ticket for a new id"),
            "ask its operator for one (`qmsg invite`), then: qmsg join ID TICKET",
        ),
        Some(CloseCode::TicketBad) => fail(
            Exit::NotAllowed,
            format!("{server} does not take this ticket"),
            "a ticket is good for one join and for a limited time: ask for a new one",
        ),
        Some(CloseCode::Stopping) => {
            fail(Exit::Unavailable, format!("{server} is stopping"), "try again when it is back")
        }
        Some(CloseCode::Busy) => fail(
            Exit::Unavailable,
            format!("{server} is too busy, or has as many users or links as it may"),
            "try again later, or ask its operator to raise the limits",
        ),
        Some(CloseCode::TooSlow | CloseCode::Done) => fail(
            Exit::Unavailable,
            format!("{server} ended the connection before it answered"),
            "it may have too much to do, or the network may be slow: try again later",
        ),
        Some(CloseCode::DiskFull) => disk_full(server),
        Some(CloseCode::BodyTooLong) => fail(
            Exit::Data,
            "the body is over the server's limit".into(),
            "send less, or ask its operator to raise --max-body",
        ),
        Some(code) => fail(
            Exit::Protocol,
            format!("{server} ended the conversation ({code:?})"),
            "compare `qmsg --version` on both machines",
        ),
        None => fail(
            Exit::Protocol,
            format!("{server} ended the conversation for a reason this qmsg does not know"),
            "compare `qmsg --version` on both machines",
        ),
    }
}

fn disk_full(server: &str) -> Failure {
    Failure::new(Exit::NoSpace, format!("the disk of {server} is full"))
        .hint("nothing was stored; tell its operator, and send again when there is space")
}

/// What was to be sent.
pub(super) fn unreadable(name: &str, error: io::Error) -> Error {
    Failure::new(Exit::Data, format!("{name} cannot be read"))
        .hint("nothing of it was sent, unless it was read by lines")
        .because(error)
}

/// A long message that has to be kept for a while.
pub(super) fn no_place(error: io::Error) -> Error {
    let place = std::env::temp_dir();
    Failure::new(Exit::NoSpace, format!("a long message cannot be kept in {}", place.display()))
        .hint("it has to be there until it is whole; TMPDIR names another directory")
        .because(error)
}

/// A file of the spool.
pub(super) fn damaged(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Failure::new(Exit::Data, "the file of the message is damaged").because(error)
}

/// A message in the spool whose time is over: that of the spool, or its own.
pub(super) fn too_old(is_old: bool) -> Error {
    let what = match is_old {
        true => "it has waited for too long",
        false => "it was not worth delivering any more",
    };
    let hint = "qmsg spool flush --aside sends it all the same, qmsg spool drop removes it";
    Failure::new(Exit::Data, what).hint(hint).into()
}

/// A message in the spool from a time when the id was joined on another server.
pub(super) fn for_another_server(server: &str) -> Error {
    let hint = "qmsg spool flush --aside sends it to the one that is joined now";
    Failure::new(Exit::NotAllowed, format!("it was not for {server}")).hint(hint).into()
}

/// A volatile message on a link that was lost.
pub(super) fn uncertain(server: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("no link to {server} any more"))
        .hint("whether the message was passed on is not known, and a volatile one is not repeated")
}

/// Why the server would not store a message for `to`.
pub(super) fn refusal(why: Refusal, to: &str, server: &str) -> Failure {
    match why {
        Refusal::UnknownTarget if to.starts_with('@') => {
            Failure::new(Exit::NoUser, format!("no such room: {to}"))
                .hint(format!("a room exists once somebody has joined it: qmsg join {to}"))
        }
        Refusal::UnknownTarget => Failure::new(Exit::NoUser, format!("no such user: {to}"))
            .hint(format!("an id exists once somebody has claimed it: qmsg join {to}")),
        Refusal::MailboxFull => Failure::new(Exit::NoSpace, format!("the mailbox of {to} is full"))
            .hint(format!("nothing was stored; {to} has to read first: qmsg listen")),
        Refusal::DiskFull => disk_full(server),
        Refusal::BodyTooLong { max } => {
            Failure::new(Exit::Data, format!("the body is over the server's limit of {max} bytes"))
                .hint("send less, or ask its operator to raise --max-body")
        }
        Refusal::IdTooOld => {
            let what = "the message is too old: by the server's clock it was made longer ago than \
                        a repeated message would be noticed";
            Failure::new(Exit::Data, what).hint(clocks())
        }
        Refusal::IdInFuture => {
            let what = "the message is not of this time: by the server's clock it was made more \
                        than a day ahead";
            Failure::new(Exit::Data, what).hint(clocks())
        }
    }
}

/// What to do when this machine and the server do not agree about the time.
fn clocks() -> String {
    let now = clock::here().strftime("%Y-%m-%d %H:%M:%S %Z");
    format!("nothing was stored; it is {now} here: set the clock that is wrong, then send it again")
}
