//! The store as its words in `durable` describe it, naive and in memory: the other engine.
//!
//! It serves the tests of `logic`, is what the engine on SQLite is measured by, and runs a server.
//! It checks what it is asked, and remembers what no store does (who is owed what), so it is a part
//! of the tests and not of the crate.

mod acks;
mod bodies;
mod engine;
mod joining;
mod pages;
pub(crate) mod parked;
pub(crate) mod ranges;
mod recipients;
mod serving;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use qmsg::durable::{
    AppendOutcome, Appended, Found, MessageOutcome, NoTarget, NotStored, Outcome, Quotas, Read,
    Record, StoredCursor, Swept, Write,
};
use qmsg::wire::{Body, JoinCode, Message, MsgId, Pin, Seq, Target, UserId};

use bodies::Bodies;
use parked::Drawers;
use ranges::has;
use recipients::Levels;

/// All that is on disk. What a crash leaves is this.
pub(crate) struct MemoryStore {
    pub(crate) quotas: Quotas,
    pub(crate) most: Most,
    /// Codes that may be spent.
    pub(crate) codes: Vec<JoinCode>,
    pub(crate) disk_full: bool,
    pub(crate) bodies: Bodies,
    pub(crate) last_seq: Seq,
    users: BTreeMap<UserId, Pin>,
    pub(crate) logs: BTreeMap<Target, Log>,
    sent: BTreeSet<(UserId, MsgId)>,
    cursors: BTreeMap<(UserId, Target), StoredCursor>,
    /// Who is to see what; nobody forgets it.
    owed: BTreeMap<Seq, (Record, BTreeSet<UserId>)>,
    /// Whom of those a removal met before they had processed it.
    pub(crate) gaps: BTreeSet<(UserId, Target, Seq)>,
    /// Messages that were turned down at least once.
    pub(crate) refused: BTreeSet<MsgId>,
    pub(crate) levels: Levels,
    pub(crate) drawers: Drawers,
}

/// The largest number of things in one answer.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    /// Recipients, or parked messages, of a page.
    pub(crate) page: usize,
    /// Parked messages that one write takes out.
    pub(crate) taken: usize,
}

impl Most {
    /// Small numbers, so that it often takes several answers.
    pub(crate) const FEW: Self = Self { page: 2, taken: 2 };
    /// As many as the engine on SQLite has.
    pub(crate) const MANY: Self = Self { page: 64, taken: 64 };
}

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<(Record, bool)>,
    ordinal: u64,
    last_seq: Seq,
    pub(crate) removed: (Seq, u64),
    /// Unprocessed, as the writes count it.
    kept: u64,
}

impl Log {
    fn size(&self) -> u64 {
        self.records.iter().map(|(record, _)| record.bundle.first.len_bytes()).sum()
    }
}

