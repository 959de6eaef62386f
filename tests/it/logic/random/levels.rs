//! Random runs: tracking, replies, rejections and parked messages.

use qmsg::durable::Disposition;
use qmsg::logic::{Command, Draft};
use qmsg::wire::{Body, DeliveryState, MsgId, Note, ParkedKind, RecipientStatus, Seq, UserId};

use super::{Client, Run, World};
use crate::logic::draft;
use crate::memory::parked::Letter;

impl Run {
    /// Lets somebody track a message, or look at parked ones.
    pub(super) fn look_after(&mut self) {
        let client = self.client();
        match self.chance.below(12) {
            0..6 => self.watch(client),
            6..8 => self.unwatch(client),
            8..11 => self.look_into(client),
            _ if self.takes => self.take_out(client),
            _ => {}
        }
    }

    fn watch(&mut self, index: usize) {
        let client = &self.world.clients[index];
        let recent: Vec<MsgId> = client.accepted.iter().rev().take(20).copied().collect();
        let Some(id) = self.chance.pick(&recent) else { return };
        let client = &self.world.clients[index];
        let draft = client.drafts.iter().find(|draft| draft.id == id).unwrap();
        if draft.due_ms.is_none() && !client.watches.contains_key(&id) {
            let to = draft.to.clone();
            self.world.watch(index, id, to);
        }
    }

    fn unwatch(&mut self, index: usize) {
        let watched: Vec<MsgId> = self.world.clients[index].watches.keys().copied().collect();
        let Some(id) = self.chance.pick(&watched) else { return };
        self.world.clients[index].watches.remove(&id);
        self.world.feed(index, Command::Untrack(id));
    }

    fn look_into(&mut self, index: usize) {
        let drawer = self.chance.pick(&[ParkedKind::DeadLetters, ParkedKind::Scheduled]).unwrap();
        self.world.look_into(index, drawer);
    }

    fn take_out(&mut self, index: usize) {
        let drawer = self.chance.pick(&[ParkedKind::DeadLetters, ParkedKind::Scheduled]).unwrap();
        let client = &self.world.clients[index];
        let letters = self.world.server.store.drawers.all();
        let mine = letters.filter(|letter| letter.owner == client.user && letter.drawer == drawer);
        let ids: Vec<MsgId> = mine.map(|letter| letter.message.id).collect();
        let id = self.chance.pick(&ids).filter(|_| !self.chance.one_in(3));
        let back = self.chance.one_in(2);
        self.world.feed(index, Command::TakeParked { drawer, id, back });
    }

    /// Lets a user reply to a message or reject it.
    pub(super) fn judge(&mut self, index: usize, seq: Seq) {
        self.said += 1;
        let note = Note::new(Body(self.said.to_be_bytes().to_vec().into())).unwrap();
        let (command, verdict) = if self.chance.one_in(2) {
            let (reply, said) = (note.clone(), Disposition::Replied(note));
            (Command::Reply { seq, reply }, said)
        } else {
            let (attempts, reason) = (self.said, note.clone());
            let said = Disposition::Rejected { attempts, reason: note };
            (Command::Reject { seq, attempts, reason }, said)
        };
        self.world.clients[index].verdicts.insert(seq, verdict);
        self.world.judge(index, seq, command);
    }

    /// A scheduled draft that is due soon.
    pub(super) fn later(&mut self, to: &str) -> Draft {
        self.sent += 1;
        let len = self.chance.below(60);
        let in_ms = self.chance.below(3_000) as u64;
        let due_ms = Some(self.world.server.now.unix_ms + in_ms);
        Draft { due_ms, ..draft(self.sent, to, len) }
    }

    /// Ends the tracking of messages whose status is complete and correct. Returns true if there
    /// were any.
    fn end_watches(&mut self) -> bool {
        let mut ended = false;
        for index in 0..self.world.clients.len() {
            let client = &self.world.clients[index];
            let complete = client.watches.iter().filter(|(_, watch)| watch.complete);
            let right = complete.filter(|(id, _)| wrong_of(&self.world, client, **id).is_empty());
            for id in right.map(|(id, _)| *id).collect::<Vec<MsgId>>() {
                self.world.clients[index].watches.remove(&id);
                self.world.feed(index, Command::Untrack(id));
                ended = true;
            }
        }
        ended
    }

