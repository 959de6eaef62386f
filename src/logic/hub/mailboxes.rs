//! Mailboxes in memory, and the users who read each room now.

use std::collections::{BTreeMap, BTreeSet};

use crate::durable::{Read, Record, RoomJoined, RoomNotJoined, StoredCursor};
use crate::wire::{Bundle, CloseCode, Features, FromServer, RoomName, Seq, Span, Target, UserId};

use super::bodies::Takers;
use super::download::VolatileId;
use super::io::LinkId;
use super::mailbox::Mailbox;
use super::pending::PendingRoom;
use super::reader::Reader;
use super::todo::Todo;
use super::turn::Turn;
use crate::logic::prefetch::Prefetch;
use crate::logic::seqs::set::SeqSet;

/// Mailboxes of the users who read now.
#[derive(Default)]
pub(super) struct Mailboxes {
    mailboxes: BTreeMap<UserId, Mailbox>,
    /// Users with readers, for each room and for `@all`. A user's own log has no entry.
    users: BTreeMap<Target, BTreeSet<UserId>>,
    /// Deliveries of earlier links that a new link resumes, until it has a reader.
    resumed: BTreeMap<LinkId, SeqSet>,
    /// Links that may resume deliveries of a link they took over; the mailbox of the user keeps
    /// these.
    heirs: BTreeMap<LinkId, UserId>,
    grace: ResumeGrace,
}

/// Grace period after a start of the server, in which sharing readers get no deliveries.
///
/// A sharing reader goes on with the deliveries of its lost link: a command may still be running.
/// If others were given these messages before that reader is back, the work would be done twice.
#[derive(Default)]
struct ResumeGrace {
    /// End on the monotonic clock. `None` before it begins.
    until_ms: Option<u64>,
    waiting: BTreeSet<LinkId>,
}

