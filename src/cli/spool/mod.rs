//! Messages that wait on this machine because no server could be reached.

mod carry;
mod deliver;
mod file;
mod flush;
mod list;
mod place;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Error, Result};
use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::wire::{MsgId, UserId};

use super::address::Server;
use super::fail::{self, Exit, Failure};
use super::profile::{self, Profile};
use super::{Patience, Talk, Who, clock, units};
use flush::{Flush, Report};
use place::{Place, Sending, Slot};

pub(super) use deliver::{Delivery, Keep, Spool, Turn};
pub(super) use file::Parcel;

/// How often somebody looks whether another process has sent what it was sending.
const TURN: Duration = Duration::from_millis(20);
/// Beyond it the server would not know any more whether it has a message; it forgets after 168 h.
const AGE_MAX: Duration = Duration::from_secs(167 * 60 * 60);

/// Send, list or drop what waits on this machine for a server
///
/// `qmsg send --spool` keeps messages in a directory when the server cannot be reached, and exits
/// with code 75. They are sent, each once, by the next `qmsg send` that reaches the server, or by
/// `qmsg spool flush`. A message that the server will never take, or that has waited for too long,
/// is set aside and stays until it is dropped.
///
/// Without --as all of it is about every id of this machine that has something waiting.
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

/// Show what waits, and what was set aside
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

/// Send what waits
///
/// Exits 0 if nothing is left waiting, and 75 if something is, because there is no server or
/// because it cannot take the message at the moment. What is set aside gives the code that a send
/// would have had, or 13 if other messages were sent.
#[derive(Debug, Args)]
struct FlushArgs {
    #[command(flatten)]
    owner: Owner,
    /// The server to talk to, instead of the one where the id was joined
    #[arg(short, long, value_name = "HOST[:PORT]", env = "QMSG_SERVER")]
    server: Option<Server>,
    #[command(flatten)]
    bounds: SpoolBounds,
    /// Also try again what was set aside
    #[arg(long)]
    aside: bool,
    /// Only tell what would be sent
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Remove messages that are not to be sent
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(false))]
struct DropArgs {
    /// The message's id, as `qmsg spool list` shows it
    #[arg(value_name = "ID", value_parser = id, group = "which")]
    ids: Vec<MsgId>,
    /// Everything that was set aside
    #[arg(long, group = "which")]
    aside: bool,
    /// Everything
    #[arg(long, group = "which")]
    all: bool,
    #[command(flatten)]
    owner: Owner,
}

/// Whose messages. Neither QMSG_AS nor a configuration file says this: what waits for one's other
/// ids is not to be forgotten.
#[derive(Debug, Args)]
struct Owner {
    /// Only what waits in the name of this id
    #[arg(long = "as", value_name = "ID", value_parser = units::user)]
    as_id: Option<UserId>,
}

/// Whether to keep what cannot be sent.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Keeping {
    /// Keep the message on this machine if the server cannot be reached
    ///
    /// The exit code is 75 then. It is sent by the next send that reaches the server, or by
    /// `qmsg spool flush`; it arrives once, also if the server had it already. A volatile message
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
    /// Most bytes that wait on this machine for an id; a message counts for at least 4 KiB
    #[arg(
        long = "spool-max",
        value_name = "SIZE",
        env = "QMSG_SPOOL_MAX",
        default_value = "64MiB",
        value_parser = units::size
    )]
    max: u64,
    /// How long a message may wait before it is set aside instead of sent
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
        _ => Err("at most 167h: a server remembers for 168h which messages it has".into()),
    }
}

fn id(text: &str) -> Result<MsgId, String> {
    let id: Uuid = text.parse().map_err(|_| "an id is a UUID, as `qmsg spool list` shows it")?;
    Ok(MsgId::from_bytes(id.into_bytes()))
}

pub(super) fn run(args: &SpoolArgs, talk: Talk) -> Result<Exit> {
    match &args.what {
        What::List(args) => list::run(&places(&args.owner)?, args.bounds, args.json),
        What::Flush(args) => flush(args, talk),
        What::Drop(args) => remove(args, talk),
    }
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
        (None, Err(error)) => return Err(unusable(error)),
        (None, Ok(entries)) => {
            let names =
                entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            let mut ids: Vec<UserId> = names.collect();
            ids.sort();
            ids
        }
    };
    Ok(ids.into_iter().map(|id| (id.clone(), Place::of(&dir, &id))).collect())
}

fn unusable(error: io::Error) -> Error {
    Failure::new(Exit::Config, "the spool cannot be used").because(error)
}

