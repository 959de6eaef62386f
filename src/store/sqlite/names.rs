//! Names of users and rooms, and the numbers that stand for them in the tables.
//!
//! A user's number is also the number of the user's own log; the log of a room has the room's
//! number, negated; the log of `@all` is 0. Users and rooms are never removed: a number once found
//! stays right, and the highest number is the count.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::Connection;

use super::numbers::{LogNo, UserNo};
use super::sql::first;
use crate::durable::NoTarget;
use crate::store::limits::NAMES_CACHED_MAX;
use crate::wire::{Pin, RoomName, Target, UserId};

/// Cache of the numbers of names.
#[derive(Default)]
pub(super) struct Names {
    users: HashMap<UserId, UserNo>,
    rooms: HashMap<RoomName, LogNo>,
}

impl Names {
    /// Returns the number of a user.
    pub(super) fn user(
        &mut self,
        db: &Connection,
        id: &UserId,
    ) -> rusqlite::Result<Option<UserNo>> {
        const SQL: &str = "SELECT no FROM user WHERE id = ?1";
        find(&mut self.users, id, || first(db, SQL, [id.as_str()], |row| row.get(0)))
    }

    /// Returns the log of a room.
    pub(super) fn room(
        &mut self,
        db: &Connection,
        name: &RoomName,
    ) -> rusqlite::Result<Option<LogNo>> {
        const SQL: &str = "SELECT -no FROM room WHERE name = ?1";
        find(&mut self.rooms, name, || first(db, SQL, [name.as_str()], |row| row.get(0)))
    }

    /// Returns the log of a target.
    pub(super) fn log(&mut self, db: &Connection, to: &Target) -> rusqlite::Result<Option<LogNo>> {
        match to {
            Target::User(id) => Ok(self.user(db, id)?.map(UserNo::own_log)),
            Target::Room(name) => self.room(db, name),
            Target::All => Ok(Some(LogNo::ALL)),
        }
    }

    /// Returns the reason why nothing can be sent to a target that does not exist.
    pub(super) fn missing(&mut self, db: &Connection, to: &Target) -> rusqlite::Result<NoTarget> {
        let other = to.of_other_kind().map(|other| self.log(db, &other)).transpose()?;
        let is_there = other.flatten().is_some();
        Ok(if is_there { NoTarget::OtherKind } else { NoTarget::Unknown })
    }

    /// Forgets all names, after the rollback of a transaction that may have added some.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn find<K: Clone + Eq + Hash, N: Copy>(
    known: &mut HashMap<K, N>,
    name: &K,
    look_up: impl FnOnce() -> rusqlite::Result<Option<N>>,
) -> rusqlite::Result<Option<N>> {
    if let Some(&number) = known.get(name) {
        return Ok(Some(number));
    }
    let found = look_up()?;
    if let Some(number) = found {
        if known.len() >= NAMES_CACHED_MAX {
            known.clear();
        }
        known.insert(name.clone(), number);
    }
    Ok(found)
}

/// Returns the key that owns an id.
pub(super) fn owner(db: &Connection, id: &UserId) -> rusqlite::Result<Option<Pin>> {
    let key = first(db, "SELECT key FROM user WHERE id = ?1", [id.as_str()], |row| row.get(0))?;
    Ok(key.map(Pin))
}
