//! `qmsg listen --dead`, `--requeue` and `--drop`: dead letters.

use anyhow::Result;
use serde_json::Value;

use crate::cli::args::Patience;
use crate::cli::caller::Requester;
use crate::cli::verbs::listen::args::{DeadLetterChoice, ListenArgs};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Event};
use crate::outgoing::job::PATIENCE;
use crate::render::kept;
use crate::terminal::verbosity::Verbosity;
use crate::terminal::{notices, print};
use crate::text::visible::one_line;
use crate::wire::{ParkedKind, ParkedMessage, Target};

/// An action on dead letters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    List,
    Requeue(DeadLetterChoice),
    Drop(DeadLetterChoice),
}

/// The action that the flags ask for, if they are about dead letters.
pub(crate) fn task(args: &ListenArgs) -> Option<Task> {
    let requeue = args.drawer.requeue.map(Task::Requeue);
    let drop = args.drawer.drop.map(Task::Drop);
    requeue.or(drop).or(args.drawer.dead.then_some(Task::List))
}

impl Task {
    fn command(self) -> Command {
        let drawer = ParkedKind::DeadLetters;
        let take = |which, back| match which {
            DeadLetterChoice::All => Command::TakeParked { drawer, id: None, back },
            DeadLetterChoice::One(id) => Command::TakeParked { drawer, id: Some(id), back },
        };
        match self {
            Self::List => Command::ListParked(drawer),
            Self::Requeue(which) => take(which, true),
            Self::Drop(which) => take(which, false),
        }
    }

    /// Reports how many dead letters were requeued or dropped.
    fn told(self, count: u64, as_json: bool, talk: Verbosity) -> Result<Exit> {
        let (which, done, field) = match self {
            Self::List => return Ok(Exit::Success),
            Self::Requeue(which) => (which, "requeued", "requeued"),
            Self::Drop(which) => (which, "deleted", "dropped"),
        };
        if let (DeadLetterChoice::One(id), 0) = (which, count) {
            let failure = Failure::new(Exit::NoUser, format!("{id} is no dead letter"));
            return Err(failure.hint("`qmsg listen --dead` lists them").into());
        }
        if as_json {
            print::object(&[(field, count.into())])?;
        } else if count == 1 {
            notices::note(talk, &format!("1 dead letter {done}"));
        } else {
            notices::note(talk, &format!("{count} dead letters {done}"));
        }
        Ok(Exit::Success)
    }
}

pub(crate) fn run(args: &ListenArgs, task: Task, talk: Verbosity) -> Result<Exit> {
    let patience = Patience { timeout: args.timeout.unwrap_or(PATIENCE) };
    let as_json = args.as_json();
    let mut taken = 0;
    Requester::new(&args.who, patience)?.want(task.command(), |event| {
        match event {
            Event::Parked(kept) if as_json => print::object(&fields(&kept))?,
            Event::Parked(kept) => print::line(&text(&kept))?,
            Event::ParkedTaken { count, .. } => taken += count,
            _ => {}
        }
        Ok(())
    })?;
    task.told(taken, as_json, talk)
}

/// Renders a dead letter as a line with tabs: id, time of the refusal, sender, reason, and a
/// summary.
fn text(kept: &ParkedMessage) -> String {
    let to = match &kept.message.to {
        Target::User(_) => String::new(),
        group => format!(" {group}"),
    };
    let reason = String::from_utf8_lossy(&kept.reason.body().0);
    let reason = one_line(&reason);
    let (id, time, from) = (kept.message.id, print::time(kept.at_ms), &kept.message.from);
    let attempts = match kept.attempts {
        1 => "1 attempt".to_owned(),
        count => format!("{count} attempts"),
    };
    format!("{id}\t{time}\t{from}{to}\t{reason}, {attempts}\t{}", kept::gist(kept))
}

/// Builds the documented fields of `--json`.
fn fields(kept: &ParkedMessage) -> Vec<(&'static str, Value)> {
    let own = vec![
        ("from", kept.message.from.to_string().into()),
        ("dead", clock::rfc3339(kept.at_ms).into()),
        ("attempts", kept.attempts.into()),
        ("reason", String::from_utf8_lossy(&kept.reason.body().0).into()),
    ];
    [kept::fields(kept), own].concat()
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::render::kept::tests::kept;

    #[test]
    fn a_line_says_what_and_why() {
        let line = text(&kept("@ops", b"disk full", 9, &[]));
        assert!(line.starts_with("018bcfe5-6800-7707-8707-070707070707\t2023-11-1"), "{line}");
        assert!(line.ends_with("\talice @ops\texit code 1, 5 attempts\tdisk full"), "{line}");
    }
}