impl MemoryStore {
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            most: Most::FEW,
            codes: vec![],
            disk_full: false,
            bodies: Bodies::default(),
            last_seq: 0,
            users: BTreeMap::new(),
            logs: BTreeMap::from([(Target::All, Log::default())]),
            sent: BTreeSet::new(),
            cursors: BTreeMap::new(),
            owed: BTreeMap::new(),
            gaps: BTreeSet::new(),
            refused: BTreeSet::new(),
            levels: Levels::default(),
            drawers: Drawers::default(),
        }
    }

    pub(crate) fn write(&mut self, write: &Write) -> Outcome {
        match write {
            Write::Ack { user, log, cursor, messages, verdicts, .. } => {
                let open = |(seq, ..): &&(Seq, _, _)| !self.is_processed(user, *seq);
                let verdicts: Vec<_> = verdicts.iter().filter(open).cloned().collect();
                if self.settle(user, log, cursor, *messages) {
                    self.expire(user, &verdicts);
                    verdicts.into_iter().for_each(|said| self.say(user, said));
                }
                Outcome::Ack
            }
            Write::Sweep { .. } => Outcome::Sweep(Swept { more: false }),
            Write::BeginUpload { upload, bundle } => {
                let message = &bundle.first;
                let outcome = self.fits(message);
                if outcome.is_ok() {
                    self.bodies.begin(*upload, message);
                }
                Outcome::BeginUpload(self.note(message, outcome))
            }
            Write::AppendChunk { upload, body } => {
                Outcome::AppendChunk(self.bodies.part(*upload, body, self.disk_full))
            }
            Write::DiscardUpload { upload } => {
                self.bodies.discard(*upload);
                Outcome::DiscardUpload
            }
            Write::Claim { id, key, code_needed, code, .. } => {
                Outcome::Claim(self.claim(id, *key, *code_needed, code.as_ref()))
            }
            Write::Invite { code, .. } => {
                self.codes.push(code.clone());
                Outcome::Invite(Ok(()))
            }
            Write::Append { bundle, upload } => {
                let body = upload.map(|upload| self.bodies.end(upload));
                assert!(body.is_none() || bundle.count() == 1, "a long body goes alone");
                let each = bundle.messages().map(|message| Ok(self.take(&message, body.clone())));
                let Ok(outcome) = AppendOutcome::try_join::<Infallible>(each);
                Outcome::Append(outcome)
            }
            Write::JoinRoom { user, room } => Outcome::JoinRoom(self.enter(user, room)),
            Write::LeaveRoom { user, room } => Outcome::LeaveRoom(self.leave(user, room)),
            Write::Schedule { message, due_ms } => {
                Outcome::Schedule(self.schedule(message, *due_ms))
            }
            Write::ReleaseDue { now_ms } => Outcome::ReleaseDue(self.release(*now_ms)),
            Write::TakeParked { user, drawer, id, back, now_ms } => {
                Outcome::TakeParked(self.withdraw(user, (*drawer, *id), back.then_some(*now_ms)))
            }
        }
    }

    /// Appends one message, if it can be; its body, if it was uploaded.
    fn take(&mut self, message: &Message, body: Option<Option<Vec<Body>>>) -> MessageOutcome {
        let outcome = match body {
            // Parts are missing.
            Some(None) => Err(NotStored::DiskFull),
            body => self.fits(message).map(|()| self.append(message, body.flatten())),
        };
        self.note(message, outcome)
    }

    fn note<T>(
        &mut self,
        message: &Message,
        outcome: Result<T, NotStored>,
    ) -> Result<T, NotStored> {
        if outcome.as_ref().is_err_and(|why| *why != NotStored::Duplicate) {
            self.refused.insert(message.id);
        }
        outcome
    }

    /// Fails if a message cannot be appended now.
    fn fits(&self, message: &Message) -> Result<(), NotStored> {
        let (from, to) = (&message.from, &message.to);
        assert!(self.users.contains_key(from), "only a user that exists sends");
        let Some(log) = self.logs.get(to) else { return Err(self.missing(to).into()) };
        if self.sent.contains(&(from.clone(), message.id)) {
            return Err(NotStored::Duplicate);
        }
        if self.disk_full {
            return Err(NotStored::DiskFull);
        }
        if self.has_room(log, message) { Ok(()) } else { Err(NotStored::Full) }
    }

    /// The error for a target that does not exist.
    fn missing(&self, to: &Target) -> NoTarget {
        let other = to.of_other_kind().is_some_and(|other| self.logs.contains_key(&other));
        if other { NoTarget::OtherKind } else { NoTarget::Unknown }
    }

    /// True if these sums exceed the quota of a log.
    fn is_over(&self, count: u64, bytes: u64) -> bool {
        count > self.quotas.log_messages_max || bytes > self.quotas.log_bytes_max
    }

    /// True if the quota of its log admits a message.
    fn has_room(&self, log: &Log, message: &Message) -> bool {
        let to = &message.to;
        let own = matches!(to, Target::User(_));
        let kept = || log.records.iter().filter(|(r, _)| !self.is_processed(&to_user(to), r.seq));
        let bytes = || kept().map(|(r, _)| r.bundle.first.len_bytes()).sum::<u64>();
        let over = |count, bytes| self.is_over(count, bytes);
        // All of them are as many as can be unprocessed: so few need no closer look.
        let few = !over(log.records.len() as u64 + 1, log.size() + message.len_bytes());
        !(own
            && !few
            && kept().count() > 0
            && over(kept().count() as u64 + 1, bytes() + message.len_bytes()))
    }

    fn append(&mut self, message: &Message, body: Option<Vec<Body>>) -> Appended {
        let (from, to) = (&message.from, &message.to);
        let own = matches!(to, Target::User(_));
        self.sent.insert((from.clone(), message.id));
        self.last_seq += 1;
        let readers = self.cursors.keys().filter(|(user, log)| log == to && (own || user != from));
        let readers = readers.map(|(user, _)| user.clone()).collect();
        let (seq, log) = (self.last_seq, self.logs.get_mut(to).unwrap());
        log.ordinal += 1;
        log.kept += 1;
        log.last_seq = seq;
        let ordinal = log.ordinal;
        assert_eq!(body.is_some(), message.is_long(), "a long body is uploaded");
        let parts = body.map_or(0, |body| self.bodies.keep(message.size, body));
        let bundle = Arc::new(message.clone().into());
        let record = Record { seq, ordinal, parts, bundle };
        log.records.push((record.clone(), false));
        self.levels.begin(&record, &readers);
        self.owed.insert(seq, (record, readers));
        while let Some(log) = self.logs.get(to).filter(|log| !own && log.records.len() > 1)
            && self.is_over(log.records.len() as u64, log.size())
        {
            let oldest = log.records[0].0.seq;
            self.remove(to, oldest);
        }
        Appended { seq, ordinal }
    }

    /// Removes all of a log up to a place, as its quota or age does.
    pub(crate) fn remove(&mut self, target: &Target, through: Seq) {
        while let Some((first, _)) = self.logs[target].records.first()
            && first.seq <= through
        {
            let (seq, ordinal) = (first.seq, first.ordinal);
            self.bodies.remove(first);
            let readers = std::mem::take(&mut self.owed.get_mut(&seq).unwrap().1);
            let unread = readers.into_iter().filter(|user| !self.is_processed(user, seq));
            let gaps: Vec<_> = unread.map(|user| (user, target.clone(), seq)).collect();
            self.gaps.extend(gaps);
            let log = self.logs.get_mut(target).unwrap();
            log.removed = (seq, ordinal);
            log.records.remove(0);
        }
    }

    /// From now on the message does not match its checksum.
    pub(crate) fn rot(&mut self, seq: Seq) {
        let records = self.logs.values_mut().flat_map(|log| &mut log.records);
        for (record, rotten) in records.filter(|(record, _)| record.seq == seq) {
            *rotten = true;
            if record.bundle.first.is_long() {
                self.bodies.rot(record);
            }
        }
        self.owed.get_mut(&seq).unwrap().1.clear();
    }

    pub(crate) fn read(&self, read: &Read) -> Found {
        match read {
            Read::StartPosition { logs, start } => Found::StartPosition(self.begin(logs, *start)),
            Read::FindMessage { to, id, from } => Found::MessageFound(
                self.located(to, from, *id).map(|seq| (seq, self.expires_ms(seq))),
            ),
            Read::Recipients { seq, after, .. } => self.standings(*seq, after.as_ref()),
            Read::Parked { user, drawer, after } => self.drawer(user, *drawer, *after),
            Read::Chunk { at } => Found::Chunk(self.bodies.read(*at)),
            Read::Owner { id } => Found::Owner(self.owner(id)),
            Read::Target { to } => Found::Target(match self.has_log(to) {
                true => Ok(()),
                false => Err(self.missing(to)),
            }),
            Read::Mailbox { user } => {
                let own = self.cursors.iter().filter(|((who, _), _)| who == user);
                Found::Mailbox(own.map(|((_, log), at)| (log.clone(), at.clone())).collect())
            }
            Read::Page { logs, reader, messages, bytes } => {
                Found::Page(self.page(logs, reader, *messages, *bytes))
            }
        }
    }

    /// The place of a message, if it was ever stored.
    pub(crate) fn seq_of(&self, from: &UserId, id: MsgId) -> Option<Seq> {
        let mine = |r: &Record| r.bundle.first.from == *from && r.bundle.first.id == id;
        self.owed.values().find(|(record, _)| mine(record)).map(|(record, _)| record.seq)
    }

    pub(crate) fn has_stored(&self, from: &UserId, id: MsgId) -> bool {
        self.sent.contains(&(from.clone(), id))
    }

    /// True if a user no longer needs a message: processed, or of a room that the user is not in.
    pub(crate) fn is_processed(&self, user: &UserId, seq: Seq) -> bool {
        let Some((record, _)) = self.owed.get(&seq) else { return false };
        let cursor = self.cursors.get(&(user.clone(), record.bundle.first.to.clone()));
        cursor.is_none_or(|at| seq <= at.through || has(&at.above, seq))
    }

    /// True if a user's own log records that the user has processed a message; false for rooms.
    pub(crate) fn has_settled(&self, user: &UserId, seq: Seq) -> bool {
        let of_room =
            |(record, _): &&(Record, _)| matches!(record.bundle.first.to, Target::Room(_));
        !self.owed.get(&seq).is_some_and(|owed| of_room(&owed)) && self.is_processed(user, seq)
    }

    /// All messages with those who are to see them: who read the log when they were stored, but
    /// neither left since nor had the message removed.
    pub(crate) fn owed(&self) -> impl Iterator<Item = &(Record, BTreeSet<UserId>)> {
        self.owed.values()
    }

    pub(crate) fn record(&self, seq: Seq) -> Option<&Record> {
        self.owed.get(&seq).map(|(record, _)| record)
    }

    pub(crate) fn cursor(&self, user: &str, log: &str) -> StoredCursor {
        self.cursors[&(user.parse().unwrap(), log.parse().unwrap())].clone()
    }

    pub(crate) fn find_cursor(&self, user: &UserId, log: &Target) -> Option<&StoredCursor> {
        self.cursors.get(&(user.clone(), log.clone()))
    }

    /// Records of a log, ascending by seq.
    pub(crate) fn records<'a>(
        &'a self,
        log: &Target,
    ) -> impl Iterator<Item = &'a Record> + use<'a> {
        self.logs.get(log).into_iter().flat_map(|log| log.records.iter().map(|(record, _)| record))
    }

    pub(crate) fn has_log(&self, log: &Target) -> bool {
        self.logs.contains_key(log)
    }
}

fn to_user(target: &Target) -> UserId {
    match target {
        Target::User(user) => user.clone(),
        // Whom it does not matter for: nothing of these logs is ever refused.
        Target::Room(_) | Target::All => "nobody".parse().unwrap(),
    }
}
