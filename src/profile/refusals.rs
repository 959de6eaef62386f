//! Refusals by a server, and errors of reaching it, as failures for people.

use anyhow::Error;

use crate::client::ClientError;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::profile::known;
use crate::quic::{DialError, NetworkError};
use crate::wire::{CloseCode, Feature, Refusal};

/// Converts an error of the client to a failure.
pub(crate) fn client_failure(error: ClientError, server: &str, id: &str) -> Error {
    match error {
        ClientError::Rejected(code) => rejected(code, server, id).into(),
        ClientError::Unsupported(feature) => too_old(feature, server).because(error),
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

/// A server of an earlier version.
fn too_old(feature: Feature, server: &str) -> Failure {
    let what = match feature {
        Feature::Volatile => "volatile messages",
        Feature::Confirm => "confirmed delivery",
        Feature::Track => "news of what becomes of a message",
        Feature::Parked => "scheduled messages and dead letters",
    };
    Failure::new(Exit::Protocol, format!("{server} is too old for {what}"))
        .hint("compare `qmsg --version` on both machines")
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
        DialError::Resolve { host, .. } => {
            Failure::new(Exit::Unavailable, format!("cannot resolve {host}"))
                .hint("check the name; -s names another server")
        }
        DialError::Closed(code) => return rejected(*code, server, "").into(),
        DialError::Unreachable(error) => {
            Failure::new(Exit::Unavailable, format!("no answer from {server}")).hint(remedy(*error))
        }
        _ => unavailable(server),
    };
    failure.because(error)
}

/// The hint for an error of the network.
fn remedy(error: NetworkError) -> &'static str {
    match error {
        NetworkError::NetworkUnreachable | NetworkError::NoLocalAddress => {
            "is this machine connected to a network? -s names another server"
        }
        NetworkError::HostUnreachable => "is the server's machine up, and the address right?",
        NetworkError::Forbidden => "let UDP packets pass to that port, here and on the way",
        NetworkError::PacketTooLarge => "raise the MTU to 1,280 bytes or more, which QUIC needs",
    }
}

/// The failure for an id that nobody can claim.
pub(crate) fn reserved(id: &str) -> Failure {
    Failure::new(Exit::NotAllowed, format!("nobody can claim {id}"))
        .hint("it reads like everyone, which is @all: choose another id")
}

fn rejected(code: Option<CloseCode>, server: &str, id: &str) -> Failure {
    let fail = |exit, what: String, hint: &str| Failure::new(exit, what).hint(hint);
    match code {
        Some(CloseCode::IdTaken) => fail(
            Exit::NotAllowed,
            format!("{id} belongs to another key on {server}"),
            "an id has one owner: choose another, or use the machine that joined as it",
        ),
        Some(CloseCode::IdReserved) => reserved(id),
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

/// The failure for a volatile message whose connection was lost.
pub(crate) fn uncertain(server: &str) -> Failure {
    Failure::new(Exit::Unavailable, format!("lost the connection to {server}")).hint(
        "it is not known whether the message was delivered; a volatile message is not repeated",
    )
}

/// The failure for a message to `to` that the server refused.
pub(crate) fn refusal(why: Refusal, to: &str, server: &str) -> Failure {
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

/// The failure for an unknown room or user. No hint suggests claiming the name: it may be another
/// user's, misspelt.
fn no_such(to: &str) -> Failure {
    let kind = if to.starts_with('@') { "room" } else { "user" };
    Failure::new(Exit::NoUser, format!("no such {kind}: {to}"))
}

/// The hint when the clocks of this machine and the server disagree.
fn clocks() -> String {
    let now = clock::here().strftime("%Y-%m-%d %H:%M:%S %Z");
    format!("nothing was stored; it is {now} here: set the clock that is wrong, then send it again")
}
