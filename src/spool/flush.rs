//! Sending what waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::Duration;

use anyhow::{Error, Result};

use crate::client::{self, ClientError};
use crate::logic::Intent;
use crate::process::runtime;
use crate::profile::dial;
use crate::profile::joined::Profile;
use crate::profile::refusals;
use crate::quic::Trust;
use crate::spool::carry::{CarryOutcome, Errands, carry};
use crate::spool::disk;
use crate::spool::file::{Damage, Origin, Spooled};
use crate::spool::place::{Slot, SpoolDirectory};
use crate::spool::places::unusable;
use crate::wire::{Headers, MsgId, Pin, Refusal, Target};
use crate::{clock, failure};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct FlushReport {
    pub(crate) sent: u64,
    /// Set aside now: where each was to go, and why it does not.
    pub(crate) aside: Vec<(Option<Target>, Error)>,
    /// Still waiting, though the server was there.
    pub(crate) left: u64,
    /// Why the first of them is.
    pub(crate) left_for: Option<Error>,
}

impl FlushReport {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.left += other.left;
        self.aside.extend(other.aside);
        self.left_for = self.left_for.take().or(other.left_for);
    }
}

/// What is to be sent, of one id, and how.
pub(crate) struct Flush<'a> {
    pub(crate) place: &'a SpoolDirectory,
    pub(crate) profile: &'a Profile,
    pub(crate) age_max: Duration,
    pub(crate) patience_ms: u64,
    /// All of it ends after this time.
    pub(crate) time_max: Option<Duration>,
}

impl Flush<'_> {
    /// Sends these messages in their order. Others must be kept from it meanwhile.
    pub(crate) fn run(&self, slots: Vec<Slot>) -> Result<FlushReport> {
        let server = self.profile.server.to_string();
        let mut waiting = WaitingMessages {
            place: self.place,
            slots: slots.into(),
            cut: VecDeque::new(),
            given: BTreeMap::new(),
            held: BTreeSet::new(),
            age_ms_max: self.age_max.as_millis() as u64,
            now_ms: clock::now_ms(),
            server: &server,
            pin: self.profile.pin,
            report: FlushReport::default(),
        };
        let settings = settings(self.profile, self.patience_ms);
        let conversation = carry(settings, &mut waiting);
        let result = runtime::runtime()?.block_on(async {
            match self.time_max {
                Some(time) => tokio::time::timeout(time, conversation)
                    .await
                    .unwrap_or(Err(ClientError::NoAnswer)),
                None => conversation.await,
            }
        });
        result
            .map_err(|error| refusals::client_failure(error, &server, self.profile.id.as_str()))?;
        Ok(waiting.report)
    }
}

/// A conversation as this id with its server.
pub(crate) fn settings(profile: &Profile, patience_ms: u64) -> client::Settings {
    let Profile { id, identity, server, pin } = profile;
    let intent = Intent {
        id: id.clone(),
        claim: false,
        code: None,
        prefetch: None,
        patience_ms: Some(patience_ms),
    };
    let dial = dial::dial(server, Trust::Pin(*pin), identity.clone(), false);
    client::Settings { dial, dialer: None, intent, trust_remote: false }
}

/// What waits, as the conversation takes it.
struct WaitingMessages<'a> {
    place: &'a SpoolDirectory,
    slots: VecDeque<Slot>,
    /// Those that were too long, without their middle.
    cut: VecDeque<(Slot, Spooled)>,
    /// With the client.
    given: BTreeMap<MsgId, (Slot, Target)>,
    /// Targets that take nothing at the moment: what is for them stays, in its order.
    held: BTreeSet<Target>,
    age_ms_max: u64,
    now_ms: u64,
    server: &'a str,
    pin: Pin,
    report: FlushReport,
}

impl Errands for WaitingMessages<'_> {
    fn next(&mut self) -> Option<Spooled> {
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

    fn told(&mut self, id: MsgId, outcome: CarryOutcome) {
        let Some((slot, to)) = self.given.remove(&id) else { return };
        if let CarryOutcome::Refused(Refusal::BodyTooLong { max }) = outcome
            && let Ok((parcel, _)) = slot.read()
            && let Ok(Some(short)) = parcel.cut(max)
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
    /// The message as it is to be sent now, if it is.
    fn fit(&mut self, slot: &Slot, mut parcel: Spooled, origin: Origin) -> Option<Spooled> {
        let age_ms = self.now_ms.saturating_sub(origin.since_ms);
        if self.held.contains(&parcel.to) {
            self.report.left += 1;
            return None;
        }
        // What somebody put back by hand has been looked at.
        if origin.server != self.pin && !slot.is_aside {
            self.set_aside(slot, Some(parcel.to), failure::for_another_server(self.server));
            return None;
        }
        let is_old = age_ms > self.age_ms_max && !slot.is_aside;
        if is_old || ttl_ms(&parcel.headers).is_some_and(|ttl_ms| age_ms >= ttl_ms) {
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
            if slot.is_aside { Ok(()) } else { self.place.set_aside(slot, &format!("{why:#}")) };
        match set {
            Ok(()) => self.report.aside.push((to, why)),
            Err(error) => {
                let what = format!("{} cannot be set aside ({why:#})", slot.id);
                self.leave(unusable(self.place.path(), error).context(what));
            }
        }
    }
}

/// Whether the server may take it later as it is.
fn passes(why: Refusal) -> bool {
    match why {
        Refusal::MailboxFull | Refusal::DiskFull | Refusal::IdInFuture => true,
        Refusal::UnknownTarget
        | Refusal::OtherKind
        | Refusal::IdTooOld
        | Refusal::BodyTooLong { .. } => false,
    }
}

/// How long it is worth delivering. Elsewhere that is counted from when the server takes it, but a
/// message should not get the time that it waits here for nothing.
fn ttl_ms(headers: &Headers) -> Option<u64> {
    let (_, ttl) = headers.iter().find(|(name, _)| *name == "ttl")?;
    ttl.parse::<u64>().ok()?.checked_mul(1000)
}
