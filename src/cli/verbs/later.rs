//! `qmsg later`: messages that the server keeps until they are due.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::args::{Patience, Who};
use crate::cli::requester::{self, Requester};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Event};
use crate::message::render::parked;
use crate::terminal::table::ListTable;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::text::units;
use crate::wire::{MsgId, ParkedKind, ParkedMessage};

/// List, cancel or send scheduled messages
///
/// Messages scheduled with send --at or --in are kept on the server, so they are sent even if this
/// machine is off by then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg send bob --at 07:00 good morning
  qmsg later list
  qmsg later cancel all")]
pub(crate) struct LaterArgs {
    #[command(subcommand)]
    what: LaterVerb,
}

#[derive(Debug, Subcommand)]
enum LaterVerb {
    List(LaterListArgs),
    Cancel(CancelArgs),
    Send(LaterSendArgs),
}

/// List scheduled messages
///
/// A line each: id, time, target, and the title or the beginning of the text; separated by tabs if
/// stdout is not a terminal.
#[derive(Debug, Args)]
struct LaterListArgs {
    #[command(flatten)]
    who: Who,
    /// Print a JSON object for each message
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Cancel scheduled messages
#[derive(Debug, Args)]
struct CancelArgs {
    #[command(flatten)]
    which: LaterChoice,
}

/// Send scheduled messages now
#[derive(Debug, Args)]
struct LaterSendArgs {
    #[command(flatten)]
    which: LaterChoice,
}

/// One scheduled message, or all of them.
#[derive(Clone, Copy, Debug)]
enum Pick {
    One(MsgId),
    All,
}

#[derive(Debug, Args)]
struct LaterChoice {
    /// The message's id, as `qmsg later list` shows it, or all
    #[arg(value_name = "ID|all", required_unless_present = "all", value_parser = which)]
    id: Option<Pick>,
    /// All scheduled messages
    #[arg(long, hide = true, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    who: Who,
    /// Print the number of messages as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

pub(crate) fn run(args: &LaterArgs, verbosity: Verbosity) -> Result<Exit> {
    match &args.what {
        LaterVerb::List(args) => list(args, verbosity),
        LaterVerb::Cancel(args) => take_parked(&args.which, false, verbosity),
        LaterVerb::Send(args) => take_parked(&args.which, true, verbosity),
    }
}

fn list(args: &LaterListArgs, verbosity: Verbosity) -> Result<Exit> {
    let mut count = 0_u64;
    let mut table = ListTable::new(&["ID", "DUE", "TO", "MESSAGE"]);
    let requester = Requester::new(&args.who, args.patience.timeout)?;
    let server = requester.server().to_owned();
    requester.request(Command::ListParked(ParkedKind::Scheduled), |event| {
        requester::note_offline(&event, &server, verbosity);
        let Event::Parked(parked) = event else { return Ok(()) };
        count += 1;
        if args.json { print::object(&fields(&parked)) } else { table.add(&row(&parked)) }
    })?;
    table.end()?;
    if count == 0 {
        notices::note(verbosity, "no scheduled messages");
    }
    Ok(Exit::Success)
}

fn take_parked(which: &LaterChoice, send: bool, verbosity: Verbosity) -> Result<Exit> {
    let id = match which.id {
        Some(Pick::One(id)) => Some(id),
        Some(Pick::All) | None => None,
    };
    let mut taken = 0;
    let command = Command::TakeParked { drawer: ParkedKind::Scheduled, id, back: send };
    let requester = Requester::new(&which.who, which.patience.timeout)?;
    let server = requester.server().to_owned();
    requester.request(command, |event| {
        requester::note_offline(&event, &server, verbosity);
        if let Event::ParkedTaken { count, .. } = event {
            taken += count;
        }
        Ok(())
    })?;
    if let Some(id) = id
        && taken == 0
    {
        return Err(Failure::new(Exit::NoUser, format!("no scheduled message {id}"))
            .hint("it may have been sent by now; `qmsg later list` shows what is scheduled")
            .into());
    }
    let done = if send { "sent" } else { "cancelled" };
    if which.json {
        print::object(&[(done, taken.into())])?;
    } else {
        notices::note(verbosity, &format!("{} {done}", units::count(taken, "message")));
    }
    Ok(Exit::Success)
}

fn which(text: &str) -> Result<Pick, String> {
    match text {
        "all" => Ok(Pick::All),
        id => id.parse().map(Pick::One).map_err(|why| format!("{why}, or all")),
    }
}

fn row(parked: &ParkedMessage) -> Vec<String> {
    let (id, due, to) =
        (parked.message.id.to_string(), print::time(parked.at_ms), parked.message.to.to_string());
    vec![id, due, to, parked::gist(parked)]
}

fn fields(parked: &ParkedMessage) -> Vec<(&'static str, Value)> {
    [parked::fields(parked), vec![("due", clock::rfc3339(parked.at_ms).into())]].concat()
}
