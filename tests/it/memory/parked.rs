//! The model store's parked messages: dead letters and scheduled messages.

use std::collections::BTreeMap;

use qmsg::durable::{DiskFull, DueReleased, Found, NotStored, ParkedTaken, Record};
use qmsg::wire::{
    Body, CHUNK_LEN_MAX, Envelope, Headers, Message, MsgId, Note, PARKED_LEN_MAX, ParkedKind,
    ParkedMessage, Seq, Target, UserId,
};

use super::MemoryStore;

/// Milliseconds until a due message is tried again after the log of its target was full.
const AGAIN_MS: u64 = 60_000;

#[derive(Default)]
pub(crate) struct Drawers {
    letters: BTreeMap<u64, Letter>,
    last: u64,
}

/// A parked message.
#[derive(Clone)]
pub(crate) struct Letter {
    pub(crate) owner: UserId,
    pub(crate) drawer: ParkedKind,
    pub(crate) message: Message,
    /// All chunks of a long body.
    pub(crate) parts: Option<Vec<Body>>,
    pub(crate) at_ms: u64,
    /// Time at which it is sent or tried again. The time shown to users stays.
    pub(crate) due_ms: u64,
    pub(crate) attempts: u32,
    pub(crate) reason: Note,
}

impl Drawers {
    fn add(&mut self, letter: Letter) {
        self.last += 1;
        self.letters.insert(self.last, letter);
    }

    fn of<'a>(
        &'a self,
        owner: &'a UserId,
        drawer: ParkedKind,
    ) -> impl Iterator<Item = (u64, &'a Letter)> {
        let mine = move |letter: &Letter| letter.owner == *owner && letter.drawer == drawer;
        let letters = self.letters.iter().map(|(number, letter)| (*number, letter));
        letters.filter(move |(_, letter)| mine(letter))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Letter> {
        self.letters.values()
    }
}

impl MemoryStore {
    /// Adds a message to the dead letters of a user who has rejected it.
    pub(crate) fn bury(
        &mut self,
        owner: &UserId,
        seq: Seq,
        (attempts, reason): (u32, Note),
        at_ms: u64,
    ) {
        let log = &self.logs[&self.owed[&seq].0.bundle.first.to];
        let there = log.records.iter().find(|(record, _)| record.seq == seq);
        let Some((record, _)) = there else { return };
        let message = record.bundle.first.clone();
        let count = message.size.div_ceil(CHUNK_LEN_MAX as u64);
        let read = |at| self.bodies.read(at);
        let parts: Result<Vec<Body>, _> = (record.parts..record.parts + count).map(read).collect();
        let parts = message.is_long().then_some(parts);
        // A damaged body is not parked.
        let Ok(parts) = parts.transpose() else { return };
        let (owner, drawer) = (owner.clone(), ParkedKind::DeadLetters);
        let letter =
            Letter { owner, drawer, message, parts, at_ms, due_ms: at_ms, attempts, reason };
        let owner = letter.owner.clone();
        self.drawers.add(letter);
        self.drop_dead_letters(&owner);
    }

    pub(crate) fn schedule(&mut self, message: &Message, due_ms: u64) -> Result<(), NotStored> {
        assert!(!message.is_long(), "its body is whole");
        let (owner, drawer) = (message.from.clone(), ParkedKind::Scheduled);
        let outcome = if !self.logs.contains_key(&message.to) {
            Err(self.missing(&message.to).into())
        } else if self.sent.contains(&(owner.clone(), message.id)) {
            Err(NotStored::Duplicate)
        } else if self.disk_full {
            Err(NotStored::DiskFull)
        } else if !self.admits_parked(&owner, message) {
            Err(NotStored::Full)
        } else {
            self.sent.insert((owner.clone(), message.id));
            let (message, reason) = (message.clone(), Note::default());
            let (parts, attempts) = (None, 0);
            let letter =
                Letter { owner, drawer, message, parts, at_ms: due_ms, due_ms, attempts, reason };
            self.drawers.add(letter);
            Ok(())
        };
        self.note(message, outcome)
    }

    /// Returns whether the quota of a log allows another scheduled message of a user.
    fn admits_parked(&self, owner: &UserId, message: &Message) -> bool {
        let (count, bytes) = self.parked_load(owner, ParkedKind::Scheduled);
        count == 0 || !self.is_over(count + 1, bytes + message.len_bytes())
    }

    fn parked_load(&self, owner: &UserId, drawer: ParkedKind) -> (u64, u64) {
        let add = |(count, bytes): (u64, u64), (_, letter): (u64, &Letter)| {
            (count + 1, bytes + letter.message.len_bytes())
        };
        self.drawers.of(owner, drawer).fold((0, 0), add)
    }

