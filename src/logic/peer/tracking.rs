//! How far a client's messages come with their recipients: asked on every link again, told once.

use std::collections::{BTreeMap, VecDeque};

use crate::wire::{DeliveryState, FromClient, MsgId, RecipientStatus, Target, UserId};

use super::io::{Event, PeerOutput};
use super::machine::Peer;
use crate::logic::limits::{TRACK_PAGES_OPEN_MAX, Time};

/// The messages that the user watches, all of which may come further.
#[derive(Default)]
pub(super) struct Following {
    watches: BTreeMap<MsgId, Watch>,
    /// Pages to be asked for on this link, each behind a recipient.
    asks: VecDeque<(MsgId, Option<UserId>)>,
    /// Asked for on this link and not answered, one for a message at a time; whether the answer is
    /// of any use.
    asked: BTreeMap<MsgId, bool>,
    /// Watches that the server counts on this link.
    begun: usize,
    /// Watches not all of whose recipients have been told of yet.
    incomplete: usize,
}

struct Watch {
    to: Target,
    told: BTreeMap<UserId, Told>,
    /// Those for whom it is over, though it is not known whether they are recipients: the server
    /// may name them yet, by what it knew before.
    gone: BTreeMap<UserId, RecipientStatus>,
    /// Of those told the ones with whom it may come further.
    open: usize,
    /// All recipients have been told of.
    complete: bool,
    /// The server counts it on this link.
    begun: bool,
}

struct Told {
    state: DeliveryState,
    /// The server named the recipient on this link.
    listed: bool,
}

impl Watch {
    /// A recipient is named. What is to be told: what is further than what was told before.
    fn listed(&mut self, standing: RecipientStatus) -> Option<RecipientStatus> {
        let gone = self.gone.remove(&standing.user);
        let standing = gone.filter(|gone| gone.state > standing.state).unwrap_or(standing);
        if let Some(told) = self.told.get_mut(&standing.user) {
            told.listed = true;
            return self.further(standing);
        }
        self.add(&standing, true);
        Some(standing)
    }

    /// It has come so far with somebody. What is to be told.
    fn came(&mut self, standing: RecipientStatus) -> Option<RecipientStatus> {
        if self.told.contains_key(&standing.user) {
            self.further(standing)
        } else if self.complete {
            // No recipient: one who has left the room.
            None
        } else if standing.state == DeliveryState::Gone {
            self.gone.insert(standing.user.clone(), standing);
            None
        } else {
            self.add(&standing, false);
            Some(standing)
        }
    }

    fn add(&mut self, RecipientStatus { user, state, .. }: &RecipientStatus, listed: bool) {
        self.open += usize::from(!state.is_final());
        self.told.insert(user.clone(), Told { state: *state, listed });
    }

    fn further(&mut self, standing: RecipientStatus) -> Option<RecipientStatus> {
        let told = self.told.get_mut(&standing.user)?;
        if standing.state <= told.state {
            return None;
        }
        self.open -= usize::from(standing.state.is_final() && !told.state.is_final());
        told.state = standing.state;
        Some(standing)
    }

    /// All recipients have been named. Those who are none any more, though it was not done with
    /// them.
    fn completed(&mut self) -> Vec<RecipientStatus> {
        self.complete = true;
        self.gone.clear();
        let mut gone = Vec::new();
        for (user, told) in &mut self.told {
            if !told.listed && !told.state.is_final() {
                told.state = DeliveryState::Gone;
                self.open -= 1;
                let user = user.clone();
                gone.push(RecipientStatus {
                    user,
                    state: DeliveryState::Gone,
                    time_ms: 0,
                    note: None,
                });
            }
        }
        gone
    }

    /// Whether nothing more can come.
    fn is_done(&self) -> bool {
        self.complete && self.open == 0
    }
}

impl Following {
    /// Whether the server has yet to name recipients for the first time, while it lets so many
    /// watches be begun.
    pub(super) fn is_waiting(&self, watches_max: usize) -> bool {
        self.incomplete > 0 && (!self.asked.is_empty() || self.begun < watches_max)
    }

    fn remove(&mut self, id: MsgId) -> Option<Watch> {
        let watch = self.watches.remove(&id)?;
        self.begun -= usize::from(watch.begun);
        self.asked.entry(id).and_modify(|of_use| *of_use = false);
        self.incomplete -= usize::from(!watch.complete);
        Some(watch)
    }