impl Mailboxes {
    /// The next time at which the hub must be woken.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.grace.until_ms.filter(|_| !self.grace.waiting.is_empty())
    }

    /// Returns the mailbox of a user, if it is in memory.
    pub(super) fn get_mut(&mut self, user: &UserId) -> Option<&mut Mailbox> {
        self.mailboxes.get_mut(user)
    }

    /// Logs that a user reads.
    pub(super) fn logs(&self, user: &UserId) -> impl Iterator<Item = &Target> {
        self.mailboxes.get(user).into_iter().flat_map(Mailbox::logs)
    }

    /// Links of the readers that were delivered a whole message and have not acked it.
    pub(super) fn links_with(&self, log: &Target, seq: Seq) -> Vec<LinkId> {
        let users = self.users_of(log).filter_map(|user| self.mailboxes.get(user));
        users.flat_map(|mailbox| mailbox.links_with(seq)).collect()
    }

    /// True if a message of a log is delivered to a user who reads, and not acked.
    pub(super) fn is_unacked(&self, user: &UserId, log: &Target, seq: Seq) -> bool {
        self.mailboxes.get(user).is_some_and(|mailbox| mailbox.is_unacked(log, seq))
    }

    /// True if a reader of the user has a message, or has acked it; the ack need not be on disk
    /// yet.
    pub(super) fn has_taken(&self, user: &UserId, log: &Target, seq: Seq) -> bool {
        self.mailboxes.get(user).is_some_and(|mailbox| mailbox.has_taken(log, seq))
    }

    /// Users whose mailboxes may have readers of a log.
    fn users_of<'a>(&'a self, log: &'a Target) -> impl Iterator<Item = &'a UserId> {
        let owner = match log {
            Target::User(user) => Some(user),
            Target::Room(_) | Target::All => None,
        };
        let members = if owner.is_none() { self.users.get(log) } else { None };
        owner.into_iter().chain(members.into_iter().flatten())
    }

    /// Notes the deliveries that a future reader resumes from an earlier link. A link may resume
    /// once, so one frame bounds them.
    pub(super) fn resume(&mut self, turn: &mut Turn, link: LinkId, user: &UserId, spans: &[Span]) {
        let reads = self.mailboxes.get(user).is_some_and(|it| it.reader(link).is_some());
        if reads || self.resumed.contains_key(&link) {
            return turn.close(link, CloseCode::OutOfTurn);
        }
        if !spans.is_empty() {
            let resumed = self.resumed.entry(link).or_default();
            spans.iter().for_each(|span| resumed.insert(*span));
        }
    }

    /// Adds a reader.
    pub(super) fn subscribe(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        user: &UserId,
        (prefetch, features): (&Prefetch, Features),
    ) {
        let resumed = self.resumed.remove(&link).unwrap_or_default();
        if !self.mailboxes.contains_key(user) {
            self.mailboxes.insert(user.clone(), Mailbox::new(user.clone()));
            let read = Read::Mailbox { user: user.clone() };
            turn.read(|pending| &mut pending.mailboxes, user.clone(), read);
        }
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        if mailbox.reader(link).is_some() {
            return turn.close(link, CloseCode::OutOfTurn);
        }
        mailbox.attach(turn, link, (prefetch, features), resumed);
        if mailbox.is_loaded() {
            self.start(turn, link, user);
        }
        self.disinherit(turn, link);
    }

    /// Takes a mailbox from the store.
    pub(super) fn load(
        &mut self,
        turn: &mut Turn,
        user: &UserId,
        logs: Vec<(Target, StoredCursor)>,
    ) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        mailbox.load(logs);
        let links: Vec<LinkId> = mailbox.links().collect();
        for link in links {
            self.start(turn, link, user);
        }
        self.drop_idle(user);
    }

    /// Starts a reader of a loaded mailbox, or has it wait for the end of the grace period.
    pub(super) fn start(&mut self, turn: &mut Turn, link: LinkId, user: &UserId) {
        let Some(mailbox) = self.mailboxes.get_mut(user) else { return };
        for log in mailbox.logs().filter(|log| !matches!(log, Target::User(_))) {
            match self.users.get_mut(log) {
                Some(users) => drop(users.insert(user.clone())),
                None => drop(self.users.insert(log.clone(), BTreeSet::from([user.clone()]))),
            }
        }
        let Some(reader) = mailbox.reader_mut(link) else { return };
        if reader.shares() && self.grace.is_running(turn) {
            reader.wait_to_start();
            self.grace.waiting.insert(link);
            return;
        }
        mailbox.start(turn, link);
    }

    /// Ends the grace period, if it is time. Returns the readers that waited for it.
    pub(super) fn end_grace(&mut self, turn: &Turn) -> BTreeSet<LinkId> {
        let (now_ms, grace_ms) = (turn.now().mono_ms, turn.limits().resume_grace_ms);
        let until_ms = *self.grace.until_ms.get_or_insert(now_ms + grace_ms);
        if now_ms < until_ms { BTreeSet::new() } else { std::mem::take(&mut self.grace.waiting) }
    }

    /// Removes the reader of a link that is gone. The caller forgets the mailbox afterwards with
    /// [`Mailboxes::drop_idle`].
    pub(super) fn detach(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        user: &UserId,
    ) -> Option<Reader> {
        self.resumed.remove(&link);
        let mailbox = self.mailboxes.get_mut(user)?;
        let gone = mailbox.detach(turn, link)?;
        if !mailbox.has_readers() {
            for log in mailbox.logs() {
                unlist(&mut self.users, log, user);
            }
        }
        Some(gone)
    }

    /// Drops a mailbox that has no readers and nothing to be written.
    pub(super) fn drop_idle(&mut self, user: &UserId) {
        if self.mailboxes.get(user).is_some_and(Mailbox::is_idle) {
            self.mailboxes.remove(user);
        }
    }

    /// Keeps the deliveries of a link's reader for the link that takes it over: only after its
    /// `Hello` does the new link say which of them it resumes.
    pub(super) fn take_over(&mut self, from: LinkId, to: LinkId, user: Option<&UserId>) {
        let Some(user) = user.or(self.heirs.get(&from)).cloned() else { return };
        let mailbox = self.mailboxes.get_mut(&user);
        if mailbox.is_some_and(|mailbox| mailbox.keep_for_heir(from, to)) {
            self.heirs.insert(to, user);
        }
    }

    /// Gives the deliveries kept for a link to other readers: the link has subscribed, or does not
    /// resume.
    pub(super) fn disinherit(&mut self, turn: &mut Turn, link: LinkId) {
        let Some(user) = self.heirs.remove(&link) else { return };
        if let Some(mailbox) = self.mailboxes.get_mut(&user) {
            mailbox.give_up_kept(turn, link);
        }
        self.drop_idle(&user);
    }

    /// Delivers newly stored messages to the live readers, which have nothing older to read.
    pub(super) fn publish(&mut self, turn: &mut Turn, record: Record) {
        let Self { mailboxes, users, .. } = self;
        let mut links = Vec::new();
        match &record.bundle.first.to {
            Target::User(user) => {
                if let Some(mailbox) = mailboxes.get_mut(user) {
                    mailbox.publish(turn, &record, &mut links);
                }
            }
            room => {
                for user in users.get(room).into_iter().flatten() {
                    if let Some(mailbox) = mailboxes.get_mut(user) {
                        mailbox.publish(turn, &record, &mut links);
                    }
                }
            }
        }
        if !links.is_empty() {
            turn.deliver(links, record);
        }
    }

    /// Adds volatile messages to the windows of the readers that have room. Returns their links.
    pub(super) fn take_volatile(
        &mut self,
        turn: &mut Turn,
        bundle: &Bundle,
        body: Option<VolatileId>,
    ) -> Takers {
        let Self { mailboxes, users, .. } = self;
        let mut links = Vec::new();
        let (mut count, mut any_full) = (bundle.count(), false);
        match &bundle.first.to {
            Target::User(user) => {
                if let Some(mailbox) = mailboxes.get_mut(user) {
                    (count, any_full) = mailbox.take_volatile(turn, (bundle, body), &mut links);
                }
            }
            room => {
                for user in users.get(room).into_iter().flatten() {
                    if let Some(mailbox) = mailboxes.get_mut(user) {
                        any_full |= mailbox.take_volatile(turn, (bundle, body), &mut links).1;
                    }
                }
            }
        }
        match (links.is_empty(), any_full) {
            (false, _) => Takers::Links { links, count },
            (true, true) => Takers::Full,
            (true, false) => Takers::Nobody,
        }
    }

    /// Notes that a cursor is on disk, and confirms `messages` messages of `bytes` bytes to a link.
    pub(super) fn record_ack(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        user: &UserId,
        (messages, bytes): (u32, u64),
    ) {
        if let Some(mailbox) = self.mailboxes.get_mut(user) {
            mailbox.record_ack(turn, link, (messages, bytes));
        }
        self.drop_idle(user);
    }

    /// Takes the answer to joining a room.
    pub(super) fn join_room(
        &mut self,
        turn: &mut Turn,
        join: PendingRoom,
        outcome: Result<RoomJoined, RoomNotJoined>,
    ) {
        let PendingRoom { link, user, room } = join;
        let target = Target::Room(room.clone());
        let (frame, cursor) = match outcome {
            Ok(RoomJoined { changed, cursor }) => {
                (FromServer::RoomJoined { room, changed }, Some(cursor).filter(|_| changed))
            }
            Err(RoomNotJoined::UnknownUser | RoomNotJoined::Full | RoomNotJoined::DiskFull) => {
                (FromServer::RoomRefused { room }, None)
            }
        };
        turn.note(Todo::Reply { link, frame });
        let Some(mailbox) = self.mailboxes.get_mut(&user) else { return };
        if mailbox.join_room(turn, &target, cursor) && mailbox.has_readers() {
            self.users.entry(target).or_default().insert(user);
        }
    }

    /// Takes the end of a membership.
    pub(super) fn leave_room(&mut self, turn: &Turn, user: &UserId, room: &RoomName) {
        let target = Target::Room(room.clone());
        if let Some(mailbox) = self.mailboxes.get_mut(user) {
            mailbox.leave_room(&target, turn.is_joining(user, room));
            unlist(&mut self.users, &target, user);
        }
    }
}

impl ResumeGrace {
    /// True while sharing readers must wait. The first tick, which comes at once, begins the grace
    /// period.
    fn is_running(&self, turn: &Turn) -> bool {
        self.until_ms.is_some_and(|until_ms| turn.now().mono_ms < until_ms)
    }
}

/// Notes that a user reads a room no longer.
fn unlist(users: &mut BTreeMap<Target, BTreeSet<UserId>>, room: &Target, user: &UserId) {
    if let Some(readers) = users.get_mut(room) {
        readers.remove(user);
        if readers.is_empty() {
            users.remove(room);
        }
    }
}