    /// Drops a user's oldest dead letters while they exceed the quota of a log, but never the
    /// newest.
    fn drop_dead_letters(&mut self, owner: &UserId) {
        let drawer = ParkedKind::DeadLetters;
        loop {
            let (count, bytes) = self.parked_load(owner, drawer);
            if count <= 1 || !self.is_over(count, bytes) {
                break;
            }
            let oldest = self.drawers.of(owner, drawer).next().map(|(number, _)| number);
            self.drawers.letters.remove(&oldest.unwrap());
        }
    }

    pub(crate) fn release(&mut self, now_ms: u64) -> Result<DueReleased, DiskFull> {
        if self.disk_full {
            return Err(DiskFull);
        }
        let mut due: Vec<(u64, u64)> = self.due().filter(|(at_ms, _)| *at_ms <= now_ms).collect();
        due.sort_unstable();
        let mut records = vec![];
        for (_, number) in due.into_iter().take(self.most.taken) {
            match self.post(number, now_ms) {
                Some(record) => records.push(record),
                None => {
                    let letter = self.drawers.letters.get_mut(&number).unwrap();
                    letter.due_ms = now_ms + AGAIN_MS;
                }
            }
        }
        Ok(DueReleased { records, next_ms: self.due().map(|(at_ms, _)| at_ms).min() })
    }

    fn due(&self) -> impl Iterator<Item = (u64, u64)> {
        let later = self.drawers.letters.iter();
        let later = later.filter(|(_, letter)| letter.drawer == ParkedKind::Scheduled);
        later.map(|(number, letter)| (letter.due_ms, *number))
    }

    pub(crate) fn withdraw(
        &mut self,
        owner: &UserId,
        (drawer, id): (ParkedKind, Option<MsgId>),
        back_at_ms: Option<u64>,
    ) -> Result<ParkedTaken, DiskFull> {
        if self.disk_full {
            return Err(DiskFull);
        }
        let wanted = |letter: &Letter| id.is_none_or(|id| letter.message.id == id);
        let all = self.drawers.of(owner, drawer).filter(|(_, letter)| wanted(letter));
        let numbers: Vec<u64> = all.map(|(number, _)| number).take(self.most.taken).collect();
        let (mut count, mut records) = (0, vec![]);
        for number in numbers {
            match back_at_ms {
                None => drop(self.drawers.letters.remove(&number)),
                Some(now_ms) => match self.post(number, now_ms) {
                    Some(record) => records.push(record),
                    None => continue,
                },
            }
            count += 1;
        }
        Ok(ParkedTaken { count, records })
    }

    /// Moves a parked message to its log, unless the log is full.
    fn post(&mut self, number: u64, now_ms: u64) -> Option<Record> {
        let Letter { owner, drawer, message, parts, .. } = self.drawers.letters[&number].clone();
        let mut message = Message { time_ms: now_ms, ..message };
        if drawer == ParkedKind::DeadLetters {
            message.headers = with_room(&message);
            message.to = Target::User(owner);
        }
        if !self.has_room(&self.logs[&message.to], &message) {
            return None;
        }
        self.drawers.letters.remove(&number);
        let seq = self.append(&message, parts).seq;
        self.record(seq).cloned()
    }

    pub(crate) fn drawer(&self, owner: &UserId, drawer: ParkedKind, after: u64) -> Found {
        let mut rest = self.drawers.of(owner, drawer).filter(|(number, _)| *number > after);
        let page = rest.by_ref().take(self.most.page).map(|(number, letter)| kept(number, letter));
        let page = page.collect();
        Found::Parked(page, rest.next().is_some())
    }
}

fn kept(number: u64, letter: &Letter) -> ParkedMessage {
    let Letter { drawer, message, at_ms, attempts, reason, .. } = letter.clone();
    let Message { from, time_ms, envelope: Envelope { id, to, headers, size, body } } = message;
    let body = Body(body.0.slice(..body.len().min(PARKED_LEN_MAX)));
    ParkedMessage {
        kind: drawer,
        number,
        at_ms,
        attempts,
        reason,
        message: Message { from, time_ms, envelope: Envelope { id, to, headers, size, body } },
    }
}

fn with_room(message: &Message) -> Headers {
    let Message { envelope: Envelope { to, headers, .. }, .. } = message;
    if matches!(to, Target::User(_)) || headers.iter().any(|(name, _)| name == "room") {
        return headers.clone();
    }
    let pairs = headers.iter().map(|(name, value)| (name.into(), value.into()));
    Headers::new(pairs.chain([("room".into(), to.to_string())]).collect()).unwrap()
}
