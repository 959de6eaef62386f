//! Sending messages with the spool behind: what waits goes first, and what finds no server waits.

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

/// Interval in which a process that waits for the right to send looks whether anything waits.
const LOOK: Duration = Duration::from_millis(100);
/// Most time that a finished command goes on sending from the spool.
const AFTER: Duration = Duration::from_secs(1);

/// The spool of one id, for commands that send.
pub(crate) struct Spool<'a> {
    place: SpoolDirectory,
    profile: &'a Profile,
    bounds: SpoolBounds,
    patience: Duration,
    talk: Verbosity,
}

/// Messages that go into the spool if they are not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    /// Those that find no server.
    Unreached,
    /// All of them, whatever is in the way: nobody hears of it otherwise.
    All,
}

/// Results of sending with the spool behind.
#[derive(Debug, Default)]
pub(crate) struct SpoolDelivery {
    /// Number of messages in the spool.
    pub(crate) kept: u64,
    /// Errors of refused messages, each with its target.
    pub(crate) failed: Vec<(Target, Error)>,
    /// Targets of messages sent without their middle, since the whole was too long for the server.
    pub(crate) cut: Vec<Target>,
}

/// Leave to send, or why there is none.
#[derive(Debug)]
pub(crate) enum SpoolTurn {
    /// No older message waits.
    Free,
    /// Older messages for the same target wait, since another process sends them.
    Busy,
    /// Older messages for the same target wait, since there is no server.
    Unreachable(Error),
}

impl<'a> Spool<'a> {
    pub(crate) fn open(
        profile: &'a Profile,
        bounds: SpoolBounds,
        patience: Duration,
        talk: Verbosity,
    ) -> Result<Self> {
        let place = SpoolDirectory::for_id(&spools()?, &profile.id);
        Ok(Self { place, profile, bounds, patience, talk })
    }

    /// Sends the messages that wait for these targets, so that they arrive before the next ones.
    pub(crate) fn before(&self, targets: &[Target]) -> SpoolTurn {
        match self.try_before(targets) {
            Ok(turn) => turn,
            Err(error) if failure::is_unreachable(&error) => SpoolTurn::Unreachable(error),
            Err(error) => {
                // It hinders nobody from sending.
                notices::note(
                    self.talk,
                    &format!("waiting messages were not sent: {}", failure::line(&error)),
                );
                SpoolTurn::Free
            }
        }
    }

    fn try_before(&self, targets: &[Target]) -> Result<SpoolTurn> {
        let pick = || self.place.pick(|to| targets.contains(to)).map_err(|e| self.unusable(e));
        if pick()?.is_empty() {
            return Ok(SpoolTurn::Free);
        }
        // Who has it sends what waits: as soon as nothing does, it is not needed.
        let start = clock::moment();
        let patience = || self.patience.saturating_sub(clock::since(start));
        loop {
            let wait = patience().min(LOOK);
            let sending = self.place.wait_to_send(wait).map_err(|e| self.unusable(e))?;
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
        crate::spool::places::unusable(self.place.path(), error)
    }

    /// Sends other waiting messages for a moment, once a server was reached. Only logs errors.
    pub(crate) fn after(&self) {
        let rest = || -> Result<()> {
            if self.place.waiting()?.is_empty() {
                return Ok(());
            }
            let Some(_sending) = self.place.try_send()? else { return Ok(()) };
            let report =
                flush::flush(&self.flush(self.patience, Some(AFTER)), self.place.waiting()?)?;
            self.note_report(&report);
            Ok(())
        };
        if let Err(error) = rest() {
            tracing::info!("some messages in the spool were not sent: {}", failure::line(&error));
        }
    }

    fn flush(&self, patience: Duration, time_max: Option<Duration>) -> Flush<'_> {
        Flush {
            place: &self.place,
            profile: self.profile,
            age_max: self.bounds.age,
            patience_ms: patience.as_millis() as u64,
            time_max,
        }
    }

    fn note_report(&self, report: &flush::FlushReport) {
        if report.sent > 0 {
            notices::note(
                self.talk,
                &format!("{} from the spool", crate::spool::places::messages(report.sent, "sent")),
            );
        }
        if !report.aside.is_empty() {
            let count =
                crate::spool::places::messages(report.aside.len() as u64, "set aside in the spool");
            notices::note(self.talk, &format!("{count}: qmsg spool list"));
        }
    }

    /// Ids of messages that wait, and of those that were set aside.
    pub(crate) fn ids(&self) -> Result<(BTreeSet<MsgId>, BTreeSet<MsgId>)> {
        let ids = |slots: Vec<Slot>| slots.into_iter().map(|slot| slot.id()).collect();
        let slots = |slots: io::Result<_>| slots.map_err(|error| self.unusable(error));
        Ok((ids(slots(self.place.waiting())?), ids(slots(self.place.aside())?)))
    }

    /// Puts messages that found no server on the disk. Returns how many, and why not the others.
    pub(crate) fn keep(&self, parcels: &[Spooled]) -> (usize, Result<()>) {
        let origin = Origin { since_ms: clock::now_ms(), server: self.profile.pin };
        let (kept, result) = self.place.keep(parcels, self.bounds.max, origin);
        (kept, result.map_err(|error| self.not_kept(error)))
    }

    fn not_kept(&self, error: NotKept) -> Error {
        let dir = self.place.path().display();
        match &error {
            NotKept::Full { .. } => Failure::new(Exit::NoSpace, format!("the spool {dir} is full"))
                .hint("qmsg spool list shows its messages; --spool-max raises the limit"),
            NotKept::Io(error) => {
                let lost = "the message was neither sent nor kept";
                let hint = disk::advice(self.place.path(), error);
                let hint = hint.map_or(lost.into(), |hint| format!("{lost}; {hint}"));
                Failure::new(Exit::NoSpace, format!("cannot keep messages in {dir}")).hint(hint)
            }
        }
        .because(error)
    }

