//! Sending the messages that wait in the spool.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use anyhow::{Error, Result};

use crate::client::{ClientError, ClientSettings};
use crate::process::runtime;
use crate::profile::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::spool::carry::{CarryOutcome, SpoolQueue, carry};
use crate::spool::disk;
use crate::spool::file::{Damage, Origin, Spooled, shortened};
use crate::spool::place::{Slot, SpoolDirectory};
use crate::spool::places::unusable;
use crate::wire::{MsgId, Pin, Refusal, Target};
use crate::{clock, failure};

/// The results of a flush.
#[derive(Debug, Default)]
pub(crate) struct FlushReport {
    pub(crate) sent: u64,
    /// Messages set aside by this flush, each with its target and the reason.
    pub(crate) aside: Vec<(Option<Target>, Error)>,
    /// Number of messages that still wait although the server was reached.
    pub(crate) left: u64,
    /// Reason why the first of the remaining messages still waits.
    pub(crate) left_for: Option<Error>,
}

/// Adds a report to the total.
pub(crate) fn add_report(total: &mut FlushReport, report: FlushReport) {
    total.sent += report.sent;
    total.left += report.left;
    total.aside.extend(report.aside);
    total.left_for = total.left_for.take().or(report.left_for);
}

/// A flush of the messages of one id.
pub(crate) struct Flush<'a> {
    pub(crate) directory: &'a SpoolDirectory,
    pub(crate) profile: &'a Profile,
    pub(crate) age_max: Duration,
    pub(crate) patience_ms: u64,
    /// Time limit of the whole flush.
    pub(crate) time_max: Option<Duration>,
}

/// Sends these messages in their order. The caller holds the lock `SendLock`.
pub(crate) fn flush(flush: &Flush<'_>, slots: Vec<Slot>) -> Result<FlushReport> {
    let server = flush.profile.server.to_string();
    let mut waiting = WaitingMessages {
        directory: flush.directory,
        slots: slots.into(),
        shortened: VecDeque::new(),
        unanswered: BTreeMap::new(),
        blocked: BTreeSet::new(),
        age_ms_max: flush.age_max.as_millis() as u64,
        now_ms: clock::now_ms(),
        server: &server,
        pin: flush.profile.pin,
        report: FlushReport::default(),
    };
    let settings = settings(flush.profile, flush.patience_ms);
    let conversation = carry(settings, &mut waiting);
    let result = runtime::runtime()?.block_on(async {
        match flush.time_max {
            Some(time) => {
                tokio::time::timeout(time, conversation).await.unwrap_or(Err(ClientError::NoAnswer))
            }
            None => conversation.await,
        }
    });
    result.map_err(|error| refusals::client_failure(error, &server, flush.profile.id.as_str()))?;
    Ok(waiting.report)
}

/// Settings of a client with this profile.
pub(crate) fn settings(profile: &Profile, patience_ms: u64) -> ClientSettings {
    let Profile { id, identity, server, pin } = profile;
    let dial = dial::dial(server, Trust::Pin(*pin), identity.clone(), false);
    ClientSettings::for_id(id.clone(), dial).patience(Duration::from_millis(patience_ms))
}

/// The state of a flush.
struct WaitingMessages<'a> {
    directory: &'a SpoolDirectory,
    slots: VecDeque<Slot>,
    /// Messages that were too long for the server, now without their middle.
    shortened: VecDeque<(Slot, Spooled)>,
    /// Messages that were sent and have no answer.
    unanswered: BTreeMap<MsgId, (Slot, Target)>,
    /// Targets that accept no messages at the moment. Their messages stay, in order.
    blocked: BTreeSet<Target>,
    age_ms_max: u64,
    now_ms: u64,
    server: &'a str,
    pin: Pin,
    report: FlushReport,
}

