//! Sending with a spool: older messages go first, and messages that find no server are kept.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use anyhow::{Error, Result};

use crate::clock;
use crate::failure::{self, Exit, Failure};
use crate::message::ids;
use crate::process::runtime;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::spool::bounds::SpoolBounds;
use crate::spool::carry::{CarryOutcome, SpoolQueue, carry};
use crate::spool::disk;
use crate::spool::file::{Origin, Spooled, shortened};
use crate::spool::flush::{self, Flush};
use crate::spool::place::{NotKept, Slot, SpoolDirectory};
use crate::spool::places::spools;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{MsgId, MsgIds, Refusal, Target};

/// Interval at which a process that waits for the send lock checks whether messages still wait.
const LOOK: Duration = Duration::from_millis(100);
/// Longest time for sending other spooled messages after the command's own.
const AFTER: Duration = Duration::from_secs(1);

/// Spool of one id, for commands that send.
pub(crate) struct Spool<'a> {
    directory: SpoolDirectory,
    profile: &'a Profile,
    bounds: SpoolBounds,
    patience: Duration,
    verbosity: Verbosity,
}

/// Messages that go into the spool if they are not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// Messages that reach no server.
    Unreached,
    /// All messages, after any error: nobody would see the failure.
    All,
}

/// The results of sending with a spool.
#[derive(Debug, Default)]
pub(crate) struct SpoolDelivery {
    /// Number of messages in the spool.
    pub(crate) kept: u64,
    /// Errors of refused messages, each with its target.
    pub(crate) failed: Vec<(Target, Error)>,
    /// Targets of messages sent without their middle, because they were too long for the server.
    pub(crate) shortened: Vec<Target>,
}

/// Permission to send new messages, or the reason to wait.
#[derive(Debug)]
pub(crate) enum SpoolTurn {
    /// No older message waits.
    Free,
    /// Older messages for the same target wait: another process is sending them.
    Busy,
    /// Older messages for the same target wait: no server can be reached.
    Unreachable(Error),
}

impl<'a> Spool<'a> {
    pub(crate) fn open(
        profile: &'a Profile,
        bounds: SpoolBounds,
        patience: Duration,
        verbosity: Verbosity,
    ) -> Result<Self> {
        let directory = SpoolDirectory::for_id(&spools()?, &profile.id);
        Ok(Self { directory, profile, bounds, patience, verbosity })
    }

    /// Sends the messages that wait for these targets, so that they arrive before the next ones.
    pub(crate) fn before(&self, targets: &[Target]) -> SpoolTurn {
        match self.try_before(targets) {
            Ok(turn) => turn,
            Err(error) if failure::is_unreachable(&error) => SpoolTurn::Unreachable(error),
            Err(error) => {
                // The new messages can still be sent.
                notices::note(
                    self.verbosity,
                    &format!("waiting messages were not sent: {}", failure::line(&error)),
                );
                SpoolTurn::Free
            }
        }
    }

    fn try_before(&self, targets: &[Target]) -> Result<SpoolTurn> {
        let pick = || self.directory.pick(|to| targets.contains(to)).map_err(|e| self.unusable(e));
        if pick()?.is_empty() {
            return Ok(SpoolTurn::Free);
        }
        // The lock's owner sends the waiting messages. If none waits, no lock is needed.
        let start = clock::moment();
        let patience = || self.patience.saturating_sub(clock::since(start));
        loop {
            let wait = patience().min(LOOK);
            let sending = self.directory.wait_to_send(wait).map_err(|e| self.unusable(e))?;
            let slots = pick()?;
            match sending {
                _ if slots.is_empty() => return Ok(SpoolTurn::Free),
                Some(_sending) => {
                    let report = flush::flush(&self.flush(patience(), None), slots)?;
                    self.note_report(&report);
                    return Ok(SpoolTurn::Free);
                }
                None if patience().is_zero() => return Ok(SpoolTurn::Busy),
                None => {}
            }
        }
    }

    fn unusable(&self, error: io::Error) -> Error {
        crate::spool::places::unusable(self.directory.path(), error)
    }

