//! A naive store in memory: what the true one is measured by.

use std::collections::BTreeMap;
use std::sync::Arc;

use qmsg::durable::{Disposition, Quotas, Record, StoredCursor};
use qmsg::wire::{DeliveryState, Envelope, Message, MsgId, ParkedKind, Seq};

use super::Verdict;
use super::partial::Partial;
use super::uploads::PART;
use super::{cursor, member, message, stored, with};

pub(super) const USERS: [&str; 3] = ["alice", "bob", "carol"];
pub(super) const TARGETS: [&str; 6] = ["alice", "bob", "carol", "@ops", "@dev", "@all"];
pub(super) const QUOTAS: Quotas = Quotas {
    log_messages_max: 5,
    log_bytes_max: 10 * PART as u64,
    users_max: 3,
    rooms_max: 2,
    memberships_max: 1,
    duplicate_window_ms: u64::MAX,
    keep_processed_ms: u64::MAX,
    keep_unprocessed_ms: u64::MAX,
    store_bytes_max: 0,
};
pub(super) const MINUTE_MS: u64 = 60_000;
pub(super) const SAID_MS: u64 = 7;

#[derive(Default)]
pub(super) struct Log {
    exists: bool,
    pub(super) messages: Vec<Placed>,
    last: (Seq, u64),
    removed: Option<(Seq, u64)>,
}

/// A message in a log.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) seq: Seq,
    ordinal: u64,
    pub(super) content: Content,
}

/// A message, wherever it is.
#[derive(Clone, Copy)]
pub(super) struct Content {
    pub(super) from: usize,
    pub(super) n: u32,
    pub(super) size: u64,
    /// Bytes of its header, if it was put back.
    header: u64,
    /// Seq at which it was stored first: no two bodies have the same.
    body: Seq,
}

impl Content {
    fn bytes(&self) -> u64 {
        self.size + self.header
    }

    pub(super) fn id(&self) -> MsgId {
        message("alice", "bob", self.n, 0).id
    }
}

/// A message in a drawer.
pub(super) struct Letter {
    pub(super) user: usize,
    pub(super) drawer: ParkedKind,
    pub(super) to: usize,
    pub(super) at_ms: u64,
    pub(super) attempts: u32,
    due_ms: u64,
    pub(super) content: Content,
}

#[derive(Default)]
pub(super) struct Model {
    last_seq: Seq,
    pub(super) logs: [Log; 6],
    sent: Vec<(usize, u32)>,
    pub(super) cursors: BTreeMap<(usize, usize), StoredCursor>,
    /// Where the memberships begin.
    since: BTreeMap<(usize, usize), Seq>,
    said: BTreeMap<(Seq, usize), DeliveryState>,
    /// In the order in which they came.
    pub(super) letters: Vec<Letter>,
    pub(super) uploads: Vec<Partial>,
}

impl Model {
    pub(super) fn append(&mut self, from: usize, to: usize, n: u32, length: usize) -> Verdict {
        if let Some(refused) = self.refusal(from, to, n, length) {
            return refused;
        }
        self.sent.push((from, n));
        let (size, body) = (length as u64, self.last_seq + 1);
        self.put(to, Content { from, n, size, header: 0, body })
    }

    fn put(&mut self, to: usize, content: Content) -> Verdict {
        let log = &mut self.logs[to];
        self.last_seq += 1;
        log.last = (self.last_seq, log.last.1 + 1);
        log.messages.push(Placed { seq: log.last.0, ordinal: log.last.1, content });
        while to > 2 && log.messages.len() > 1 && over(log.messages.iter().map(|m| m.content)) {
            let Placed { seq, ordinal, .. } = log.messages.remove(0);
            log.removed = Some((seq, ordinal));
        }
        stored(log.last.0, log.last.1)
    }

    pub(super) fn refusal(&self, from: usize, to: usize, n: u32, length: usize) -> Option<Verdict> {
        if !self.exists(to) {
            return Some(Verdict::UnknownTarget);
        }
        if self.sent.contains(&(from, n)) {
            return Some(Verdict::Duplicate);
        }
        (!self.admits(to, length as u64)).then_some(Verdict::Full)
    }

    fn exists(&self, to: usize) -> bool {
        !(3..5).contains(&to) || self.logs[to].exists
    }

    fn admits(&self, to: usize, bytes: u64) -> bool {
        let through = if to < 3 { self.through(to, to) } else { 0 };
        let kept = self.logs[to].messages.iter().filter(|m| m.seq > through);
        to > 2 || fits(kept.map(|m| m.content), bytes)
    }

    pub(super) fn through(&self, user: usize, log: usize) -> Seq {
        self.cursors.get(&(user, log)).map_or(0, |cursor| cursor.through)
    }

