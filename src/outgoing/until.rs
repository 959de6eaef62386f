//! The recipient statuses of accepted messages, and the exit code that they come to.
//! A state machine without a clock: updates and times go in, commands and receipts come out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::failure::Exit;
use crate::logic::Command;
use crate::outgoing::job::Until;
use crate::outgoing::limits::{OPEN_MAX, TRACKED_MAX};
use crate::outgoing::receipt::{AcceptedMessage, Receipt, RecipientOutcome};
use crate::wire::{DeliveryState, MsgId, RecipientStatus, Target, UserId};

/// All accepted messages that have not reached the wanted state.
pub(crate) struct UntilTracker {
    wanted: Until,
    /// Time limit of each message in milliseconds from its acceptance.
    timeout_ms: Option<u64>,
    /// Number of replies after which no more are waited for.
    enough: Option<u64>,
    replies: u64,
    open: BTreeMap<MsgId, OpenMessage>,
    /// Deadlines in ascending order, in milliseconds. Their messages may be closed already.
    due: VecDeque<(u64, MsgId)>,
    /// Messages to be tracked. Some may be closed already.
    to_track: VecDeque<MsgId>,
    /// Messages to be untracked.
    to_untrack: VecDeque<MsgId>,
    tracked: usize,
    outcomes: BTreeMap<RecipientOutcome, u64>,
}

/// A message that has not reached the wanted state with all recipients.
struct OpenMessage {
    message: AcceptedMessage,
    is_tracked: bool,
    /// True once all recipients are known.
    is_complete: bool,
    /// Recipients without an outcome: the state and its time, in milliseconds since 1970.
    under_way: BTreeMap<UserId, (DeliveryState, u64)>,
    /// Recipients with an outcome.
    reported: BTreeSet<UserId>,
}

impl UntilTracker {
    pub(crate) fn new(wanted: Until, timeout_ms: Option<u64>, enough: Option<u64>) -> Self {
        Self {
            wanted,
            timeout_ms,
            enough,
            replies: 0,
            open: BTreeMap::new(),
            due: VecDeque::new(),
            to_track: VecDeque::new(),
            to_untrack: VecDeque::new(),
            tracked: 0,
            outcomes: BTreeMap::new(),
        }
    }

    /// Adds a message that the server has accepted.
    pub(crate) fn accepted(&mut self, id: MsgId, message: AcceptedMessage, now_ms: u64) {
        if self.has_enough() {
            return;
        }
        let (under_way, reported) = (BTreeMap::new(), BTreeSet::new());
        self.open.insert(
            id,
            OpenMessage { message, is_tracked: false, is_complete: false, under_way, reported },
        );
        self.to_track.push_back(id);
        if let Some(timeout_ms) = self.timeout_ms {
            self.due.push_back((now_ms.saturating_add(timeout_ms), id));
        }
    }

    /// Takes statuses of some recipients. With `is_complete` all recipients are known.
    pub(crate) fn on_update(
        &mut self,
        id: MsgId,
        statuses: &[RecipientStatus],
        is_complete: bool,
        receipts: &mut Vec<Receipt>,
    ) {
        for status in statuses {
            let Some(open) = self.open.get_mut(&id) else { return };
            let RecipientStatus { user, state, time_ms, note } = status.clone();
            let Some(outcome) = RecipientOutcome::from_state(self.wanted, state) else {
                if !open.reported.contains(&user) {
                    open.under_way.insert(user, (state, time_ms));
                }
                continue;
            };
            if !open.reported.insert(user.clone()) {
                continue;
            }
            open.under_way.remove(&user);
            self.replies += u64::from(state == DeliveryState::Processed && note.is_some());
            let (message, user) = (open.message.clone(), Some(user));
            self.report(Receipt { id, message, user, outcome, state, time_ms, note }, receipts);
            if self.has_enough() {
                return self.close_all();
            }
        }
        let Some(open) = self.open.get_mut(&id) else { return };
        open.is_complete |= is_complete;
        if open.is_complete && open.under_way.is_empty() {
            self.close(id);
        }
    }

