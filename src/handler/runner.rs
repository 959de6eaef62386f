//! Runner of handlers: carries out the decisions of the schedule, and reports the results to the
//! server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::handler::exec::{Handler, HandlerOutcome, Wish};
use crate::handler::schedule::{Fate, HandlerSchedule, JobNumber, JobVerdict, Ms, Policy};
use crate::handler::step::{ConsumerStep, pause};
use crate::logic::Command;
use crate::message::received::Received;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Body, Note, Seq};

/// Longest time that handlers may run after the listener was told to end.
const GRACE: Duration = Duration::from_secs(10);

/// Messages and the handlers that run for them.
pub(crate) struct Runner {
    handler: Arc<Handler>,
    schedule: HandlerSchedule,
    letters: BTreeMap<JobNumber, Arc<Received>>,
    running: JoinSet<(JobNumber, HandlerOutcome)>,
    wish: watch::Sender<Wish>,
    /// Number of unanswered releases. While there are any, no handler is started.
    held: usize,
    start: Instant,
    talk: Verbosity,
}

impl Runner {
    pub(crate) fn new(handler: Handler, policy: Policy, talk: Verbosity) -> Self {
        Self {
            handler: Arc::new(handler),
            schedule: HandlerSchedule::new(policy),
            letters: BTreeMap::new(),
            running: JoinSet::new(),
            wish: watch::Sender::new(Wish::Run),
            held: 0,
            start: clock::moment(),
            talk,
        }
    }

    pub(crate) fn enqueue(&mut self, letters: Vec<Received>) {
        for letter in letters {
            let ticket = self.schedule.arrived(&letter.message().from);
            self.letters.insert(ticket, Arc::new(letter));
        }
        self.start_ready();
    }

    /// True if no message is left.
    pub(crate) fn is_idle(&self) -> bool {
        self.schedule.is_idle()
    }

    /// Waits until a message is finished. Pending while there is none.
    pub(crate) async fn next_step(&mut self) -> Result<ConsumerStep> {
        loop {
            self.start_ready();
            let due = self.schedule.deadline().filter(|_| self.held == 0);
            let due = due.map(|at_ms| at_ms.saturating_sub(self.now()));
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    let (ticket, outcome) = ended.context("what runs a handler broke off")?;
                    if let Some(command) = self.finished(ticket, outcome)? {
                        return Ok(ConsumerStep::Say(vec![command]));
                    }
                }
                () = pause(due.map(Duration::from_millis)), if due.is_some() => {}
                else => std::future::pending().await,
            }
        }
    }

    /// Starts no more handlers until the server has answered a release. Returns the seqs to
    /// release: messages for which no handler runs, except volatile ones, which no other reader
    /// has.
    pub(crate) fn hold(&mut self) -> Vec<Seq> {
        let idle = self.letters.iter().filter(|(ticket, _)| !self.schedule.runs(**ticket));
        let seqs = idle.map(|(_, letter)| letter.seq()).filter(|seq| *seq != 0).collect();
        self.held += 1;
        seqs
    }

    /// Drops released messages; all others continue.
    pub(crate) fn release(&mut self, seqs: &[Seq]) {
        self.held -= 1;
        let is_gone = |ticket: &JobNumber| {
            self.letters.get(ticket).is_some_and(|letter| seqs.contains(&letter.seq()))
        };
        for ticket in self.schedule.withdraw(|ticket| is_gone(&ticket)) {
            self.letters.remove(&ticket);
        }
    }

    /// Starts no more handlers and waits for the running ones, up to a limit. Returns the commands
    /// of the messages that were finished.
    pub(crate) async fn wind_down(&mut self) -> Vec<Command> {
        self.schedule.withdraw(|_| true);
        let count = match self.running.len() {
            0 => None,
            1 => Some("1 handler".to_owned()),
            count => Some(format!("{count} handlers")),
        };
        if let Some(count) = count {
            notices::note(self.talk, &format!("waiting for {count}, at most {GRACE:?}"));
        }
        let mut commands = Vec::new();
        let mut grace = std::pin::pin!(pause(Some(GRACE)));
        while !self.running.is_empty() {
            tokio::select! {
                biased;
                Some(Ok((ticket, outcome))) = self.running.join_next() => {
                    // Messages whose handlers have failed are left to the next listener.
                    let is_over = matches!(
                        outcome,
                        HandlerOutcome::Processed { .. } | HandlerOutcome::Refused(_)
                    );
                    if is_over {
                        commands.extend(self.finished(ticket, outcome).unwrap_or_default());
                    }
                }
                () = &mut grace => {
                    self.wish.send_replace(Wish::End);
                    grace.set(pause(None));
                }
            }
        }
        commands
    }

    /// Kills all running handlers.
    pub(crate) async fn kill(&mut self) {
        self.wish.send_replace(Wish::Die);
        while self.running.join_next().await.is_some() {}
    }

    fn now(&self) -> Ms {
        clock::since(self.start).as_millis() as Ms
    }

    fn start_ready(&mut self) {
        while self.held == 0
            && let Some((ticket, attempt)) = self.schedule.start(self.now())
        {
            let Some(letter) = self.letters.get(&ticket) else { continue };
            let (handler, letter) = (self.handler.clone(), letter.clone());
            let wish = self.wish.subscribe();
            self.running.spawn(async move {
                let outcome = handler.run(&letter, attempt, wish).await;
                (ticket, outcome)
            });
        }
    }

    /// Returns the command for the server after a run, if there is one.
    fn finished(&mut self, ticket: JobNumber, outcome: HandlerOutcome) -> Result<Option<Command>> {
        let (verdict, reply, why) = match outcome {
            HandlerOutcome::Processed { reply } => (JobVerdict::Processed, reply, String::new()),
            HandlerOutcome::Later(why) => (JobVerdict::Later, None, why),
            HandlerOutcome::Refused(why) => (JobVerdict::Refused, None, why),
            HandlerOutcome::Failed(why) => (JobVerdict::Failed, None, why),
            HandlerOutcome::NoCommand(error) => return Err(no_command(&self.handler, error)),
        };
        let now = self.now();
        let Some(fate) = self.schedule.finished(now, ticket, verdict) else { return Ok(None) };
        if let Fate::Again { at_ms, attempts } = fate {
            self.report(ticket, attempts, &why, &format!("again in {}", seconds(at_ms - now)));
            return Ok(None);
        }
        if let Fate::Refused { attempts } = fate {
            let fate = match self.letters.get(&ticket) {
                Some(letter) if letter.is_volatile() => "given up; it was volatile",
                _ => "refused for good; it is a dead letter now",
            };
            self.report(ticket, attempts, &why, fate);
        }
        Ok(self.letters.remove(&ticket).map(|letter| settled(letter.seq(), fate, reply, why)))
    }

    fn report(&self, ticket: JobNumber, attempts: u32, why: &str, fate: &str) {
        let Some(letter) = self.letters.get(&ticket) else { return };
        let (id, from) = (letter.message().id, &letter.message().from);
        let text = format!("{id} from {from}: {why} at attempt {attempts}: {fate}");
        notices::note(self.talk, &text);
    }
}

