//! Messages that wait on this machine because no server could be reached.

mod carry;
mod deliver;
mod disk;
mod file;
mod flush;
mod list;
mod place;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use anyhow::{Error, Result};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::wire::{MsgId, UserId};

use super::address::Server;
use super::fail::{self, Exit, Failure};
use super::profile;
use super::{Patience, Talk, Who, clock, print, units};
use flush::{Flush, Report};
use place::{Place, Slot};

pub(super) use deliver::{Delivery, Keep, Spool, Turn};
pub(super) use file::Parcel;

/// Beyond it the server would not know any more whether it has a message; it forgets after 168 h.
const AGE_MAX: Duration = Duration::from_secs(167 * 60 * 60);

/// Manage messages waiting on this machine for the server
///
/// `qmsg send --spool` keeps messages in a directory when the server cannot be reached, and exits
/// with code 75. Each is sent once, by the next `qmsg send` that reaches the server or by
/// `qmsg spool flush`. A message that the server will never accept, or that has waited too long, is
/// set aside and kept until it is dropped.
///
/// Without --as, these commands cover every id on this machine that has messages waiting.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg send @ops --spool 'backup failed'
  qmsg spool list
  qmsg spool flush")]
pub(super) struct SpoolArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(ListArgs),
    Flush(FlushArgs),
    Drop(DropArgs),
}

/// List messages that are waiting, and those set aside
///
/// A table on a terminal; otherwise a line for each message, its fields separated by tabs: id,
/// time, sender, target, size in bytes, state, title, and why it is set aside or damaged.
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    bounds: SpoolBounds,
    /// Print a JSON object for each message
    #[arg(long)]
    json: bool,
}

/// Send the waiting messages
///
/// Exits 0 if no message is left waiting, and 75 if one is, because the server cannot be reached or
/// cannot accept it at the moment. If a message is set aside, the exit code is the one that a send
/// would have given, or 13 if other messages were sent.
#[derive(Debug, Args)]
struct FlushArgs {
    #[command(flatten)]
    owner: Owner,
    /// The server to talk to, instead of the one where the id was joined
    #[arg(short, long, value_name = "HOST[:PORT]", env = "QMSG_SERVER")]
    server: Option<Server>,
    #[command(flatten)]
    bounds: SpoolBounds,
    /// Retry messages that were set aside, too
    #[arg(long)]
    aside: bool,
    /// Only list the messages that would be sent
    #[arg(long)]
    dry_run: bool,
    /// Print how many were sent, set aside and left waiting as a JSON object
    ///
    /// With --dry-run: a JSON object for each message.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Delete messages instead of sending them
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
struct DropArgs {
    /// The message's id, as `qmsg spool list` shows it
    #[arg(value_name = "ID", value_parser = id, group = "which")]
    ids: Vec<MsgId>,
    /// All messages that were set aside
    #[arg(long, group = "which")]
    aside: bool,
    /// All messages
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    owner: Owner,
    /// Print how many were deleted as a JSON object
    #[arg(long)]
    json: bool,
}

/// Whose messages. Neither QMSG_AS nor a configuration file says this: messages of the user's other
/// ids are not to be forgotten.
#[derive(Debug, Args)]
struct Owner {
    /// Only messages sent as this id
    #[arg(long = "as", value_name = "ID", value_parser = units::user_arg())]
    as_id: Option<UserId>,
}

/// Whether to keep what cannot be sent.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Keeping {
    /// Keep the message on this machine if the server cannot be reached
    ///
    /// The exit code is then 75. The next send that reaches the server delivers it, or
    /// `qmsg spool flush`; it arrives once, even if the server had it already. A volatile message
    /// is not kept.
    #[arg(
        long,
        env = "QMSG_SPOOL",
        value_parser = FalseyValueParser::new(),
        help_heading = "Spool"
    )]
    pub(super) spool: bool,
    #[command(flatten)]
    pub(super) bounds: SpoolBounds,
}

/// Limits of a spool.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Spool")]
pub(super) struct SpoolBounds {
    /// Maximum size of an id's spool; each message counts as at least 4 KiB
    #[arg(
        long = "spool-max",
        value_name = "SIZE",
        env = "QMSG_SPOOL_MAX",
        default_value = "64MiB",
        value_parser = units::size
    )]
    max: u64,
    /// Set a message aside instead of sending it once it has waited this long
    ///
    /// A bare number is seconds.
    #[arg(
        long = "spool-age",
        value_name = "TIME",
        env = "QMSG_SPOOL_AGE",
        default_value = "144h",
        value_parser = age
    )]
    age: Duration,
}

fn age(text: &str) -> Result<Duration, String> {
    match units::duration(text)? {
        age if age <= AGE_MAX => Ok(age),
        _ => Err("at most 167h: a server remembers the messages it has for 168h".into()),
    }
}

fn id(text: &str) -> Result<MsgId, String> {
    let id: Uuid = text.parse().map_err(|_| "an id is a UUID, as `qmsg spool list` shows it")?;
    Ok(MsgId::from_bytes(id.into_bytes()))
}

pub(super) fn run(args: &SpoolArgs, talk: Talk) -> Result<Exit> {
    match &args.what {
        What::List(args) => list::run(&places(&args.owner)?, args.bounds, args.json, talk),
        What::Flush(args) => flush(args, talk),
        What::Drop(args) => remove(args, talk),
    }
}

/// Lists what all ids of this machine have in their spools.
pub(super) fn list_all(bounds: SpoolBounds, talk: Talk) -> Result<Exit> {
    list::run(&places(&Owner { as_id: None })?, bounds, false, talk)
}

/// Where all spools are.
fn spools() -> Result<PathBuf> {
    Ok(profile::home("XDG_STATE_HOME", ".local/state")?.join("spool"))
}

