//! Tracking of sent messages: asked for again on every link, told to the user once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use crate::wire::{DeliveryState, FromClient, MsgId, RecipientStatus, Target, UserId};

use super::io::{Event, PeerOutput};
use crate::logic::limits::TRACK_PAGES_OPEN_MAX;

/// Messages that the user tracks and that are not in a final state.
#[derive(Default)]
pub(super) struct TrackedMessages {
    messages: BTreeMap<MsgId, TrackedMessage>,
    /// Pages to ask for on this link, each with the recipient after which it begins.
    pages_due: VecDeque<(MsgId, Option<UserId>)>,
    /// Unanswered pages of this link, one a message; false: the message is no longer tracked, so
    /// the answer is ignored.
    pages_open: BTreeMap<MsgId, bool>,
    /// The number of messages that the server tracks for this link.
    active: usize,
    /// The number of messages of which the user does not know all recipients.
    incomplete: usize,
}

struct TrackedMessage {
    to: Target,
    /// The recipients that the user was told of.
    recipients: BTreeMap<UserId, RecipientProgress>,
    /// Users for whom the message was gone before the server named them. The user is told of them
    /// only if a later page names them as recipients.
    gone: BTreeMap<UserId, RecipientStatus>,
    /// The number of recipients that are not in a final state.
    unfinished: usize,
    /// True once the user knows all recipients.
    is_complete: bool,
    /// True while the server tracks the message for this link.
    is_active: bool,
}

struct RecipientProgress {
    state: DeliveryState,
    /// True if a page of this link named the recipient.
    is_listed: bool,
}

impl TrackedMessage {
    fn new(to: Target) -> Self {
        let (recipients, gone) = (BTreeMap::new(), BTreeMap::new());
        Self { to, recipients, gone, unfinished: 0, is_complete: false, is_active: false }
    }

    /// Records a recipient that a page names. Returns the status if it is new to the user.
    fn list(&mut self, status: RecipientStatus) -> Option<RecipientStatus> {
        let gone = self.gone.remove(&status.user);
        let status = gone.filter(|gone| gone.state > status.state).unwrap_or(status);
        if let Some(known) = self.recipients.get_mut(&status.user) {
            known.is_listed = true;
            return self.advance(status);
        }
        self.add(&status, true);
        Some(status)
    }

    /// Records an update. Returns the status if it is new to the user.
    fn update(&mut self, status: RecipientStatus) -> Option<RecipientStatus> {
        if self.recipients.contains_key(&status.user) {
            self.advance(status)
        } else if self.is_complete {
            // A user who has left the room is not a recipient.
            None
        } else if status.state == DeliveryState::Gone {
            self.gone.insert(status.user.clone(), status);
            None
        } else {
            self.add(&status, false);
            Some(status)
        }
    }

    fn add(&mut self, RecipientStatus { user, state, .. }: &RecipientStatus, is_listed: bool) {
        self.unfinished += usize::from(!state.is_final());
        self.recipients.insert(user.clone(), RecipientProgress { state: *state, is_listed });
    }

    /// Advances a known recipient. Returns the status if it is further than the known one.
    fn advance(&mut self, status: RecipientStatus) -> Option<RecipientStatus> {
        let known = self.recipients.get_mut(&status.user)?;
        if status.state <= known.state {
            return None;
        }
        self.unfinished -= usize::from(status.state.is_final() && !known.state.is_final());
        known.state = status.state;
        Some(status)
    }

    /// Records that the last page has come. Returns unfinished recipients that it no longer names.
    fn complete(&mut self) -> Vec<RecipientStatus> {
        self.is_complete = true;
        self.gone.clear();
        let mut gone = Vec::new();
        for (user, known) in &mut self.recipients {
            if !known.is_listed && !known.state.is_final() {
                known.state = DeliveryState::Gone;
                self.unfinished -= 1;
                let (user, state) = (user.clone(), DeliveryState::Gone);
                gone.push(RecipientStatus { user, state, time_ms: 0, note: None });
            }
        }
        gone
    }

    /// True when no more updates can come.
    fn is_done(&self) -> bool {
        self.is_complete && self.unfinished == 0
    }
}

impl TrackedMessages {
    /// True when the user waits for the first page of a message that the server tracks, or may
    /// track: it allows `active_max` at a time.
    pub(super) fn is_waiting(&self, active_max: usize) -> bool {
        self.incomplete > 0 && (!self.pages_open.is_empty() || self.active < active_max)
    }

    /// Begins to track a message, if it is not tracked yet.
    pub(super) fn track(&mut self, id: MsgId, to: Target) {
        if let Entry::Vacant(vacant) = self.messages.entry(id) {
            vacant.insert(TrackedMessage::new(to));
            self.incomplete += 1;
            self.pages_due.push_back((id, None));
        }
    }

