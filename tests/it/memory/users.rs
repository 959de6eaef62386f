//! The model store's users and their memberships.

use qmsg::durable::{
    Claimed, NotClaimed, Record, RoomJoined, RoomLeft, RoomNotJoined, RoomNotLeft, StoredCursor,
};
use qmsg::wire::{JoinCode, Pin, RoomName, Target, UserId};

use super::{Log, MemoryStore};

impl MemoryStore {
    pub(crate) fn has_user(&self, id: &UserId) -> bool {
        self.users.contains_key(id)
    }

    /// Returns the key that owns an id.
    pub(crate) fn owner(&self, id: &UserId) -> Option<Pin> {
        self.users.get(id).copied()
    }

    pub(crate) fn claim(
        &mut self,
        id: &UserId,
        key: Pin,
        code_needed: bool,
        code: Option<&JoinCode>,
    ) -> Result<Claimed, NotClaimed> {
        if let Some(owner) = self.users.get(id) {
            let same = *owner == key;
            return if same { Ok(Claimed { new: false }) } else { Err(NotClaimed::Taken) };
        }
        if self.disk_full {
            return Err(NotClaimed::DiskFull);
        }
        if code_needed && code.is_none() {
            return Err(NotClaimed::CodeNeeded);
        }
        if self.users.len() as u64 >= self.quotas.users_max {
            return Err(NotClaimed::Full);
        }
        let spent = self.codes.iter().position(|known| Some(known) == code);
        match spent {
            Some(at) => drop(self.codes.remove(at)),
            None if code_needed => return Err(NotClaimed::CodeBad),
            None => {}
        }
        let own = Target::User(id.clone());
        let all = self.end(&Target::All);
        self.users.insert(id.clone(), key);
        self.logs.insert(own.clone(), Log::default());
        self.cursors.insert((id.clone(), own), StoredCursor::default());
        self.cursors.insert((id.clone(), Target::All), all);
        Ok(Claimed { new: true })
    }

    fn end(&self, log: &Target) -> StoredCursor {
        let Log { last_seq, ordinal, .. } = self.logs[log];
        StoredCursor { through: last_seq, ordinal, above: vec![] }
    }

    pub(crate) fn enter(
        &mut self,
        user: &UserId,
        room: &RoomName,
    ) -> Result<RoomJoined, RoomNotJoined> {
        if self.disk_full {
            return Err(RoomNotJoined::DiskFull);
        }
        let log = Target::Room(room.clone());
        let key = (user.clone(), log.clone());
        if let Some(cursor) = self.cursors.get(&key) {
            return Ok(RoomJoined { changed: false, cursor: cursor.clone() });
        }
        let is_room = |log: &Target| matches!(log, Target::Room(_));
        let joined = self.cursors.keys().filter(|(who, log)| who == user && is_room(log)).count();
        let rooms = self.logs.keys().filter(|log| is_room(log)).count();
        let new = !self.logs.contains_key(&log);
        if joined as u64 >= self.quotas.memberships_max
            || new && rooms as u64 >= self.quotas.rooms_max
        {
            return Err(RoomNotJoined::Full);
        }
        self.logs.entry(log.clone()).or_default();
        let cursor = self.end(&log);
        self.cursors.insert(key, cursor.clone());
        Ok(RoomJoined { changed: true, cursor })
    }

    pub(crate) fn leave(
        &mut self,
        user: &UserId,
        room: &RoomName,
    ) -> Result<RoomLeft, RoomNotLeft> {
        if self.disk_full {
            return Err(RoomNotLeft::DiskFull);
        }
        let log = Target::Room(room.clone());
        if !self.logs.contains_key(&log) {
            return Err(RoomNotLeft::UnknownRoom);
        }
        let changed = self.cursors.remove(&(user.clone(), log.clone())).is_some();
        let of_log = |record: &Record| record.bundle.first.to == log;
        let readers = self.owed.values_mut().filter(|(record, _)| of_log(record));
        readers.for_each(|(_, readers)| _ = readers.remove(user));
        self.levels.excuse(user, &log);
        self.gaps.retain(|(who, of, _)| who != user || *of != log);
        Ok(RoomLeft { changed })
    }
}
