//! `qmsg later`: messages that the server keeps until they are due.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::logic::{Command, Event};
use crate::wire::{Drawer, Kept, MsgId};

use super::connect::Caller;
use super::fail::{self, Exit, Failure};
use super::{Patience, Talk, Who, clock, kept, print};

/// Look after messages that were sent with --at or --in and are not due yet
///
/// They are kept on the server, so they are sent also when this machine is off by then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  qmsg send bob --at 07:00 good morning
  qmsg later list
  qmsg later cancel all")]
pub(super) struct LaterArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(ListArgs),
    Cancel(CancelArgs),
    Send(SendArgs),
}

/// Show what is not due yet
///
/// A line each: id, time, target, and the title or the beginning of the text.
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    who: Who,
    /// Print a JSON object for each message
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Do not send a message
#[derive(Debug, Args)]
struct CancelArgs {
    #[command(flatten)]
    which: Which,
}

/// Send a message now
#[derive(Debug, Args)]
struct SendArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The message's id, as `qmsg later list` shows it
    #[arg(value_name = "ID", required_unless_present = "all")]
    id: Option<MsgId>,
    /// All that are not due yet
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    who: Who,
    /// Print how many there were as a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

pub(super) fn run(args: &LaterArgs, talk: Talk) -> Result<Exit> {
    match &args.what {
        What::List(args) => list(args, talk),
        What::Cancel(args) => take(&args.which, false, talk),
        What::Send(args) => take(&args.which, true, talk),
    }
}

fn list(args: &ListArgs, talk: Talk) -> Result<Exit> {
    let mut count = 0_u64;
    Caller::new(&args.who, args.patience)?.want(Command::Look(Drawer::Later), |event| {
        let Event::Kept(kept) = event else { return Ok(()) };
        count += 1;
        if args.json { print::object(&fields(&kept)) } else { print::line(&line(&kept)) }
    })?;
    if count == 0 {
        fail::note(talk, "no message waits for its time");
    }
    Ok(Exit::Success)
}

fn take(which: &Which, send: bool, talk: Talk) -> Result<Exit> {
    let id = which.id;
    let mut taken = 0;
    let command = Command::Take { drawer: Drawer::Later, id, back: send };
    Caller::new(&which.who, which.patience)?.want(command, |event| {
        if let Event::Taken { count, .. } = event {
            taken += count;
        }
        Ok(())
    })?;
    if let Some(id) = id
        && taken == 0
    {
        return Err(Failure::new(Exit::NoUser, format!("no message {id} waits for its time"))
            .hint("it may have been sent by now; `qmsg later list` shows those that wait")
            .into());
    }
    let done = if send { "sent" } else { "cancelled" };
    if which.json {
        print::object(&[(done, taken.into())])?;
    } else {
        fail::note(talk, &format!("{taken} messages {done}"));
    }
    Ok(Exit::Success)
}

fn line(kept: &Kept) -> String {
    format!("{} {} {} {}", kept.id, clock::local(kept.at_ms), kept.to, kept::gist(kept))
}

fn fields(kept: &Kept) -> Vec<(&'static str, Value)> {
    [kept::fields(kept), vec![("due", clock::rfc3339(kept.at_ms).into())]].concat()
}