    /// Where the next messages of a log end, how many of them there are, and their bytes.
    pub(super) fn advance(
        &self,
        user: usize,
        log: usize,
        count: usize,
    ) -> (StoredCursor, u64, u64) {
        let through = self.through(user, log);
        let next = self.logs[log].messages.iter().filter(|m| m.seq > through);
        let taken: Vec<_> = next.take(count).collect();
        let Some(&&Placed { seq, ordinal, .. }) = taken.last() else {
            return (self.cursors.get(&(user, log)).cloned().unwrap_or_default(), 0, 0);
        };
        let bytes = taken.iter().map(|m| m.content.bytes()).sum();
        (cursor(seq, ordinal, &[]), taken.len() as u64, bytes)
    }

    /// A move of a cursor, with a word about the last of its messages.
    pub(super) fn settle(
        &mut self,
        user: usize,
        log: usize,
        to: StoredCursor,
        said: Option<&Disposition>,
    ) {
        let membership = (3..5).contains(&log);
        if membership && !self.cursors.contains_key(&(user, log)) {
            return;
        }
        let seq = to.through;
        self.cursors.insert((user, log), to);
        let Some(verdict) = said else { return };
        let placed = self.logs[log].messages.iter().find(|m| m.seq == seq);
        let Some(&Placed { content, .. }) = placed else { return };
        if self.said.contains_key(&(seq, user)) {
            return;
        }
        let state = match verdict {
            Disposition::Replied(_) => DeliveryState::Processed,
            Disposition::Rejected { .. } => DeliveryState::Rejected,
            Disposition::Expired => DeliveryState::Gone,
        };
        self.said.insert((seq, user), state);
        if let &Disposition::Rejected { attempts, .. } = verdict {
            let (drawer, at_ms, due_ms) = (ParkedKind::DeadLetters, SAID_MS, u64::MAX);
            self.letters.push(Letter { user, drawer, to: log, at_ms, attempts, due_ms, content });
            while over(self.drawer(user, drawer).map(|letter| letter.content)) {
                let of = |l: &Letter| (l.user, l.drawer) == (user, drawer);
                if self.letters.iter().filter(|l| of(l)).count() <= 1 {
                    break;
                }
                let oldest = self.letters.iter().position(of).unwrap();
                self.letters.remove(oldest);
            }
        }
    }

    pub(super) fn drawer(&self, user: usize, drawer: ParkedKind) -> impl Iterator<Item = &Letter> {
        self.letters.iter().filter(move |letter| (letter.user, letter.drawer) == (user, drawer))
    }

    pub(super) fn schedule(
        &mut self,
        user: usize,
        to: usize,
        n: u32,
        (length, due_ms): (usize, u64),
    ) -> Verdict {
        if !self.exists(to) {
            return Verdict::UnknownTarget;
        }
        if self.sent.contains(&(user, n)) {
            return Verdict::Duplicate;
        }
        let (drawer, size) = (ParkedKind::Scheduled, length as u64);
        if !fits(self.drawer(user, drawer).map(|letter| letter.content), size) {
            return Verdict::Full;
        }
        self.sent.push((user, n));
        let content = Content { from: user, n, size, header: 0, body: 0 };
        let (at_ms, attempts) = (due_ms, 0);
        self.letters.push(Letter { user, drawer, to, at_ms, attempts, due_ms, content });
        Verdict::Scheduled
    }

    pub(super) fn release(&mut self, now_ms: u64) -> Verdict {
        let later = |letter: &Letter| letter.drawer == ParkedKind::Scheduled;
        let mut due: Vec<_> = (0..self.letters.len())
            .filter(|&at| later(&self.letters[at]) && self.letters[at].due_ms <= now_ms)
            .collect();
        due.sort_by_key(|&at| self.letters[at].due_ms);
        let (mut records, mut gone) = (Vec::new(), Vec::new());
        for at in due {
            match self.post(at) {
                Some(record) => {
                    gone.push(at);
                    records.push(record);
                }
                None => self.letters[at].due_ms = now_ms + MINUTE_MS,
            }
        }
        self.remove(&gone);
        let left = self.letters.iter().filter(|letter| later(letter));
        Verdict::DueReleased { records, next_ms: left.map(|letter| letter.due_ms).min() }
    }

    pub(super) fn withdraw(
        &mut self,
        user: usize,
        drawer: ParkedKind,
        (from_n, back): (Option<u32>, bool),
    ) -> Verdict {
        let wanted = |letter: &Letter| {
            (letter.user, letter.drawer) == (user, drawer)
                && from_n.is_none_or(|n| letter.content.n == n)
        };
        let wanted = (0..self.letters.len()).filter(|&at| wanted(&self.letters[at]));
        let (mut records, mut gone) = (Vec::new(), Vec::new());
        for at in wanted.collect::<Vec<_>>() {
            let record = if back { self.post(at) } else { None };
            if record.is_some() || !back {
                gone.push(at);
            }
            records.extend(record);
        }
        self.remove(&gone);
        Verdict::ParkedTaken { count: gone.len() as u64, records }
    }

