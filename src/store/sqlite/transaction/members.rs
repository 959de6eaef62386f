//! Members of rooms, and the seq since which each is a member.
//!
//! The row of a member's cursor is the membership. The table `member` also lists the members of a
//! room in the order of their ids, so that a page of them costs no more than it shows.

use super::Transaction;
use crate::durable::{RoomJoined, RoomLeft, RoomNotJoined, RoomNotLeft, StoredCursor};
use crate::store::sqlite::cursor::{cursor, put_cursor};
use crate::store::sqlite::numbers::LogNo;
use crate::store::sqlite::sql::{Num, execute, first, num};
use crate::wire::{RoomName, UserId};

impl Transaction<'_> {
    pub(super) fn enter(
        &mut self,
        id: &UserId,
        room: &RoomName,
    ) -> rusqlite::Result<Result<RoomJoined, RoomNotJoined>> {
        self.write_cursors()?;
        let Some(user) = self.names.user(self.db, id)? else {
            return Ok(Err(RoomNotJoined::UnknownUser));
        };
        let known = self.names.room(self.db, room)?;
        if let Some(no) = known
            && let Some(cursor) = cursor(self.db, user, no)?
        {
            return Ok(Ok(RoomJoined { changed: false, cursor }));
        }
        const COUNT: &str = "SELECT count(*) FROM cursor WHERE user = ?1 AND log < 0";
        let rooms = first(self.db, COUNT, [user], |row| num(row, 0))?.unwrap_or(0);
        if rooms >= self.quotas.memberships_max {
            return Ok(Err(RoomNotJoined::Full));
        }
        let no = match known {
            Some(no) => no,
            None if self.highest("SELECT max(no) FROM room")? >= self.quotas.rooms_max => {
                return Ok(Err(RoomNotJoined::Full));
            }
            None => {
                execute(self.db, "INSERT INTO room (name) VALUES (?1)", [room.as_str()])?;
                LogNo::new(-self.db.last_insert_rowid())
            }
        };
        let log = self.tail.log(self.db, no)?;
        let cursor =
            StoredCursor { through: log.last_seq, ordinal: log.last_ordinal, above: Vec::new() };
        put_cursor(self.db, user, no, &cursor)?;
        const ADD: &str = "INSERT INTO member (log, id, user, since) VALUES (?1, ?2, ?3, ?4)";
        execute(self.db, ADD, (no, id.as_str(), user, Num(log.last_seq)))?;
        Ok(Ok(RoomJoined { changed: true, cursor }))
    }

    pub(super) fn leave(
        &mut self,
        id: &UserId,
        room: &RoomName,
    ) -> rusqlite::Result<Result<RoomLeft, RoomNotLeft>> {
        self.write_cursors()?;
        let (user, no) = (self.names.user(self.db, id)?, self.names.room(self.db, room)?);
        let (Some(user), Some(no)) = (user, no) else {
            return Ok(Err(RoomNotLeft::UnknownRoom));
        };
        const REMOVE: &str = "DELETE FROM member WHERE log = ?1 AND id = ?2";
        execute(self.db, REMOVE, (no, id.as_str()))?;
        let gone = execute(self.db, "DELETE FROM cursor WHERE user = ?1 AND log = ?2", (user, no))?;
        Ok(Ok(RoomLeft { changed: gone > 0 }))
    }
}
