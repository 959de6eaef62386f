//! `qmsg join` and `qmsg leave`: ids and rooms.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use crate::cli::args::{Patience, Who};
use crate::cli::requester::{self, Requester};
use crate::client::{Claim, ClientError, ClientSettings};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Event};
use crate::profile::address::{BadTicket, JoinTicket, PLACEHOLDER, ServerAddress};
use crate::profile::joined::{self, ProfileDirectory, Remains};
use crate::profile::refusals;
use crate::profile::{dial, known};
use crate::quic::{NewIdentity, Trust};
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::wire::{CloseCode, JoinCode, PORT, Pin, Refusal, RoomName, Target, UserId};

/// Claim an id on a server, or join a room
///
/// `qmsg join alice` creates a key on this machine, claims the id for it, and remembers the server
/// and the server's key. From then on the id belongs to this key: nobody else can join or send as
/// alice.
///
/// `qmsg join @ops` makes you a member of a room. The first member creates the room; its messages
/// arrive among all others. Joining again succeeds and changes nothing.
///
/// A server on this machine is trusted at first contact. A server elsewhere needs a TICKET from its
/// operator, or --pin or --trust from you.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg join alice                   claim an id on a server on this machine
  qmsg join alice qmsg:example.org:4433/3q2-7w.../G4_zb4...
  qmsg join @ops                    become a member of a room")]
pub(crate) struct JoinArgs {
    /// The id to claim or the room to join: alice, ops@example.org, @ops
    ///
    /// An id consists of ASCII letters, digits and . _ + @ -, starts with a letter or a digit, and
    /// has at most 128 bytes. Upper case is the same as lower case.
    #[arg(value_name = "ID|@ROOM", value_parser = name)]
    name: Target,
    /// A ticket from the server's operator
    ///
    /// It names the server and its key, and lets you claim one id there. A ticket is a secret until
    /// it is used: passed in the variable, it does not show in the list of processes.
    #[arg(
        value_name = "TICKET",
        env = "QMSG_TICKET",
        value_parser = ticket,
        hide_env_values = true,
        conflicts_with_all = ["pin", "trust"]
    )]
    ticket: Option<JoinTicket>,
    #[command(flatten)]
    who: Who,
    /// The pin of the server's key, as `qmsg serve` prints it
    #[arg(long, value_name = "SHA256:…", env = "QMSG_PIN")]
    pin: Option<Pin>,
    /// Trust whatever key the server presents at this first contact
    ///
    /// Someone intercepting the connection could present their own. The key is remembered, and from
    /// then on no other is accepted.
    #[arg(long, conflicts_with = "pin")]
    trust: bool,
    /// Print what was done as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Leave a room
///
/// New messages to the room no longer reach you, and you lose unread ones. Leaving again changes
/// nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg leave @ops
  qmsg leave @ops --as alice")]