impl SpoolQueue for WaitingMessages<'_> {
    fn next_spooled(&mut self) -> Option<Spooled> {
        if let Some((slot, message)) = self.shortened.pop_front() {
            self.unanswered.insert(message.id, (slot, message.to.clone()));
            return Some(message);
        }
        loop {
            let slot = self.slots.pop_front()?;
            match slot.read() {
                Ok((message, origin)) => {
                    if let Some(message) = self.fit(&slot, message, origin) {
                        self.unanswered.insert(message.id, (slot, message.to.clone()));
                        return Some(message);
                    }
                }
                // Another process has removed the message.
                Err(Damage::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Damage::Io(error)) if disk::is_temporary(&error) => self.leave(error.into()),
                // A damaged file must not hold up the others.
                Err(damage) => self.set_aside(&slot, None, failure::damaged(damage)),
            }
        }
    }

    fn on_outcome(&mut self, id: MsgId, outcome: CarryOutcome) {
        let Some((slot, to)) = self.unanswered.remove(&id) else { return };
        if let CarryOutcome::Refused(Refusal::BodyTooLong { max }) = outcome
            && let Ok((message, _)) = slot.read()
            && let Ok(Some(short)) = shortened(&message, max)
        {
            self.shortened.push_back((slot, short));
            return;
        }
        match outcome {
            CarryOutcome::Accepted => {
                self.report.sent += 1;
                if let Err(error) = slot.remove() {
                    let what = format!("{id} was sent, and cannot be removed");
                    self.leave(unusable(self.directory.path(), error).context(what));
                }
            }
            CarryOutcome::Refused(why) => {
                let error = refusals::refusal(why, &to.to_string(), self.server).into();
                if is_temporary(why) {
                    self.blocked.insert(to);
                    self.leave(error);
                } else {
                    self.set_aside(&slot, Some(to), error);
                }
            }
            CarryOutcome::Unreadable(error) => self.leave(unusable(self.directory.path(), error)),
        }
    }
}

impl WaitingMessages<'_> {
    /// Prepares a message for sending. `None` if the message stays or was set aside.
    fn fit(&mut self, slot: &Slot, mut message: Spooled, origin: Origin) -> Option<Spooled> {
        let age_ms = self.now_ms.saturating_sub(origin.since_ms);
        if self.blocked.contains(&message.to) {
            self.report.left += 1;
            return None;
        }
        // A message that is retried by hand may go to another server.
        if origin.server != self.pin && !slot.is_aside() {
            self.set_aside(slot, Some(message.to), failure::for_another_server(self.server));
            return None;
        }
        let is_old = age_ms > self.age_ms_max && !slot.is_aside();
        // The server counts a time to live from acceptance; here the time in the spool counts as
        // well.
        if is_old || message.headers.ttl_ms().is_some_and(|ttl_ms| age_ms >= ttl_ms) {
            self.set_aside(slot, Some(message.to), failure::too_old(is_old));
            return None;
        }
        message.due_ms.take_if(|due_ms| *due_ms <= self.now_ms);
        Some(message)
    }

    fn leave(&mut self, why: Error) {
        self.report.left += 1;
        self.report.left_for.get_or_insert(why);
    }

    fn set_aside(&mut self, slot: &Slot, to: Option<Target>, why: Error) {
        let set = if slot.is_aside() {
            Ok(())
        } else {
            self.directory.set_aside(slot, &format!("{why:#}"))
        };
        match set {
            Ok(()) => self.report.aside.push((to, why)),
            Err(error) => {
                let what = format!("{} cannot be set aside ({why:#})", slot.id());
                self.leave(unusable(self.directory.path(), error).context(what));
            }
        }
    }
}

/// True if the server may later accept the unchanged message.
fn is_temporary(why: Refusal) -> bool {
    match why {
        Refusal::MailboxFull | Refusal::DiskFull | Refusal::IdInFuture => true,
        Refusal::UnknownTarget
        | Refusal::OtherKind
        | Refusal::IdTooOld
        | Refusal::BodyTooLong { .. } => false,
    }
}