    /// Ends a message that the server does not have, or no longer has.
    pub(crate) fn on_unknown(&mut self, id: MsgId, receipts: &mut Vec<Receipt>) {
        self.end_message(id, |_| (RecipientOutcome::Gone, DeliveryState::Gone), receipts);
    }

    /// Ends messages whose time is up.
    pub(crate) fn tick(&mut self, now_ms: u64, receipts: &mut Vec<Receipt>) {
        while let Some(&(at_ms, id)) = self.due.front()
            && at_ms <= now_ms
        {
            self.due.pop_front();
            let late = |state| match state {
                DeliveryState::Accepted => (RecipientOutcome::Undelivered, state),
                _ => (RecipientOutcome::Unprocessed, state),
            };
            self.end_message(id, late, receipts);
        }
    }

    /// The time at which `tick` is due.
    pub(crate) fn deadline(&mut self) -> Option<u64> {
        while let Some((at_ms, id)) = self.due.front() {
            if self.open.contains_key(id) {
                return Some(*at_ms);
            }
            self.due.pop_front();
        }
        None
    }

    /// The next command for the client.
    pub(crate) fn command(&mut self) -> Option<Command> {
        if let Some(id) = self.to_untrack.pop_front() {
            return Some(Command::Untrack(id));
        }
        while self.tracked < TRACKED_MAX {
            let id = self.to_track.pop_front()?;
            if let Some(open) = self.open.get_mut(&id) {
                open.is_tracked = true;
                self.tracked += 1;
                return Some(Command::Track { id, to: open.message.to.clone() });
            }
        }
        None
    }

    /// True if more may be sent, while `sent` messages are not accepted yet.
    pub(crate) fn has_room(&self, sent: usize) -> bool {
        self.open.len() + sent < OPEN_MAX
    }

