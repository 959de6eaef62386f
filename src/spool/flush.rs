//! Sending what waits.

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

/// Results of a flush.
#[derive(Debug, Default)]
pub(crate) struct FlushReport {
    pub(crate) sent: u64,
    /// Messages that were set aside now, each with its target and the reason.
    pub(crate) aside: Vec<(Option<Target>, Error)>,
    /// Number of messages that still wait, though the server was there.
    pub(crate) left: u64,
    /// The reason for the first of them.
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
    pub(crate) place: &'a SpoolDirectory,
    pub(crate) profile: &'a Profile,
    pub(crate) age_max: Duration,
    pub(crate) patience_ms: u64,
    /// Time limit of the whole flush.
    pub(crate) time_max: Option<Duration>,
}

/// Sends these messages in their order. The caller holds the lock for sending.
pub(crate) fn flush(flush: &Flush<'_>, slots: Vec<Slot>) -> Result<FlushReport> {
    let server = flush.profile.server.to_string();
    let mut waiting = WaitingMessages {
        place: flush.place,
        slots: slots.into(),
        cut: VecDeque::new(),
        given: BTreeMap::new(),
        held: BTreeSet::new(),
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

/// Waiting messages, as they are sent.
struct WaitingMessages<'a> {
    place: &'a SpoolDirectory,
    slots: VecDeque<Slot>,
    /// Messages that were too long, without their middle.
    cut: VecDeque<(Slot, Spooled)>,
    /// Messages that the client has.
    given: BTreeMap<MsgId, (Slot, Target)>,
    /// Targets that take nothing at the moment: their messages stay, in order.
    held: BTreeSet<Target>,
    age_ms_max: u64,
    now_ms: u64,
    server: &'a str,
    pin: Pin,
    report: FlushReport,
}

impl SpoolQueue for WaitingMessages<'_> {
    fn next_spooled(&mut self) -> Option<Spooled> {
        if let Some((slot, parcel)) = self.cut.pop_front() {
            self.given.insert(parcel.id, (slot, parcel.to.clone()));
            return Some(parcel);
        }
        loop {
            let slot = self.slots.pop_front()?;
            match slot.read() {
                Ok((parcel, origin)) => {
                    if let Some(parcel) = self.fit(&slot, parcel, origin) {
                        self.given.insert(parcel.id, (slot, parcel.to.clone()));
                        return Some(parcel);
                    }
                }
                // Somebody has dropped it.
                Err(Damage::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(Damage::Io(error)) if disk::is_passing(&error) => self.leave(error.into()),
                // One file is in nobody else's way, whatever is wrong with it.
                Err(damage) => self.set_aside(&slot, None, failure::damaged(damage)),
            }
        }
    }

    fn on_outcome(&mut self, id: MsgId, outcome: CarryOutcome) {
        let Some((slot, to)) = self.given.remove(&id) else { return };
        if let CarryOutcome::Refused(Refusal::BodyTooLong { max }) = outcome
            && let Ok((parcel, _)) = slot.read()
            && let Ok(Some(short)) = shortened(&parcel, max)
        {
            self.cut.push_back((slot, short));
            return;
        }
        match outcome {
            CarryOutcome::Accepted => {
                self.report.sent += 1;
                if let Err(error) = slot.remove() {
                    let what = format!("{id} was sent, and cannot be removed");
                    self.leave(unusable(self.place.path(), error).context(what));
                }
            }
            CarryOutcome::Refused(why) => {
                let error = refusals::refusal(why, &to.to_string(), self.server).into();
                if passes(why) {
                    self.held.insert(to);
                    self.leave(error);
                } else {
                    self.set_aside(&slot, Some(to), error);
                }
            }
            CarryOutcome::Unreadable(error) => self.leave(unusable(self.place.path(), error)),
        }
    }
}

impl WaitingMessages<'_> {
    /// The message as it is to be sent now. `None`: it stays, or was set aside.
    fn fit(&mut self, slot: &Slot, mut parcel: Spooled, origin: Origin) -> Option<Spooled> {
        let age_ms = self.now_ms.saturating_sub(origin.since_ms);
        if self.held.contains(&parcel.to) {
            self.report.left += 1;
            return None;
        }
        // What somebody put back by hand has been looked at.
        if origin.server != self.pin && !slot.is_aside() {
            self.set_aside(slot, Some(parcel.to), failure::for_another_server(self.server));
            return None;
        }
        let is_old = age_ms > self.age_ms_max && !slot.is_aside();
        // The server counts from when it accepts a message; the time in the spool counts here.
        if is_old || parcel.headers.ttl_ms().is_some_and(|ttl_ms| age_ms >= ttl_ms) {
            self.set_aside(slot, Some(parcel.to), failure::too_old(is_old));
            return None;
        }
        parcel.due_ms.take_if(|due_ms| *due_ms <= self.now_ms);
        Some(parcel)
    }

    fn leave(&mut self, why: Error) {
        self.report.left += 1;
        self.report.left_for.get_or_insert(why);
    }

    fn set_aside(&mut self, slot: &Slot, to: Option<Target>, why: Error) {
        let set =
            if slot.is_aside() { Ok(()) } else { self.place.set_aside(slot, &format!("{why:#}")) };
        match set {
            Ok(()) => self.report.aside.push((to, why)),
            Err(error) => {
                let what = format!("{} cannot be set aside ({why:#})", slot.id());
                self.leave(unusable(self.place.path(), error).context(what));
            }
        }
    }
}

/// True if the server may accept the message later as it is.
fn passes(why: Refusal) -> bool {
    match why {
        Refusal::MailboxFull | Refusal::DiskFull | Refusal::IdInFuture => true,
        Refusal::UnknownTarget
        | Refusal::OtherKind
        | Refusal::IdTooOld
        | Refusal::BodyTooLong { .. } => false,
    }
}