/// The id that was asked for, or all that have a spool.
fn places(owner: &Owner) -> Result<Vec<(UserId, Place)>> {
    let dir = spools()?;
    let ids = match (&owner.as_id, fs::read_dir(&dir)) {
        (Some(id), _) => vec![id.clone()],
        (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        (None, Err(error)) => return Err(unusable(&dir, error)),
        (None, Ok(entries)) => {
            let dirs = entries.flatten().filter(|entry| entry.path().is_dir());
            let mut ids: Vec<UserId> =
                dirs.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
            ids.sort();
            ids
        }
    };
    Ok(ids.into_iter().map(|id| (id.clone(), Place::of(&dir, &id))).collect())
}

fn unusable(place: &Path, error: io::Error) -> Error {
    let what = format!("cannot use the spool {}", place.display());
    let hint = disk::advice(place, &error);
    let failure = Failure::new(Exit::Config, what);
    hint.into_iter().fold(failure, Failure::hint).because(error)
}

fn messages(count: u64, done: &str) -> String {
    match count {
        1 => format!("1 message {done}"),
        count => format!("{count} messages {done}"),
    }
}

pub(super) fn busy() -> Failure {
    Failure::new(Exit::Unavailable, "another process is sending the waiting messages")
        .hint("try again when it has finished; if it is stopped, resume or kill it")
}

fn flush(args: &FlushArgs, talk: Talk) -> Result<Exit> {
    let (mut total, mut worst) = (Report::default(), None);
    for (id, place) in places(&args.owner)? {
        match flush_one(args, &id, &place) {
            Ok(report) => total.add(report),
            // Others may reach theirs.
            Err(error) => match worst {
                None => worst = Some(error),
                Some(_) => fail::note(talk, &format!("{id}: {}", fail::line(&error))),
            },
        }
    }
    if args.json && !args.dry_run {
        print::object(&[
            ("sent", total.sent.into()),
            ("set_aside", total.aside.len().into()),
            ("waiting", total.left.into()),
        ])?;
    }
    finish(total, worst, talk)
}

fn flush_one(args: &FlushArgs, id: &UserId, place: &Place) -> Result<Report> {
    let slots = || match args.aside {
        true => all(place),
        false => place.waiting().map_err(|error| unusable(place.path(), error)),
    };
    let found = slots()?;
    if found.is_empty() {
        return Ok(Report::default());
    }
    if args.dry_run {
        list::show(&[(id.clone(), found)], args.bounds, args.json)?;
        return Ok(Report::default());
    }
    let who = Who { as_id: Some(id.clone()), server: args.server.clone() };
    let left = found.len() as u64;
    let (profile, start) = (profile::choose(&who)?, clock::moment());
    let patience = args.patience.timeout;
    let sending = place.wait_to_send(patience).map_err(|error| unusable(place.path(), error))?;
    if sending.is_none() {
        return Ok(Report { left, left_for: Some(busy().into()), ..Report::default() });
    }
    let flush = Flush {
        place,
        profile: &profile,
        age_max: args.bounds.age,
        patience_ms: patience.saturating_sub(clock::since(start)).as_millis() as u64,
        time_max: None,
    };
    flush.run(slots()?)
}

/// Says what came of it, and with which code.
fn finish(total: Report, worst: Option<Error>, talk: Talk) -> Result<Exit> {
    let Report { sent, aside, left, left_for } = total;
    if sent > 0 {
        fail::note(talk, &messages(sent, "sent"));
    }
    for (to, why) in &aside {
        let to = to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
        fail::note(talk, &format!("message{to} set aside: {why:#}"));
    }
    match (worst, left_for, aside.into_iter().next()) {
        (Some(error), _, _) if fail::is_unreachable(&error) => {
            Err(error.context(waiting("some messages are still waiting")))
        }
        (Some(error), _, _) => Err(error),
        (_, Some(error), _) => Err(error.context(waiting(&messages(left, "left waiting")))),
        (_, _, Some(_)) if sent > 0 => {
            let what = "some messages were set aside";
            Err(Failure::new(Exit::Partial, what).hint("see: qmsg spool list").into())
        }
        (_, _, Some((_, error))) => Err(error),
        _ => Ok(Exit::Success),
    }
}

fn waiting(what: &str) -> Failure {
    Failure::new(Exit::TempFail, what)
        .hint("nothing is lost: they stay in the spool until they are sent")
}

fn remove(args: &DropArgs, talk: Talk) -> Result<Exit> {
    let (mut count, mut failed) = (0_u64, None);
    let mut missing = args.ids.clone();
    for (_, place) in places(&args.owner)? {
        let mut slots = all(&place)?;
        slots.retain(|slot| {
            (slot.is_aside || !args.aside) && (args.ids.is_empty() || args.ids.contains(&slot.id))
        });
        for slot in slots {
            missing.retain(|id| *id != slot.id);
            match slot.remove() {
                Ok(()) => count += 1,
                Err(error) => failed = failed.or(Some(unusable(place.path(), error))),
            }
        }
    }
    if args.json {
        print::object(&[("dropped", count.into())])?;
    } else {
        fail::note(talk, &messages(count, "dropped"));
    }
    match (failed, missing.first()) {
        (Some(error), _) => Err(error),
        (None, None) => Ok(Exit::Success),
        (None, Some(id)) => Err(Failure::new(Exit::Data, format!("no message {id} in the spool"))
            .hint("it may have been sent in the meantime; see: qmsg spool list")
            .into()),
    }
}

/// Messages that are waiting, then those that were set aside.
fn all(place: &Place) -> Result<Vec<Slot>> {
    let both = || -> io::Result<Vec<Slot>> { Ok([place.waiting()?, place.aside()?].concat()) };
    both().map_err(|error| unusable(place.path(), error))
}