    /// The next page to ask for, while no more than so many watches are begun.
    fn next_ask(&mut self, watches_max: usize) -> Option<FromClient> {
        while self.asked.len() < TRACK_PAGES_OPEN_MAX {
            let (id, after) = self.asks.front()?;
            let watch = self.watches.get_mut(id).filter(|watch| watch.begun == after.is_some());
            // It has ended meanwhile, or been begun anew.
            let Some(watch) = watch else {
                self.asks.pop_front();
                continue;
            };
            let is_full = !watch.begun && self.begun >= watches_max;
            // One that is watched anew waits until it is answered what it was before.
            if is_full || self.asked.contains_key(id) {
                return None;
            }
            self.begun += usize::from(!watch.begun);
            watch.begun = true;
            let to = watch.to.clone();
            let (id, after) = self.asks.pop_front()?;
            self.asked.insert(id, true);
            return Some(FromClient::Track { id, to, after });
        }
        None
    }

    /// The link is gone: all are to be asked for again, first those of which least is known.
    pub(super) fn rewind(&mut self) {
        self.begun = 0;
        self.asks.clear();
        self.asked.clear();
        for watch in self.watches.values_mut() {
            watch.begun = false;
            watch.gone.clear();
            watch.told.values_mut().for_each(|told| told.listed = false);
        }
        for complete in [false, true] {
            let watches = self.watches.iter().filter(|(_, watch)| watch.complete == complete);
            self.asks.extend(watches.map(|(id, _)| (*id, None)));
        }
    }
}

impl Peer {
    pub(super) fn watch(&mut self, now: Time, id: MsgId, to: Target, out: &mut Vec<PeerOutput>) {
        if self.following.watches.contains_key(&id) {
            return;
        }
        self.awaits(now);
        let (told, gone) = (BTreeMap::new(), BTreeMap::new());
        let watch = Watch { to, told, gone, open: 0, complete: false, begun: false };
        self.following.watches.insert(id, watch);
        self.following.incomplete += 1;
        self.following.asks.push_back((id, None));
        self.follow(out);
    }

    pub(super) fn unwatch(&mut self, now: Time, id: MsgId, out: &mut Vec<PeerOutput>) {
        self.awaits(now);
        if self.following.remove(id).is_some_and(|watch| watch.begun) {
            out.push(PeerOutput::Frame(FromClient::Untrack { id }));
        }
        self.follow(out);
    }

    /// Asks for as many pages as may be asked for.
    pub(super) fn follow(&mut self, out: &mut Vec<PeerOutput>) {
        let Some(watches_max) = self.watches_max() else { return };
        while let Some(frame) = self.following.next_ask(watches_max) {
            out.push(PeerOutput::Frame(frame));
        }
    }

    /// A page of the recipients of a message has come.
    pub(super) fn watched(
        &mut self,
        id: MsgId,
        standings: Vec<RecipientStatus>,
        more: bool,
        out: &mut Vec<PeerOutput>,
    ) {
        if self.following.asked.remove(&id) == Some(true)
            && let Some(watch) = self.following.watches.get_mut(&id)
        {
            let last = standings.last().map(|standing| standing.user.clone()).filter(|_| more);
            let news = standings.into_iter().filter_map(|standing| watch.listed(standing));
            let mut news: Vec<RecipientStatus> = news.collect();
            let was_complete = watch.complete;
            match last {
                Some(_) => self.following.asks.push_front((id, last)),
                None => news.extend(watch.completed()),
            }
            self.following.incomplete -= usize::from(watch.complete && !was_complete);
            if !news.is_empty() || watch.complete && !was_complete {
                let (standings, complete) = (news, watch.complete);
                out.push(PeerOutput::Event(Event::TrackUpdate { id, standings, complete }));
            }
            self.end_watch(id, out);
        }
        self.follow(out);
    }

    /// A message that is watched has come further.
    pub(super) fn stood(
        &mut self,
        id: MsgId,
        standing: RecipientStatus,
        out: &mut Vec<PeerOutput>,
    ) {
        let Some(watch) = self.following.watches.get_mut(&id) else { return };
        if let Some(news) = watch.came(standing) {
            let (standings, complete) = (vec![news], watch.complete);
            out.push(PeerOutput::Event(Event::TrackUpdate { id, standings, complete }));
            self.end_watch(id, out);
            self.follow(out);
        }
    }

    /// A message is not there: nothing will be known of it.
    pub(super) fn not_there(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        if self.following.asked.remove(&id) == Some(true) && self.following.remove(id).is_some() {
            out.push(PeerOutput::Event(Event::UnknownMessage { id }));
        }
        self.follow(out);
    }

    /// Forgets a message with which nothing more can come. The server does the same by itself if it
    /// went to one user.
    fn end_watch(&mut self, id: MsgId, out: &mut Vec<PeerOutput>) {
        let done = self.following.watches.get(&id).is_some_and(Watch::is_done);
        if done
            && let Some(watch) = self.following.remove(id)
            && !matches!(watch.to, Target::User(_))
        {
            out.push(PeerOutput::Frame(FromClient::Untrack { id }));
        }
    }
}