    /// True if nothing is waited for and there is no command.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty() && self.to_untrack.is_empty()
    }

    /// The exit code that the outcomes of all messages come to.
    pub(crate) fn exit(&self) -> Exit {
        if self.has_enough() {
            return Exit::Success;
        }
        let mut exits = self.outcomes.keys().map(|outcome| outcome.exit());
        let first = exits.next().unwrap_or(Exit::Success);
        let lacks_replies = self.enough.is_some() && first == Exit::Success;
        if lacks_replies || exits.any(|exit| exit != first) { Exit::Partial } else { first }
    }

    /// Numbers of recipients with another outcome than `Reached`, and of all recipients.
    pub(crate) fn missed(&self) -> (u64, u64) {
        let all = self.outcomes.values().sum();
        (all - self.outcomes.get(&RecipientOutcome::Reached).copied().unwrap_or_default(), all)
    }

    fn has_enough(&self) -> bool {
        self.enough.is_some_and(|enough| self.replies >= enough)
    }

    fn report(&mut self, receipt: Receipt, receipts: &mut Vec<Receipt>) {
        *self.outcomes.entry(receipt.outcome).or_default() += 1;
        receipts.push(receipt);
    }

    /// Ends a message. Recipients without an outcome, known or not, get the outcome of `as_from`.
    fn end_message(
        &mut self,
        id: MsgId,
        as_from: impl Fn(DeliveryState) -> (RecipientOutcome, DeliveryState),
        receipts: &mut Vec<Receipt>,
    ) {
        let Some(open) = self.open.get_mut(&id) else { return };
        let under_way = std::mem::take(&mut open.under_way).into_iter();
        let mut ends: Vec<_> =
            under_way.map(|(user, (state, time_ms))| (Some(user), state, time_ms)).collect();
        let message = open.message.clone();
        match &message.to {
            Target::User(user) if ends.is_empty() && !open.reported.contains(user) => {
                ends.push((Some(user.clone()), DeliveryState::Accepted, 0));
            }
            Target::Room(_) | Target::All if !open.is_complete => {
                ends.push((None, DeliveryState::Accepted, 0));
            }
            _ => {}
        }
        for (user, state, time_ms) in ends {
            let (outcome, state) = as_from(state);
            let message = message.clone();
            self.report(
                Receipt { id, message, user, outcome, state, time_ms, note: None },
                receipts,
            );
        }
        self.close(id);
    }

    fn close(&mut self, id: MsgId) {
        if self.open.remove(&id).is_some_and(|open| open.is_tracked) {
            self.tracked -= 1;
            self.to_untrack.push_back(id);
        }
    }

    fn close_all(&mut self) {
        let ids: Vec<MsgId> = self.open.keys().copied().collect();
        ids.into_iter().for_each(|id| self.close(id));
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::{AcceptedMessage, OPEN_MAX, Receipt, TRACKED_MAX, Until, UntilTracker};
    use crate::logic::Command;
    use crate::wire::{Body, DeliveryState, MsgId, Note, RecipientStatus};

    fn id() -> MsgId {
        MsgId::from_bytes([7; 16])
    }

    fn message(to: &str) -> AcceptedMessage {
        AcceptedMessage {
            number: 1,
            to: to.parse().unwrap(),
            duplicate: false,
            heard_ms: 0,
            ttl_ms: None,
        }
    }

    /// Parses a status such as `bob=processed:reply`.
    fn status(text: &str) -> RecipientStatus {
        let (user, state) = text.split_once('=').unwrap();
        let (state, note) = state.split_once(':').map_or((state, None), |(s, n)| (s, Some(n)));
        let state = match state {
            "accepted" => DeliveryState::Accepted,
            "delivered" => DeliveryState::Delivered,
            "gone" => DeliveryState::Gone,
            "refused" => DeliveryState::Rejected,
            _ => DeliveryState::Processed,
        };
        let note = note.map(|note| Note::new(Body(note.to_owned().into())).unwrap());
        RecipientStatus { user: user.parse().unwrap(), state, time_ms: 5, note }
    }

    /// Runs the steps of one message, and returns its receipts. `bob=delivered,carol=accepted` is
    /// an update, with a dot at its end a complete one; `late` is the deadline, `none` the answer
    /// that the message is unknown.
    fn after(tracker: &mut UntilTracker, to: &str, steps: &str) -> String {
        let mut receipts = Vec::new();
        tracker.accepted(id(), message(to), 0);
        while tracker.command().is_some() {}
        for step in steps.split_whitespace() {
            match step {
                "late" => tracker.tick(100, &mut receipts),
                "none" => tracker.on_unknown(id(), &mut receipts),
                _ => {
                    let all = step.trim_end_matches('.');
                    let statuses: Vec<RecipientStatus> =
                        all.split(',').filter(|one| !one.is_empty()).map(status).collect();
                    tracker.on_update(id(), &statuses, step.ends_with('.'), &mut receipts);
                }
            }
        }
        let show = |receipt: &Receipt| {
            let user = receipt.user.as_ref().map_or("?", |user| user.as_str());
            format!("{user} {:?}", receipt.outcome).to_lowercase()
        };
        receipts.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    fn untracks(tracker: &mut UntilTracker) -> bool {
        matches!(tracker.command(), Some(Command::Untrack(of)) if of == id())
    }

    #[test]
    fn each_row_of_the_exit_codes() {
        let (d, p) = (Until::Delivered, Until::Processed);
        let cases = [
            (d, "bob", "bob=delivered.", 0, "bob reached"),
            (d, "bob", "bob=accepted. bob=delivered bob=processed", 0, "bob reached"),
            (d, "bob", "bob=refused:no.", 0, "bob reached"),
            (d, "bob", "bob=accepted. late", 10, "bob undelivered"),
            (d, "bob", "late", 10, "bob undelivered"),
            (d, "bob", "bob=gone.", 10, "bob gone"),
            (d, "bob", "none", 10, "bob gone"),
            (p, "bob", "bob=accepted. bob=delivered bob=processed", 0, "bob reached"),
            (p, "bob", "bob=accepted. late bob=processed", 10, "bob undelivered"),
            (p, "bob", "bob=delivered. late", 11, "bob unprocessed"),
            (p, "bob", "bob=delivered. bob=refused:no", 12, "bob refused"),
            (p, "bob", "bob=delivered. bob=gone", 10, "bob gone"),
            (p, "@ops", ".", 0, ""),
            (p, "@ops", "a=processed b=processed.", 0, "a reached, b reached"),
            (p, "@ops", "a=processed. late", 0, "a reached"),
            (p, "@ops", "a=processed late", 13, "a reached, ? undelivered"),
            (p, "@all", "late", 10, "? undelivered"),
            (p, "@all", "a=accepted,b=accepted. late", 10, "a undelivered, b undelivered"),
            (p, "@all", "a=delivered,b=delivered. late", 11, "a unprocessed, b unprocessed"),
            (p, "@all", "a=refused,b=refused.", 12, "a refused, b refused"),
            (p, "@all", "a=accepted,b=gone. late", 10, "b gone, a undelivered"),
            (p, "@all", "a=accepted,b=delivered. late", 13, "a undelivered, b unprocessed"),
            (p, "@all", "a=refused,b=processed.", 13, "a refused, b reached"),
            (p, "@all", "a=refused,b=delivered. late", 13, "a refused, b unprocessed"),
            (p, "@ops", "a=delivered,b=processed. a=processed", 0, "b reached, a reached"),
        ];
        for (wanted, to, steps, code, reported) in cases {
            let mut tracker = UntilTracker::new(wanted, Some(100), None);
            assert_eq!(after(&mut tracker, to, steps), reported, "{wanted:?} {to}: {steps}");
            assert_eq!(tracker.exit().code(), code, "{wanted:?} {to}: {steps}");
            assert!(tracker.open.is_empty(), "{steps}");
            assert!(untracks(&mut tracker), "{steps}");
            assert!(tracker.is_done() && tracker.deadline().is_none());
        }
    }

    #[test]
    fn so_many_replies_are_enough() {
        let cases = [
            (1, "a=processed:x,b=processed:y.", 0, "a reached"),
            (2, "a=processed:x b=processed,c=processed:", 0, "a reached, b reached, c reached"),
            (1, "a=processed.", 13, "a reached"),
            (1, "a=refused:no.", 12, "a refused"),
            (2, "a=processed:x,b=delivered. late", 13, "a reached, b unprocessed"),
            (1, "a=delivered. late", 11, "a unprocessed"),
        ];
        for (enough, steps, code, reported) in cases {
            let mut tracker = UntilTracker::new(Until::Processed, Some(100), Some(enough));
            assert_eq!(after(&mut tracker, "@ops", steps), reported, "{steps}");
            assert_eq!(tracker.exit().code(), code, "{steps}");
            assert!(untracks(&mut tracker), "{steps}");
            assert!(tracker.is_done());
        }
    }

    #[test]
    fn what_is_asked_about_is_bounded() {
        let mut tracker = UntilTracker::new(Until::Processed, None, None);
        let ids = || (0..OPEN_MAX as u64).map(|n| id().plus(n));
        for id in ids() {
            tracker.accepted(id, message("bob"), 0);
        }
        assert!(!tracker.has_room(0) && tracker.deadline().is_none());
        let tracked = std::iter::from_fn(|| tracker.command()).count();
        assert_eq!((tracked, tracker.command().is_some()), (TRACKED_MAX, false));
        tracker.on_update(id(), &[status("bob=processed")], true, &mut vec![]);
        assert!(tracker.has_room(0) && !tracker.has_room(1));
        assert!(untracks(&mut tracker), "before the next is watched");
        assert!(matches!(tracker.command(), Some(Command::Track { .. })));
        assert!(tracker.command().is_none());
        // Messages that are not tracked yet may end, too.
        for id in ids() {
            tracker.on_unknown(id, &mut vec![]);
        }
        while let Some(command) = tracker.command() {
            assert!(matches!(command, Command::Untrack(_)));
        }
        assert!(tracker.is_done());
    }
}