    /// Sends other waiting messages for a moment, once a server was reached. Only logs errors.
    pub(crate) fn after(&self) {
        let rest = || -> Result<()> {
            if self.directory.waiting()?.is_empty() {
                return Ok(());
            }
            let Some(_sending) = self.directory.try_send()? else { return Ok(()) };
            let report =
                flush::flush(&self.flush(self.patience, Some(AFTER)), self.directory.waiting()?)?;
            self.note_report(&report);
            Ok(())
        };
        if let Err(error) = rest() {
            tracing::info!("some messages in the spool were not sent: {}", failure::line(&error));
        }
    }

    fn flush(&self, patience: Duration, time_max: Option<Duration>) -> Flush<'_> {
        Flush {
            directory: &self.directory,
            profile: self.profile,
            age_max: self.bounds.age,
            patience_ms: patience.as_millis() as u64,
            time_max,
        }
    }

    fn note_report(&self, report: &flush::FlushReport) {
        if report.sent > 0 {
            notices::note(
                self.verbosity,
                &format!("{} from the spool", crate::spool::places::messages(report.sent, "sent")),
            );
        }
        if !report.aside.is_empty() {
            let count =
                crate::spool::places::messages(report.aside.len() as u64, "set aside in the spool");
            notices::note(self.verbosity, &format!("{count}: qmsg spool list"));
        }
    }

    /// Ids of waiting messages, and of messages that were set aside.
    pub(crate) fn ids(&self) -> Result<(BTreeSet<MsgId>, BTreeSet<MsgId>)> {
        let ids = |slots: Vec<Slot>| slots.into_iter().map(|slot| slot.id()).collect();
        let slots = |slots: io::Result<_>| slots.map_err(|error| self.unusable(error));
        Ok((ids(slots(self.directory.waiting())?), ids(slots(self.directory.aside())?)))
    }

    /// Writes messages to the spool. Returns the number written, and the error that stopped it.
    pub(crate) fn keep(&self, messages: &[Spooled]) -> (usize, Result<()>) {
        let origin = Origin { since_ms: clock::now_ms(), server: self.profile.pin };
        let (kept, result) = self.directory.keep(messages, self.bounds.max, origin);
        (kept, result.map_err(|error| self.not_kept(error)))
    }

    fn not_kept(&self, error: NotKept) -> Error {
        let dir = self.directory.path().display();
        match &error {
            NotKept::Full { .. } => Failure::new(Exit::NoSpace, format!("the spool {dir} is full"))
                .hint("qmsg spool list shows its messages; --spool-max raises the limit"),
            NotKept::Io(error) => {
                let lost = "the message was neither sent nor kept";
                let hint = disk::advice(self.directory.path(), error);
                let hint = hint.map_or(lost.into(), |hint| format!("{lost}; {hint}"));
                Failure::new(Exit::NoSpace, format!("cannot keep messages in {dir}")).hint(hint)
            }
        }
        .because(error)
    }

    /// Sends messages, and puts those that cannot be sent into the spool as `keep` says.
    pub(crate) fn deliver(&self, messages: Vec<Spooled>, keep: Keep) -> Result<SpoolDelivery> {
        let targets: Vec<Target> = messages.iter().map(|message| message.to.clone()).collect();
        let mut own = OwnMessages::new(messages, self.profile.server.to_string());
        let error = match self.before(&targets) {
            SpoolTurn::Unreachable(error) => Some(error),
            SpoolTurn::Busy if keep != Keep::Nothing => Some(crate::spool::places::busy().into()),
            SpoolTurn::Free | SpoolTurn::Busy => {
                let settings = flush::settings(self.profile, self.patience.as_millis() as u64);
                let result = runtime::runtime()?.block_on(carry(settings, &mut own));
                let (server, id) = (&own.server, self.profile.id.as_str());
                result.err().map(|error| refusals::client_failure(error, server, id))
            }
        };
        let mut delivery = SpoolDelivery {
            shortened: std::mem::take(&mut own.shortened),
            ..SpoolDelivery::default()
        };
        let failed = std::mem::take(&mut own.failed);
        let aside = if keep == Keep::All { self.keep_refused(&failed) } else { Ok(()) };
        delivery.failed.extend(failed.into_iter().map(|(message, error)| (message.to, error)));
        let Some(error) = error else {
            self.after();
            return aside.map(|()| delivery);
        };
        let is_unreachable = failure::is_unreachable(&error);
        if keep == Keep::Nothing || !is_unreachable && keep == Keep::Unreached {
            return Err(error);
        }
        let unanswered = own.into_unanswered();
        let (kept, result) = self.keep(&unanswered);
        delivery.kept = kept as u64;
        match result.and(aside) {
            Ok(()) if is_unreachable => Ok(delivery),
            // The messages are kept, but the cause of this error will not pass by itself.
            Ok(()) => Err(error),
            Err(error) => Err(error),
        }
    }

    /// Sets refused messages aside in the spool, where they are not sent again.
    fn keep_refused(&self, refused: &[(Spooled, Error)]) -> Result<()> {
        let mut result = Ok(());
        for (message, error) in refused {
            let kept = self.keep(std::slice::from_ref(message)).1.and_then(|()| {
                let slots = self.directory.waiting().map_err(|e| self.unusable(e))?;
                let slot = slots.iter().find(|slot| slot.id() == message.id);
                let aside = slot.map(|slot| self.directory.set_aside(slot, &failure::line(error)));
                aside.unwrap_or(Ok(())).map_err(|e| self.unusable(e))
            });
            // The other messages are kept all the same.
            result = result.and(kept);
        }
        result
    }
}