    /// Lets scheduled messages become due, and the status of every tracked message become complete
    /// and correct. Such a message makes room for others if the server limits their number.
    pub(super) fn settle_levels(&mut self) {
        let later = |letter: &Letter| letter.drawer == ParkedKind::Scheduled;
        for _ in 0..100 {
            if !self.world.server.store.drawers.all().any(later) {
                break;
            }
            // Clocks may have been half a day ahead.
            self.world.pass(900_000);
            self.world.drain();
        }
        assert!(!self.world.server.store.drawers.all().any(later), "due and not sent");
        while self.end_watches() {
            self.world.drain();
        }
        for index in 0..self.world.clients.len() {
            let client = &self.world.clients[index];
            let wrong = client.watches.keys().map(|id| wrong_of(&self.world, client, *id));
            let wrong: Vec<Vec<String>> = wrong.collect();
            assert!(wrong.is_empty(), "not complete, or not right: {wrong:?}");
            self.world.look_into(index, ParkedKind::DeadLetters);
            self.world.drain();
            let client = &self.world.clients[index];
            let letters = self.world.server.store.drawers.all();
            let dead =
                letters.filter(|l| l.owner == client.user && l.drawer == ParkedKind::DeadLetters);
            let dead = dead.map(|letter| (letter.message.id, letter.attempts));
            assert!(client.kept.iter().map(|kept| (kept.message.id, kept.attempts)).eq(dead));
        }
    }
}

/// Recipients whose status the sender of a message does not know correctly.
fn wrong_of(world: &World, client: &Client, id: MsgId) -> Vec<String> {
    let (store, watch) = (&world.server.store, &client.watches[&id]);
    let Some(seq) = store.located(&watch.to, &client.user, id) else { return vec![] };
    let standings = store.all_standings(seq);
    let mut wrong = vec![];
    for RecipientStatus { user, state, .. } in &standings {
        let told = watch.told.get(user);
        // The message was rejected, put back, and sent again.
        let again = store.seqs_of(&client.user, id, &watch.to).len() > 1;
        // The delivery of a released message is not on disk.
        let left = (*state, told) == (DeliveryState::Accepted, Some(&DeliveryState::Delivered));
        // The same holds for a message that nobody has read in time. A clock that was set back
        // gives it more time.
        let lapsed = told == Some(&DeliveryState::Gone) && store.expires_ms(seq).is_some();
        let passed_by = again && told.is_some_and(|told| told.is_final());
        if told != Some(state) && !left && !lapsed && !passed_by {
            wrong.push(format!("{id} stands at {state:?} with {user}, told {told:?}"));
        }
    }
    for (user, told) in watch.told.iter().filter(|(_, told)| !told.is_final()) {
        if !standings.iter().any(|standing| standing.user == *user) {
            wrong.push(format!("{user} is no recipient of {id}, told {told:?}"));
        }
    }
    wrong
}

/// Checks that a scheduled message was sent once, and not before it was due.
pub(super) fn check_later(run: &Run, client: &Client, draft: &Draft, accepted: bool) {
    let store = &run.world.server.store;
    let seqs = store.seqs_of(&client.user, draft.id, &draft.to);
    let first = seqs.first().and_then(|seq| store.record(*seq));
    if run.takes {
        return assert!(accepted || seqs.is_empty());
    }
    assert_eq!(seqs.len(), usize::from(accepted), "{} is stored {seqs:?}", draft.id);
    let time_ms = first.map(|record| record.bundle.first.time_ms);
    assert!(time_ms.is_none_or(|time_ms| Some(time_ms) >= draft.due_ms), "too early");
}

/// Checks that a recorded disposition is one that a reader gave, and that every disposition of a
/// reader is recorded, unless another reader was first.
pub(super) fn check_verdicts(run: &Run) {
    let world = &run.world;
    let store = &world.server.store;
    let readers = |user: &UserId| {
        let user = user.clone();
        world.clients.iter().filter(move |client| client.user == user)
    };
    let is_there = |seq: Seq| store.all_standings(seq);
    for ((user, seq), (verdict, _)) in store.verdicts() {
        let said = readers(user).any(|client| client.verdicts.get(seq) == Some(verdict));
        assert!(said || *verdict == Disposition::Expired, "{user} never said {verdict:?} of {seq}");
    }
    for client in &world.clients {
        for (seq, verdict) in &client.verdicts {
            let standing = is_there(*seq).into_iter().find(|s| s.user == client.user);
            let Some(standing) = standing.filter(|_| readers(&client.user).count() == 1) else {
                continue;
            };
            // The message may have been damaged before the disposition was on disk.
            let gone = standing.state == DeliveryState::Gone;
            let kept = store.verdicts().get(&(client.user.clone(), *seq));
            assert!(gone || kept.map(|(kept, _)| kept) == Some(verdict), "{seq}: {kept:?}");
        }
    }
    let dead = store.drawers.all().filter(|letter| letter.drawer == ParkedKind::DeadLetters);
    let mut attempts: Vec<u32> = dead.map(|letter| letter.attempts).collect();
    let count = attempts.len();
    attempts.sort_unstable();
    attempts.dedup();
    assert_eq!(attempts.len(), count, "a dead letter twice");
    for ((user, seq), (verdict, _)) in store.verdicts() {
        let there = store.all_standings(*seq).iter().any(|standing| standing.user == *user);
        // Damaged messages are not kept.
        let is_sound = store.record(*seq).is_some_and(|record| !store.bodies.is_spoilt(record));
        if let Disposition::Rejected { attempts: number, .. } = verdict
            && there
            && is_sound
            && !run.takes
        {
            assert!(attempts.contains(number), "{seq} is not among the dead letters of {user}");
        }
    }
}