    /// Ends the tracking of a message.
    pub(super) fn untrack(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        if self.remove(id).is_some_and(|message| message.is_active) {
            out.push(PeerOutput::Frame(FromClient::Untrack { id }));
        }
    }

    /// Asks for the pages that may be asked for now.
    pub(super) fn send_due(&mut self, active_max: usize, out: &mut Vec<PeerOutput>) {
        while let Some(frame) = self.next_page(active_max) {
            out.push(PeerOutput::Frame(frame));
        }
    }

    /// Records a page of the recipients of a message.
    pub(super) fn page(
        &mut self,
        id: MsgId,
        standings: Vec<RecipientStatus>,
        more: bool,
        out: &mut Vec<PeerOutput>,
    ) {
        if self.pages_open.remove(&id) != Some(true) {
            return;
        }
        let Some(message) = self.messages.get_mut(&id) else { return };
        let last = standings.last().map(|status| status.user.clone()).filter(|_| more);
        let news = standings.into_iter().filter_map(|status| message.list(status));
        let mut news: Vec<RecipientStatus> = news.collect();
        let was_complete = message.is_complete;
        match last {
            Some(_) => self.pages_due.push_front((id, last)),
            None => news.extend(message.complete()),
        }
        let complete = message.is_complete;
        self.incomplete -= usize::from(complete && !was_complete);
        if !news.is_empty() || complete && !was_complete {
            let standings = news;
            out.push(PeerOutput::Event(Event::TrackUpdate { id, standings, complete }));
        }
        self.remove_if_done(id, out);
    }

    /// Records that a message has come further with one recipient.
    pub(super) fn update(&mut self, id: MsgId, status: RecipientStatus, out: &mut Vec<PeerOutput>) {
        let Some(message) = self.messages.get_mut(&id) else { return };
        if let Some(news) = message.update(status) {
            let (standings, complete) = (vec![news], message.is_complete);
            out.push(PeerOutput::Event(Event::TrackUpdate { id, standings, complete }));
            self.remove_if_done(id, out);
        }
    }

    /// Records that the server has no such message: no updates will come.
    pub(super) fn unknown(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        if self.pages_open.remove(&id) == Some(true) && self.remove(id).is_some() {
            out.push(PeerOutput::Event(Event::UnknownMessage { id }));
        }
    }

    /// Prepares for the next link, which asks for all messages again, first for those of which the
    /// user does not know all recipients.
    pub(super) fn link_lost(&mut self) {
        self.active = 0;
        self.pages_due.clear();
        self.pages_open.clear();
        for message in self.messages.values_mut() {
            message.is_active = false;
            message.gone.clear();
            message.recipients.values_mut().for_each(|known| known.is_listed = false);
        }
        for is_complete in [false, true] {
            let all = self.messages.iter();
            let all = all.filter(|(_, message)| message.is_complete == is_complete);
            self.pages_due.extend(all.map(|(id, _)| (*id, None)));
        }
    }

    fn remove(&mut self, id: MsgId) -> Option<TrackedMessage> {
        let message = self.messages.remove(&id)?;
        self.active -= usize::from(message.is_active);
        self.pages_open.entry(id).and_modify(|is_useful| *is_useful = false);
        self.incomplete -= usize::from(!message.is_complete);
        Some(message)
    }

    /// Forgets a message that cannot come further. The server itself forgets one to a single user.
    fn remove_if_done(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        let is_done = self.messages.get(&id).is_some_and(TrackedMessage::is_done);
        if is_done
            && let Some(message) = self.remove(id)
            && !matches!(message.to, Target::User(_))
        {
            out.push(PeerOutput::Frame(FromClient::Untrack { id }));
        }
    }

    /// The frame that asks for the next page, while the server tracks fewer than `active_max`
    /// messages or tracks this one already.
    fn next_page(&mut self, active_max: usize) -> Option<FromClient> {
        while self.pages_open.len() < TRACK_PAGES_OPEN_MAX {
            let (id, after) = self.pages_due.front()?;
            let message = self.messages.get_mut(id);
            let message = message.filter(|message| message.is_active == after.is_some());
            // The message was untracked meanwhile, or tracked again.
            let Some(message) = message else {
                self.pages_due.pop_front();
                continue;
            };
            let is_full = !message.is_active && self.active >= active_max;
            // A message that is tracked again waits for the answer to its earlier page.
            if is_full || self.pages_open.contains_key(id) {
                return None;
            }
            self.active += usize::from(!message.is_active);
            message.is_active = true;
            let to = message.to.clone();
            let (id, after) = self.pages_due.pop_front()?;
            self.pages_open.insert(id, true);
            return Some(FromClient::Track { id, to, after });
        }
        None
    }
}