pub(crate) struct LeaveArgs {
    /// The room: @ops
    #[arg(value_name = "@ROOM", value_parser = room)]
    room: RoomName,
    #[command(flatten)]
    who: Who,
    /// Print what was done as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

fn ticket(text: &str) -> Result<JoinTicket, String> {
    match text.parse::<Target>() {
        Ok(_) => Err(format!("it is not a ticket; one name at a time: qmsg join {text}")),
        Err(_) => text.parse().map_err(|why: BadTicket| why.to_string()),
    }
}

fn name(text: &str) -> Result<Target, String> {
    match text.parse() {
        Ok(Target::All) => Err("everyone is in @all already".into()),
        Ok(target) => Ok(target),
        Err(why) => Err(why.to_string()),
    }
}

fn room(text: &str) -> Result<RoomName, String> {
    match text.parse() {
        Ok(Target::Room(room)) => Ok(room),
        Ok(Target::All) => Err("nobody can leave @all".into()),
        Ok(Target::User(_)) => Err("a room is written with @: @ops".into()),
        Err(why) => Err(why.to_string()),
    }
}

pub(crate) fn join(args: &JoinArgs, verbosity: Verbosity) -> Result<Exit> {
    match &args.name {
        Target::User(id) => join_id(id, args, verbosity),
        Target::Room(room) => {
            change(&args.who, Command::JoinRoom(room.clone()), args.patience, args.json, verbosity)
        }
        Target::All => Err(Failure::new(Exit::Usage, "everyone is in @all already").into()),
    }
}

pub(crate) fn leave(args: &LeaveArgs, verbosity: Verbosity) -> Result<Exit> {
    change(&args.who, Command::LeaveRoom(args.room.clone()), args.patience, args.json, verbosity)
}

fn join_id(id: &UserId, args: &JoinArgs, verbosity: Verbosity) -> Result<Exit> {
    if id.is_reserved() {
        return Err(refusals::reserved(id.as_str()).into());
    }
    let start = clock::moment();
    let directory = ProfileDirectory::lock(id, args.patience.timeout)?;
    let remains = directory.remains()?;
    let Plan { server, trust, code } = plan(id, &remains, args)?;
    let had_joined = remains.server.is_some();
    let (identity, claim) = match remains.identity {
        Some(identity) => (identity, None),
        None => {
            let new = NewIdentity::generate()?;
            (new.identity().clone(), Some(Arc::new(Claim::new(new, directory.key()))))
        }
    };
    let dial = dial::dial(&server, trust, identity, false);
    let left = args.patience.timeout.saturating_sub(clock::since(start));
    let settings = ClientSettings::for_id(id.clone(), dial)
        .claim_with(code, claim.clone())
        .patience(left)
        .trust_remote(args.trust);
    let (mut new, at) = (false, server.to_string());
    let result = requester::run(settings, None, |event| {
        new |= event == Event::Welcome { claimed: true };
        requester::note_offline(&event, &at, verbosity);
        Ok(())
    })?;
    let pin = match result {
        Ok(pin) => pin,
        Err(error) => {
            give_up(&directory, claim.as_deref(), verbosity)?;
            return Err(failure(error, &directory, had_joined, &server, id));
        }
    };
    directory.save(&server, pin)?;
    if args.json {
        print::object(&[
            ("id", id.as_str().into()),
            ("server", server.to_string().into()),
            ("pin", pin.to_string().into()),
            ("changed", new.into()),
        ])?;
    } else if new {
        notices::note(verbosity, &format!("joined {server} as {id}, pin {pin}"));
    } else {
        notices::note(verbosity, &format!("already joined {server} as {id}"));
    }
    Ok(Exit::Success)
}

/// Removes the new key, unless the server may have bound the id to it.
fn give_up(
    directory: &ProfileDirectory,
    claim: Option<&Claim>,
    verbosity: Verbosity,
) -> Result<()> {
    match claim {
        Some(claim) if claim.may_be_granted() => {
            notices::note(verbosity, "the server may have granted the id: run the same join again");
            Ok(())
        }
        Some(claim) if claim.is_kept() => directory.forget_key(),
        _ => Ok(()),
    }
}

fn failure(
    error: ClientError,
    directory: &ProfileDirectory,
    had_joined: bool,
    server: &ServerAddress,
    id: &UserId,
) -> anyhow::Error {
    match error {
        ClientError::Key(error) => joined::unkept(error, &directory.key()),
        ClientError::Rejected(Some(CloseCode::IdTaken))
            if had_joined && !directory.key().exists() =>
        {
            let what = format!("{id} belongs to another key on {server}");
            let key = directory.key();
            Failure::new(Exit::NotAllowed, what)
                .hint(format!(
                    "the key that was here is missing: put {} back from a copy",
                    key.display()
                ))
                .into()
        }
        error => refusals::client_failure(error, &server.to_string(), id.as_str()),
    }
}

/// The server, trust and ticket code for claiming an id.
struct Plan {
    server: ServerAddress,
    trust: Trust,
    code: Option<JoinCode>,
}

/// Combines the arguments with the remains of the profile. A ticket is sent even for an id that is
/// joined: a server restored from an older backup may have forgotten it.
fn plan(id: &UserId, remains: &Remains, args: &JoinArgs) -> Result<Plan> {
    let ticket = args.ticket.as_ref();
    let pin = args.pin.or(ticket.map(|ticket| ticket.pin));
    let server = args.who.server.as_ref().or(ticket.map(|ticket| &ticket.server));
    let known = remains.server.as_ref().zip(remains.pin);
    if let Some((known_server, known_pin)) = known {
        // A server at another address is the same one only if it has the same key.
        let is_known = pin.map_or_else(
            || server.is_none_or(|server| server == known_server),
            |pin| pin == known_pin,
        );
        if !is_known {
            return Err(conflict(id, known_server, known_pin));
        }
    }
    let local = || ServerAddress { host: "localhost".into(), port: PORT };
    let server = server.or(remains.server.as_ref()).cloned().unwrap_or_else(local);
    if server.host == PLACEHOLDER {
        return Err(Failure::new(Exit::Usage, "the ticket does not name the server")
            .hint("put the server's name or address in the place of HOST, or add -s HOST")
            .into());
    }
    let trust = pin.or(remains.pin).map_or(Trust::AnyAndReport, Trust::Pin);
    Ok(Plan { server, trust, code: ticket.map(|ticket| ticket.code.clone()) })
}

fn conflict(id: &UserId, server: &ServerAddress, pin: Pin) -> anyhow::Error {
    Failure::new(Exit::Config, format!("{id} is joined on {server}, pin {pin}, already"))
        .hint(
            "choose another id; or keep profiles for the other server apart: \
             XDG_DATA_HOME=DIR qmsg join ...; if it is the same server at another address: --pin",
        )
        .into()
}

/// Joins or leaves a room.
fn change(
    who: &Who,
    command: Command,
    patience: Patience,
    json: bool,
    verbosity: Verbosity,
) -> Result<Exit> {
    let requester = Requester::new(who, patience.timeout)?;
    let (id, server) = (requester.id().clone(), requester.server().to_owned());
    requester.request(command, |event| {
        let (room, member, changed) = match event {
            Event::RoomJoined { room, changed } => (room, true, changed),
            Event::RoomLeft { room, changed } => (room, false, changed),
            Event::RoomRefused { room } => {
                return Err(Failure::new(
                    Exit::NoSpace,
                    format!("{server} cannot make {id} a member of {room}"),
                )
                .hint("a limit is reached or its disk is full: leave a room, or ask its operator")
                .into());
            }
            Event::NoSuchRoom { room } => {
                let room = room.to_string();
                return Err(refusals::refusal(Refusal::UnknownTarget, &room, &server).into());
            }
            event => {
                requester::note_offline(&event, &server, verbosity);
                return Ok(());
            }
        };
        if member {
            known::remember(&[Target::Room(room.clone())]);
        }
        if json {
            print::object(&[
                ("id", id.as_str().into()),
                ("room", room.to_string().into()),
                ("member", member.into()),
                ("changed", changed.into()),
            ])?;
        } else {
            let now = match (member, changed) {
                (true, true) => "is now in",
                (true, false) => "is already in",
                (false, true) => "has left",
                (false, false) => "is not a member of",
            };
            notices::note(verbosity, &format!("{id} {now} {room}"));
        }
        Ok(())
    })?;
    Ok(Exit::Success)
}