/// The messages of a command.
struct OwnMessages {
    next: VecDeque<Spooled>,
    unanswered: BTreeMap<MsgId, Spooled>,
    server: String,
    failed: Vec<(Spooled, Error)>,
    ids: MsgIds,
    /// New ids of messages that are sent again with the date of the server's clock.
    redated: BTreeSet<MsgId>,
    /// Milliseconds that the server's clock is ahead of this machine's. `None` if unknown, or if
    /// messages sent on an earlier link may have been stored.
    ahead_ms: Option<i64>,
    is_linked: bool,
    /// Targets of messages that are sent without their middle.
    shortened: Vec<Target>,
}

impl OwnMessages {
    fn new(messages: Vec<Spooled>, server: String) -> Self {
        let (next, unanswered) = (messages.into(), BTreeMap::new());
        Self {
            next,
            unanswered,
            server,
            failed: Vec::new(),
            ids: MsgIds::default(),
            redated: BTreeSet::new(),
            ahead_ms: None,
            is_linked: false,
            shortened: Vec::new(),
        }
    }

    fn into_unanswered(self) -> Vec<Spooled> {
        self.unanswered.into_values().chain(self.next).collect()
    }
}

impl SpoolQueue for OwnMessages {
    fn next_spooled(&mut self) -> Option<Spooled> {
        let message = self.next.pop_front()?;
        self.unanswered.insert(message.id, message.clone());
        Some(message)
    }

    fn on_outcome(&mut self, id: MsgId, outcome: CarryOutcome) {
        let Some(message) = self.unanswered.remove(&id) else { return };
        let is_for_time =
            matches!(outcome, CarryOutcome::Refused(Refusal::IdTooOld | Refusal::IdInFuture));
        if is_for_time
            && !id.is_keyed()
            && !self.redated.contains(&message.id)
            && let Some(ahead_ms) = self.ahead_ms
        {
            // The new id has the time of the server's clock.
            let id = ids::fresh_by(&mut self.ids, ahead_ms);
            self.redated.insert(id);
            return self.next.push_back(Spooled { id, ..message });
        }
        if let CarryOutcome::Refused(Refusal::BodyTooLong { max }) = outcome
            && let Ok(Some(short)) = shortened(&message, max)
        {
            self.shortened.push(short.to.clone());
            self.next.push_front(short);
            return;
        }
        let error = match outcome {
            CarryOutcome::Accepted => return,
            CarryOutcome::Refused(why) => {
                refusals::refusal(why, &message.to.to_string(), &self.server).into()
            }
            CarryOutcome::Unreadable(error) => failure::unreadable("the message", error),
        };
        self.failed.push((message, error));
    }

    fn on_skew(&mut self, ahead_ms: i64) {
        // Only on the first link: messages sent on an earlier one may have been stored.
        self.ahead_ms = Some(ahead_ms).filter(|_| !std::mem::replace(&mut self.is_linked, true));
    }

    fn on_disconnect(&mut self) {
        self.ahead_ms = None;
    }
}