/// Builds the command that reports a finished message. A volatile one is only acked: the server
/// does not store it.
fn settled(seq: Seq, fate: Fate, reply: Option<Note>, why: String) -> Command {
    match (fate, reply) {
        (_, _) if seq == 0 => Command::Ack(vec![seq]),
        (Fate::Refused { attempts }, _) => {
            // The reason is short enough for a note.
            let reason = Note::new(Body(why.into())).unwrap_or_default();
            Command::Reject { seq, attempts, reason }
        }
        (_, Some(reply)) => Command::Reply { seq, reply },
        (_, None) => Command::Ack(vec![seq]),
    }
}

fn seconds(ms: Ms) -> String {
    format!("{:?}", Duration::from_millis(ms))
}

/// Returns the error for a command that cannot be started, for which no message is to blame.
pub(crate) fn no_command(handler: &Handler, error: std::io::Error) -> anyhow::Error {
    let what = format!("{} cannot be run", handler.program().display());
    Failure::new(Exit::Config, what)
        .hint("--exec takes a command and its arguments; use --shell for a line of shell")
        .because(error)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::{Fate, settled};
    use crate::logic::Command;
    use crate::wire::{Body, Note};

    #[test]
    fn the_server_is_told_what_it_keeps() {
        let note = |text: &'static str| Note::new(Body(text.into())).unwrap();
        let refused = Fate::Refused { attempts: 3 };
        let told = |seq, fate, reply| settled(seq, fate, reply, "exit code 65".into());
        let command = told(7, Fate::Processed, None);
        assert!(matches!(command, Command::Ack(seqs) if seqs == [7]));
        let command = told(7, Fate::Processed, Some(note("yes")));
        let wanted = note("yes");
        assert!(matches!(command, Command::Reply { seq: 7, reply } if reply == wanted));
        let wanted = note("exit code 65");
        let command = told(7, refused, None);
        assert!(matches!(
            command,
            Command::Reject { seq: 7, attempts: 3, reason } if reason == wanted
        ));
        for (fate, reply) in [(Fate::Processed, Some(note("yes"))), (refused, None)] {
            let command = told(0, fate, reply);
            assert!(matches!(command, Command::Ack(seqs) if seqs == [0]), "volatile");
        }
    }
}
