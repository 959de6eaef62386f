//! State of a client's link: connecting, hello, patience, and notices to the user.

use crate::wire::{CloseCode, Features, FromClient, JoinCode, Session, UserId};

use super::backoff::Backoff;
use super::io::{Ending, Event, Intent, PeerOutput};
use super::outbox::SendLimits;
use crate::logic::limits::{DIAL_SILENT_MS, SKEW_MS_MAX, Time};

enum LinkStage {
    /// No link. The next attempt is due at this time.
    Pausing { until_ms: u64 },
    /// An attempt is under way. After this time the user is told that there is no link.
    Dialing { offline_at_ms: u64 },
    /// A link without a hello from the server yet.
    Connected,
    /// A link whose server has sent its limits.
    Greeted(SendLimits),
    /// The client has given up or was denied.
    Over,
}

/// The link of one client, or its attempts to get one.
pub(super) struct LinkState {
    id: UserId,
    claim: bool,
    code: Option<JoinCode>,
    stage: LinkStage,
    backoff: Backoff,
    /// Names each link to the server, which ends an earlier link when a later one sends its hello.
    session: Session,
    /// Features of the server that the user's commands have needed so far.
    needed: Features,
    /// The server has welcomed this client, on this link or an earlier one.
    was_welcomed: bool,
    /// True once `Offline` was sent.
    offline_said: bool,
    /// True once `Blocked` was sent.
    blocked_said: bool,
    /// The code with which the server closed the last link, if it did.
    closed_for: Option<CloseCode>,
    /// Milliseconds that the client waits for an answer before it gives up. `None`: without limit.
    patience_ms: Option<u64>,
    /// Start of the current wait: the time of a request, or of the last answer since.
    waiting_since_ms: u64,
}

impl LinkState {
    /// The state of a client that has not dialed yet. `seed` varies the pauses, and distinguishes
    /// clients of one key.
    pub(super) fn new(now: Time, intent: Intent, seed: u64) -> Self {
        let Intent { id, claim, code, patience_ms, .. } = intent;
        Self {
            id,
            claim,
            code,
            stage: LinkStage::Pausing { until_ms: now.mono_ms },
            backoff: Backoff::new(seed),
            session: Session { client: seed, link: 0 },
            needed: Features::default(),
            was_welcomed: false,
            offline_said: false,
            blocked_said: false,
            closed_for: None,
            patience_ms,
            waiting_since_ms: now.mono_ms,
        }
    }

