//! `qmsg spool`: messages that wait on this machine for the server.

use anyhow::{Error, Result};
use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::cli::args::Patience;
use crate::cli::keeping::SpoolBoundsArgs;
use crate::cli::values;
use crate::cli::verbs::spool::list;
use crate::clock;
use crate::failure::{self, Exit, Failure};
use crate::profile::address::ServerAddress;
use crate::profile::joined;
use crate::spool::bounds::SpoolBounds;
use crate::spool::flush::{self, Flush, FlushReport, add_report};
use crate::spool::place::SpoolDirectory;
use crate::spool::places::{all, busy, messages, places, unusable};
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::wire::{MsgId, UserId};

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
pub(crate) struct SpoolArgs {
    #[command(subcommand)]
    what: SpoolVerb,
}

#[derive(Debug, Subcommand)]
enum SpoolVerb {
    List(SpoolListArgs),
    Flush(FlushArgs),
    Drop(DropArgs),
}

/// List messages that are waiting, and those set aside
///
/// A table on a terminal; otherwise a line for each message, its fields separated by tabs: id,
/// time, sender, target, size in bytes, state, title, and why it is set aside or damaged.
#[derive(Debug, Args)]
struct SpoolListArgs {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    bounds: SpoolBoundsArgs,
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
    server: Option<ServerAddress>,
    #[command(flatten)]
    bounds: SpoolBoundsArgs,
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

/// The flag that selects the sender. Neither QMSG_AS nor a configuration file sets it, so that
/// messages of the user's other ids are not overlooked.
#[derive(Debug, Args)]
struct Owner {
    /// Only messages sent as this id
    #[arg(long = "as", value_name = "ID", value_parser = values::user_arg())]
    as_id: Option<UserId>,
}

fn id(text: &str) -> Result<MsgId, String> {
    let id: Uuid = text.parse().map_err(|_| "an id is a UUID, as `qmsg spool list` shows it")?;
    Ok(MsgId::from_bytes(id.into_bytes()))
}

pub(crate) fn run(args: &SpoolArgs, verbosity: Verbosity) -> Result<Exit> {
    match &args.what {
        SpoolVerb::List(args) => list::run(
            &places(args.owner.as_id.as_ref())?,
            args.bounds.bounds(),
            args.json,
            verbosity,
        ),
        SpoolVerb::Flush(args) => flush(args, verbosity),
        SpoolVerb::Drop(args) => remove(args, verbosity),
    }
}

/// Lists the spooled messages of all ids on this machine.
pub(crate) fn list_all(bounds: SpoolBounds, verbosity: Verbosity) -> Result<Exit> {
    list::run(&places(None)?, bounds, false, verbosity)
}

fn flush(args: &FlushArgs, verbosity: Verbosity) -> Result<Exit> {
    let (mut total, mut worst) = (FlushReport::default(), None);
    for (id, directory) in places(args.owner.as_id.as_ref())? {
        match flush_one(args, &id, &directory) {
            Ok(report) => add_report(&mut total, report),
            // Servers of other ids may be reachable.
            Err(error) => match worst {
                None => worst = Some(error),
                Some(_) => notices::note(verbosity, &format!("{id}: {}", failure::line(&error))),
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
    finish(total, worst, verbosity)
}

fn flush_one(args: &FlushArgs, id: &UserId, directory: &SpoolDirectory) -> Result<FlushReport> {
    let slots = || match args.aside {
        true => all(directory),
        false => directory.waiting().map_err(|error| unusable(directory.path(), error)),
    };
    let found = slots()?;
    if found.is_empty() {
        return Ok(FlushReport::default());
    }
    if args.dry_run {
        list::show(&[(id.clone(), found)], args.bounds.bounds(), args.json)?;
        return Ok(FlushReport::default());
    }
    let left = found.len() as u64;
    let (profile, start) = (joined::choose(Some(id), args.server.as_ref())?, clock::moment());
    let patience = args.patience.timeout;
    let sending =
        directory.wait_to_send(patience).map_err(|error| unusable(directory.path(), error))?;
    if sending.is_none() {
        return Ok(FlushReport { left, left_for: Some(busy().into()), ..FlushReport::default() });
    }
    let flush = Flush {
        directory,
        profile: &profile,
        age_max: args.bounds.bounds().age,
        patience_ms: patience.saturating_sub(clock::since(start)).as_millis() as u64,
        time_max: None,
    };
    flush::flush(&flush, slots()?)
}

/// Prints the totals, and determines the exit code.
fn finish(total: FlushReport, worst: Option<Error>, verbosity: Verbosity) -> Result<Exit> {
    let FlushReport { sent, aside, left, left_for } = total;
    if sent > 0 {
        notices::note(verbosity, &messages(sent, "sent"));
    }
    for (to, why) in &aside {
        let to = to.as_ref().map_or(String::new(), |to| format!(" to {to}"));
        notices::note(verbosity, &format!("message{to} set aside: {why:#}"));
    }
    match (worst, left_for, aside.into_iter().next()) {
        (Some(error), _, _) if failure::is_unreachable(&error) => {
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

fn remove(args: &DropArgs, verbosity: Verbosity) -> Result<Exit> {
    let (mut count, mut failed) = (0_u64, None);
    let mut missing = args.ids.clone();
    for (_, directory) in places(args.owner.as_id.as_ref())? {
        let mut slots = all(&directory)?;
        slots.retain(|slot| {
            (slot.is_aside() || !args.aside)
                && (args.ids.is_empty() || args.ids.contains(&slot.id()))
        });
        for slot in slots {
            missing.retain(|id| *id != slot.id());
            match slot.remove() {
                Ok(()) => count += 1,
                Err(error) => failed = failed.or(Some(unusable(directory.path(), error))),
            }
        }
    }
    if args.json {
        print::object(&[("dropped", count.into())])?;
    } else {
        notices::note(verbosity, &messages(count, "dropped"));
    }
    match (failed, missing.first()) {
        (Some(error), _) => Err(error),
        (None, None) => Ok(Exit::Success),
        (None, Some(id)) => Err(Failure::new(Exit::Data, format!("no message {id} in the spool"))
            .hint("it may have been sent in the meantime; see: qmsg spool list")
            .into()),
    }
}