    /// Sends messages, and puts those that cannot be sent into the spool as `keep` says.
    pub(crate) fn deliver(&self, parcels: Vec<Spooled>, keep: Keep) -> Result<SpoolDelivery> {
        let targets: Vec<Target> = parcels.iter().map(|parcel| parcel.to.clone()).collect();
        let mut own = OwnMessages::new(parcels, self.profile.server.to_string());
        let gone = match self.before(&targets) {
            SpoolTurn::Unreachable(error) => Some(error),
            SpoolTurn::Busy if keep != Keep::Nothing => Some(crate::spool::places::busy().into()),
            SpoolTurn::Free | SpoolTurn::Busy => {
                let settings = flush::settings(self.profile, self.patience.as_millis() as u64);
                let result = runtime::runtime()?.block_on(carry(settings, &mut own));
                let (server, id) = (&own.server, self.profile.id.as_str());
                result.err().map(|error| refusals::client_failure(error, server, id))
            }
        };
        let mut delivery =
            SpoolDelivery { cut: std::mem::take(&mut own.cut), ..SpoolDelivery::default() };
        let failed = std::mem::take(&mut own.failed);
        let aside = if keep == Keep::All { self.keep_refused(&failed) } else { Ok(()) };
        delivery.failed.extend(failed.into_iter().map(|(parcel, error)| (parcel.to, error)));
        let Some(gone) = gone else {
            self.after();
            return aside.map(|()| delivery);
        };
        let is_unreachable = failure::is_unreachable(&gone);
        if keep == Keep::Nothing || !is_unreachable && keep == Keep::Unreached {
            return Err(gone);
        }
        let unanswered = own.unanswered();
        let (kept, result) = self.keep(&unanswered);
        delivery.kept = kept as u64;
        match result.and(aside) {
            Ok(()) if is_unreachable => Ok(delivery),
            // Kept, but somebody has to do something.
            Ok(()) => Err(gone),
            Err(error) => Err(error),
        }
    }

    /// Sets refused messages aside in the spool, where they are not sent again.
    fn keep_refused(&self, refused: &[(Spooled, Error)]) -> Result<()> {
        let mut result = Ok(());
        for (parcel, error) in refused {
            let kept = self.keep(std::slice::from_ref(parcel)).1.and_then(|()| {
                let slots = self.place.waiting().map_err(|e| self.unusable(e))?;
                let slot = slots.iter().find(|slot| slot.id() == parcel.id);
                let aside = slot.map(|slot| self.place.set_aside(slot, &failure::line(error)));
                aside.unwrap_or(Ok(())).map_err(|e| self.unusable(e))
            });
            // The others are kept all the same.
            result = result.and(kept);
        }
        result
    }
}

/// The messages of a command.
struct OwnMessages {
    next: VecDeque<Spooled>,
    given: BTreeMap<MsgId, Spooled>,
    server: String,
    failed: Vec<(Spooled, Error)>,
    ids: MsgIds,
    /// New ids of messages that are sent again.
    redated: BTreeSet<MsgId>,
    /// Milliseconds that the server's clock is ahead of this machine's, while nothing that was sent
    /// can have been stored before.
    ahead_ms: Option<i64>,
    is_linked: bool,
    /// Targets of messages that are sent without their middle.
    cut: Vec<Target>,
}

impl OwnMessages {
    fn new(parcels: Vec<Spooled>, server: String) -> Self {
        let (next, given) = (parcels.into(), BTreeMap::new());
        Self {
            next,
            given,
            server,
            failed: Vec::new(),
            ids: MsgIds::default(),
            redated: BTreeSet::new(),
            ahead_ms: None,
            is_linked: false,
            cut: Vec::new(),
        }
    }

    fn unanswered(self) -> Vec<Spooled> {
        self.given.into_values().chain(self.next).collect()
    }
}

impl SpoolQueue for OwnMessages {
    fn next_spooled(&mut self) -> Option<Spooled> {
        let parcel = self.next.pop_front()?;
        self.given.insert(parcel.id, parcel.clone());
        Some(parcel)
    }

    fn on_outcome(&mut self, id: MsgId, outcome: CarryOutcome) {
        let Some(parcel) = self.given.remove(&id) else { return };
        let is_for_time =
            matches!(outcome, CarryOutcome::Refused(Refusal::IdTooOld | Refusal::IdInFuture));
        if is_for_time
            && !id.is_keyed()
            && !self.redated.contains(&parcel.id)
            && let Some(ahead_ms) = self.ahead_ms
        {
            // Dated by the clock that the server goes by.
            let id = ids::fresh_by(&mut self.ids, ahead_ms);
            self.redated.insert(id);
            return self.next.push_back(Spooled { id, ..parcel });
        }
        if let CarryOutcome::Refused(Refusal::BodyTooLong { max }) = outcome
            && let Ok(Some(short)) = shortened(&parcel, max)
        {
            self.cut.push(short.to.clone());
            self.next.push_front(short);
            return;
        }
        let error = match outcome {
            CarryOutcome::Accepted => return,
            CarryOutcome::Refused(why) => {
                refusals::refusal(why, &parcel.to.to_string(), &self.server).into()
            }
            CarryOutcome::Unreadable(error) => failure::unreadable("the message", error),
        };
        self.failed.push((parcel, error));
    }

    fn on_skew(&mut self, ahead_ms: i64) {
        // Once: what was on its way on another link may have been stored.
        self.ahead_ms = Some(ahead_ms).filter(|_| !std::mem::replace(&mut self.is_linked, true));
    }

    fn on_disconnect(&mut self) {
        self.ahead_ms = None;
    }
}