    /// True when the client has given up or was denied, and does nothing more.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, LinkStage::Over)
    }

    pub(super) fn was_welcomed(&self) -> bool {
        self.was_welcomed
    }

    /// The limits of the server's hello, once it has come on this link.
    pub(super) fn limits(&self) -> Option<SendLimits> {
        match self.stage {
            LinkStage::Greeted(limits) => Some(limits),
            LinkStage::Pausing { .. }
            | LinkStage::Dialing { .. }
            | LinkStage::Connected
            | LinkStage::Over => None,
        }
    }

    /// Records that a dial succeeded.
    pub(super) fn connected(&mut self) {
        self.stage = LinkStage::Connected;
    }

    /// Answers the server's hello with the client's, and tells the user if the clocks differ.
    pub(super) fn greeted(
        &mut self,
        now: Time,
        time_ms: u64,
        limits: SendLimits,
        out: &mut Vec<PeerOutput>,
    ) {
        let ahead_ms = (time_ms as i64).saturating_sub(now.unix_ms as i64);
        if ahead_ms.unsigned_abs() > SKEW_MS_MAX {
            out.push(PeerOutput::Event(Event::ClockSkew { ahead_ms }));
        }
        self.stage = LinkStage::Greeted(limits);
        if !self.needs(Features::default(), out) {
            return;
        }
        self.session.link += 1;
        let (id, claim, code) = (self.id.clone(), self.claim, self.code.clone());
        let session = Some(self.session);
        out.push(PeerOutput::Frame(FromClient::Hello {
            id,
            claim,
            code,
            session,
            features: Features::KNOWN,
        }));
    }

    /// Records that the user needs these features. Returns `false` if the server lacks one of them;
    /// the client has then ended.
    pub(super) fn needs(&mut self, features: Features, out: &mut Vec<PeerOutput>) -> bool {
        self.needed = self.needed.union(features);
        let Some(limits) = self.limits() else { return true };
        let Some(missing) = self.needed.missing_in(limits.features) else { return true };
        self.stage = LinkStage::Over;
        out.push(PeerOutput::Event(Event::Unsupported(missing)));
        false
    }

    /// Records that the server has admitted the client. Not counted as an answer: a server can
    /// welcome everybody and then die.
    pub(super) fn welcomed(&mut self, claimed: bool, out: &mut Vec<PeerOutput>) {
        self.was_welcomed = true;
        self.backoff.welcomed();
        self.blocked_said = false;
        out.push(PeerOutput::Event(Event::Welcome { claimed }));
    }

    /// Records an answer: patience and backoff start again.
    pub(super) fn answered(&mut self, now: Time) {
        self.restart_patience(now);
        self.backoff.reset();
        self.offline_said = false;
    }

    /// Counts patience from now.
    pub(super) fn restart_patience(&mut self, now: Time) {
        self.waiting_since_ms = now.mono_ms;
    }

    /// Records that the link, or the attempt to get one, has ended.
    pub(super) fn ended(&mut self, now: Time, ending: Ending, out: &mut Vec<PeerOutput>) {
        if let Ending::Closed(code) = ending
            && !code.is_some_and(CloseCode::is_transient)
        {
            self.stage = LinkStage::Over;
            return out.push(PeerOutput::Event(Event::Denied(code)));
        }
        self.closed_for = match ending {
            Ending::Closed(code) => code,
            Ending::Silence | Ending::Blocked(_) => None,
        };
        if let Ending::Blocked(why) = ending
            && !std::mem::replace(&mut self.blocked_said, true)
        {
            out.push(PeerOutput::Event(Event::Blocked(why)));
        }
        self.say_offline(out);
        let until_ms = now.mono_ms + self.backoff.next_ms();
        self.stage = LinkStage::Pausing { until_ms };
    }

    /// Carries out all work that is due. `is_waiting`: patience is counted.
    pub(super) fn tick(&mut self, now: Time, is_waiting: bool, out: &mut Vec<PeerOutput>) {
        if self.is_over() {
            return;
        }
        if self.gives_up_at_ms(is_waiting).is_some_and(|at_ms| at_ms <= now.mono_ms) {
            self.stage = LinkStage::Over;
            out.push(PeerOutput::Event(Event::GaveUp(self.closed_for)));
        }
        if let LinkStage::Dialing { offline_at_ms } = self.stage
            && offline_at_ms <= now.mono_ms
        {
            self.say_offline(out);
        }
        if let LinkStage::Pausing { until_ms } = self.stage
            && until_ms <= now.mono_ms
        {
            self.stage = LinkStage::Dialing { offline_at_ms: now.mono_ms + DIAL_SILENT_MS };
            self.backoff.attempt_begins();
            out.push(PeerOutput::Dial);
        }
    }

    /// The next time at which a tick is due, in the monotonic clock. `is_waiting`: patience is
    /// counted.
    pub(super) fn deadline(&self, is_waiting: bool) -> Option<u64> {
        let dial = match self.stage {
            LinkStage::Pausing { until_ms } => Some(until_ms),
            LinkStage::Dialing { offline_at_ms } => {
                Some(offline_at_ms).filter(|_| !self.offline_said)
            }
            LinkStage::Connected | LinkStage::Greeted(_) => None,
            LinkStage::Over => return None,
        };
        dial.into_iter().chain(self.gives_up_at_ms(is_waiting)).min()
    }

    fn gives_up_at_ms(&self, is_waiting: bool) -> Option<u64> {
        let patience_ms = self.patience_ms.filter(|_| is_waiting)?;
        Some(self.waiting_since_ms.saturating_add(patience_ms))
    }

    fn say_offline(&mut self, out: &mut Vec<PeerOutput>) {
        if !std::mem::replace(&mut self.offline_said, true) {
            out.push(PeerOutput::Event(Event::Offline));
        }
    }
}
