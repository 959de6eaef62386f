//! The model store's users and their memberships.

use qmsg::durable::{Outcome, Record, StoredCursor};
use qmsg::wire::{JoinCode, Pin, RoomName, Target, UserId};

use super::{Log, Store};

impl Store {
    pub(in crate::logic) fn has_user(&self, id: &UserId) -> bool {
        self.users.contains_key(id)
    }

    /// Whose key may act as it.
    pub(in crate::logic) fn owner(&self, id: &UserId) -> Option<Pin> {
        self.users.get(id).copied()
    }

    pub(super) fn claim(
        &mut self,
        id: &UserId,
        key: Pin,
        code_needed: bool,
        code: Option<&JoinCode>,
    ) -> Outcome {
        if let Some(owner) = self.users.get(id) {
            return if *owner == key { Outcome::Claimed { new: false } } else { Outcome::Taken };
        }
        if code_needed && code.is_none() {
            return Outcome::CodeNeeded;
        }
        if self.users.len() as u64 >= self.quotas.users_max {
            return Outcome::Full;
        }
        let spent = self.codes.iter().position(|known| Some(known) == code);
        match spent {
            Some(at) => drop(self.codes.remove(at)),
            None if code_needed => return Outcome::CodeBad,
            None => {}
        }
        let own = Target::User(id.clone());
        let all = self.end(&Target::All);
        self.users.insert(id.clone(), key);
        self.logs.insert(own.clone(), Log::default());
        self.cursors.insert((id.clone(), own), StoredCursor::default());
        self.cursors.insert((id.clone(), Target::All), all);
        Outcome::Claimed { new: true }
    }

    fn end(&self, log: &Target) -> StoredCursor {
        let Log { last_seq, ordinal, .. } = self.logs[log];
        StoredCursor { through: last_seq, ordinal, above: vec![] }
    }

    pub(super) fn enter(&mut self, user: &UserId, room: &RoomName) -> Outcome {
        let log = Target::Room(room.clone());
        let key = (user.clone(), log.clone());
        if let Some(cursor) = self.cursors.get(&key) {
            return Outcome::Member { changed: false, cursor: cursor.clone() };
        }
        let is_room = |log: &Target| matches!(log, Target::Room(_));
        let joined = self.cursors.keys().filter(|(who, log)| who == user && is_room(log)).count();
        let rooms = self.logs.keys().filter(|log| is_room(log)).count();
        let new = !self.logs.contains_key(&log);
        if joined as u64 >= self.quotas.memberships_max
            || new && rooms as u64 >= self.quotas.rooms_max
        {
            return Outcome::Full;
        }
        self.logs.entry(log.clone()).or_default();
        let cursor = self.end(&log);
        self.cursors.insert(key, cursor.clone());
        Outcome::Member { changed: true, cursor }
    }

    pub(super) fn leave(&mut self, user: &UserId, room: &RoomName) -> Outcome {
        let log = Target::Room(room.clone());
        if !self.logs.contains_key(&log) {
            return Outcome::UnknownTarget;
        }
        let changed = self.cursors.remove(&(user.clone(), log.clone())).is_some();
        let of_log = |record: &Record| record.bundle.first.to == log;
        let readers = self.owed.values_mut().filter(|(record, _)| of_log(record));
        readers.for_each(|(_, readers)| _ = readers.remove(user));
        self.levels.excuse(user, &log);
        self.gaps.retain(|(who, of, _)| who != user || *of != log);
        Outcome::Member { changed, cursor: StoredCursor::default() }
    }
}
