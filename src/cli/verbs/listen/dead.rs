//! `qmsg listen --dead`, `--requeue` and `--drop`: dead letters.

use anyhow::Result;
use serde_json::Value;

use crate::cli::requester::Requester;
use crate::cli::verbs::listen::args::{DeadLetterChoice, ListenArgs};
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::logic::{Command, Event};
use crate::message::render::parked;
use crate::outgoing::job::PATIENCE;
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
    fn report(self, count: u64, as_json: bool, verbosity: Verbosity) -> Result<Exit> {
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
            notices::note(verbosity, &format!("1 dead letter {done}"));
        } else {
            notices::note(verbosity, &format!("{count} dead letters {done}"));
        }
        Ok(Exit::Success)
    }
}

pub(crate) fn run(args: &ListenArgs, task: Task, verbosity: Verbosity) -> Result<Exit> {
    let patience = args.timeout.unwrap_or(PATIENCE);
    let as_json = args.output.json;
    let mut taken = 0;
    Requester::new(&args.who, patience)?.request(task.command(), |event| {
        match event {
            Event::Parked(parked) if as_json => print::object(&fields(&parked))?,
            Event::Parked(parked) => print::line(&text(&parked))?,
            Event::ParkedTaken { count, .. } => taken += count,
            _ => {}
        }
        Ok(())
    })?;
    task.report(taken, as_json, verbosity)
}

/// Renders a dead letter as a line with tabs: id, time of the refusal, sender, reason, and a
/// summary.
fn text(parked: &ParkedMessage) -> String {
    let to = match &parked.message.to {
        Target::User(_) => String::new(),
        group => format!(" {group}"),
    };
    let reason = String::from_utf8_lossy(&parked.reason.body().0);
    let reason = one_line(&reason);
    let (id, time, from) = (parked.message.id, print::time(parked.at_ms), &parked.message.from);
    let attempts = match parked.attempts {
        1 => "1 attempt".to_owned(),
        count => format!("{count} attempts"),
    };
    format!("{id}\t{time}\t{from}{to}\t{reason}, {attempts}\t{}", parked::gist(parked))
}

/// Builds the documented fields of `--json`.
fn fields(parked: &ParkedMessage) -> Vec<(&'static str, Value)> {
    let own = vec![
        ("from", parked.message.from.to_string().into()),
        ("dead", clock::rfc3339(parked.at_ms).into()),
        ("attempts", parked.attempts.into()),
        ("reason", String::from_utf8_lossy(&parked.reason.body().0).into()),
    ];
    [parked::fields(parked), own].concat()
}

#[cfg(test)]
mod tests {
    use super::text;
    use crate::message::render::parked::tests::parked;

    #[test]
    fn a_line_says_what_and_why() {
        let line = text(&parked("@ops", b"disk full", 9, &[]));
        assert!(line.starts_with("018bcfe5-6800-7707-8707-070707070707\t2023-11-1"), "{line}");
        assert!(line.ends_with("\talice @ops\texit code 1, 5 attempts\tdisk full"), "{line}");
    }
}