/// So many messages, and what was done to them.
fn messages(count: u64, done: &str) -> String {
    match count {
        1 => format!("1 message {done}"),
        count => format!("{count} messages {done}"),
    }
}

pub(super) fn busy() -> Failure {
    Failure::new(Exit::Unavailable, "another process is sending what waits")
        .hint("when it is done, this can be tried again")
}

fn flush(args: &FlushArgs, talk: Talk) -> Result<Exit> {
    let (mut total, mut worst) = (Report::default(), None);
    for (id, place) in places(&args.owner)? {
        let mut slots = place.waiting().map_err(unusable)?;
        if args.aside {
            slots.extend(place.aside().map_err(unusable)?);
        }
        if slots.is_empty() {
            continue;
        }
        if args.dry_run {
            list::show(&id, &slots, args.bounds)?;
            continue;
        }
        let who = Who { as_id: Some(id.clone()), server: args.server.clone() };
        match flush_one(args, &place, &profile::choose(&who)?) {
            Ok(report) => {
                total.sent += report.sent;
                total.left += report.left;
                total.aside.extend(report.aside);
                total.left_for = total.left_for.or(report.left_for);
            }
            // Others may reach theirs.
            Err(error) => match worst {
                None => worst = Some(error),
                Some(_) => fail::note(talk, &format!("{id}: {error:#}")),
            },
        }
    }
    finish(total, worst, talk)
}

fn flush_one(args: &FlushArgs, place: &Place, profile: &Profile) -> Result<Report> {
    let _sending = wait(place, args.patience.timeout)?;
    let mut slots = place.waiting().map_err(unusable)?;
    if args.aside {
        slots.extend(place.aside().map_err(unusable)?);
    }
    let flush = Flush {
        place,
        profile,
        age_max: args.bounds.age,
        patience_ms: args.patience.timeout.as_millis() as u64,
        time_max: None,
    };
    flush.run(slots)
}

/// Waits until nobody else sends what waits.
fn wait(place: &Place, patience: Duration) -> Result<Sending> {
    let start = clock::moment();
    loop {
        if let Some(sending) = place.try_send().map_err(unusable)? {
            return Ok(sending);
        }
        if clock::since(start) >= patience {
            return Err(busy().into());
        }
        thread::sleep(TURN);
    }
}

/// Says what came of it, and with which code.
fn finish(total: Report, worst: Option<Error>, talk: Talk) -> Result<Exit> {
    let Report { sent, aside, left, left_for } = total;
    if sent > 0 {
        fail::note(talk, &messages(sent, "sent"));
    }
    for (to, why) in &aside {
        let to = to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
        fail::note(talk, &format!("a message{to} is set aside: {why:#}"));
    }
    match (worst, left_for, aside.into_iter().next()) {
        (Some(error), _, _) if fail::is_unreachable(&error) => {
            Err(error.context(waiting("what waits was not all sent")))
        }
        (Some(error), _, _) => Err(error),
        (_, Some(error), _) => Err(error.context(waiting(&messages(left, "left waiting")))),
        (_, _, Some(_)) if sent > 0 => {
            let what = "some messages were set aside";
            Err(Failure::new(Exit::Partial, what).hint("qmsg spool list tells which").into())
        }
        (_, _, Some((_, error))) => Err(error),
        _ => Ok(Exit::Success),
    }
}

fn waiting(what: &str) -> Failure {
    Failure::new(Exit::TempFail, what)
        .hint("nothing is lost: it stays in the spool until it is sent")
}

fn remove(args: &DropArgs, talk: Talk) -> Result<Exit> {
    let mut count = 0;
    let mut missing = args.ids.clone();
    for (_, place) in places(&args.owner)? {
        let mut slots = if args.aside { Vec::new() } else { place.waiting().map_err(unusable)? };
        slots.extend(place.aside().map_err(unusable)?);
        slots.retain(|slot| args.ids.is_empty() || args.ids.contains(&slot.id));
        for slot in slots {
            slot.remove().map_err(unusable)?;
            missing.retain(|id| *id != slot.id);
            count += 1;
        }
    }
    fail::note(talk, &messages(count, "dropped"));
    match missing.first() {
        None => Ok(Exit::Success),
        Some(id) => Err(Failure::new(Exit::Data, format!("no message {id} in the spool"))
            .hint("it may have been sent meanwhile; qmsg spool list shows what is there")
            .into()),
    }
}

/// What waits, then what was set aside.
fn all(place: &Place) -> Result<Vec<Slot>> {
    let mut slots = place.waiting().map_err(unusable)?;
    slots.extend(place.aside().map_err(unusable)?);
    Ok(slots)
}