    /// The record that a letter's message makes, [`brief`]ly, if its log has room.
    fn post(&mut self, at: usize) -> Option<Record> {
        let &Letter { user, drawer, to: log, mut content, .. } = &self.letters[at];
        let to = if drawer == ParkedKind::DeadLetters { user } else { log };
        if to != log && log > 2 && content.header == 0 {
            content.header = ("room".len() + TARGETS[log].len()) as u64;
        }
        if !self.admits(to, content.bytes()) {
            return None;
        }
        let Verdict::Stored { seq, ordinal } = self.put(to, content) else { unreachable!() };
        if content.body == 0 {
            self.logs[to].messages.last_mut().unwrap().content.body = seq;
        }
        let bundle = Arc::new(message(USERS[content.from], TARGETS[to], content.n, 0).into());
        Some(Record { seq, ordinal, parts: 0, bundle })
    }

    fn remove(&mut self, gone: &[usize]) {
        let mut at = 0..;
        self.letters.retain(|_| !gone.contains(&at.next().unwrap()));
    }

    pub(super) fn enter(&mut self, user: usize, room: usize) -> Verdict {
        if let Some(cursor) = self.cursors.get(&(user, room)) {
            return member(false, cursor.clone());
        }
        if self.cursors.keys().any(|&(u, log)| u == user && (3..5).contains(&log)) {
            return Verdict::Full;
        }
        let log = &mut self.logs[room];
        log.exists = true;
        let at = cursor(log.last.0, log.last.1, &[]);
        self.cursors.insert((user, room), at.clone());
        self.since.insert((user, room), log.last.0);
        member(true, at)
    }

    pub(super) fn leave(&mut self, user: usize, room: usize) -> Verdict {
        if !self.exists(room) {
            return Verdict::UnknownTarget;
        }
        member(self.cursors.remove(&(user, room)).is_some(), StoredCursor::default())
    }

    pub(super) fn items(&self, user: usize, log: usize) -> Vec<(Seq, u64, bool)> {
        let removed = self.logs[log].removed.map(|(seq, ordinal)| (seq, ordinal, true));
        let others = self.logs[log].messages.iter().filter(|m| log < 3 || m.content.from != user);
        removed.into_iter().chain(others.map(|m| (m.seq, m.ordinal, false))).collect()
    }

    /// Every message with those for whom it is, and how far it has come there.
    pub(super) fn standings(
        &self,
    ) -> impl Iterator<Item = (usize, Placed, Vec<(&str, DeliveryState)>)> {
        let messages = (0..6).flat_map(|log| self.logs[log].messages.iter().map(move |m| (log, m)));
        messages.map(|(log, &placed)| {
            let Placed { seq, content, .. } = placed;
            let here = |user: usize| match log {
                0..3 => user == log,
                5 => user != content.from,
                _ => {
                    let is_member = self.cursors.contains_key(&(user, log));
                    user != content.from && is_member && self.since[&(user, log)] < seq
                }
            };
            let state = |user: usize| match self.said.get(&(seq, user)) {
                Some(state) => *state,
                None if seq <= self.through(user, log) => DeliveryState::Processed,
                None => DeliveryState::Accepted,
            };
            let readers = (0..3).filter(|&user| here(user));
            (log, placed, readers.map(|user| (USERS[user], state(user))).collect())
        })
    }

    /// Parts of all bodies that are in a log or in a drawer.
    pub(super) fn parts(&self) -> u64 {
        let logs = self.logs.iter().flat_map(|log| &log.messages).map(|m| m.content);
        let bodies: BTreeMap<_, _> = logs
            .chain(self.letters.iter().map(|letter| letter.content))
            .filter(|content| content.size > PART as u64)
            .map(|content| (content.body, content.size))
            .collect();
        bodies.values().map(|size| size.div_ceil(PART as u64)).sum()
    }
}

/// Whether so much is more than the quota of a log.
fn over(contents: impl Iterator<Item = Content>) -> bool {
    let (count, bytes) = contents.fold((0, 0), |(count, sum), c| (count + 1, sum + c.bytes()));
    count > QUOTAS.log_messages_max || bytes > QUOTAS.log_bytes_max
}

/// Whether so many bytes more are within it, or alone.
fn fits(contents: impl Iterator<Item = Content>, bytes: u64) -> bool {
    let more = Content { from: 0, n: 0, size: bytes, header: 0, body: 0 };
    let all: Vec<_> = contents.chain([more]).collect();
    all.len() == 1 || !over(all.into_iter())
}

/// What a naive store knows of an outcome: of messages who sent them to whom, and their ids.
pub(super) fn brief(outcome: Verdict) -> Verdict {
    let each = |records: Vec<Record>| {
        let brief = |record: Record| {
            let Message { from, envelope: Envelope { id, to, .. }, .. } = &record.bundle.first;
            let named = message(from.as_str(), &to.to_string(), 0, 0);
            Record {
                parts: 0,
                bundle: Arc::new(with(named, |message| message.id = *id).into()),
                ..record
            }
        };
        records.into_iter().map(brief).collect()
    };
    match outcome {
        Verdict::DueReleased { records, next_ms } => {
            Verdict::DueReleased { records: each(records), next_ms }
        }
        Verdict::ParkedTaken { count, records } => {
            Verdict::ParkedTaken { count, records: each(records) }
        }
        other => other,
    }
}
