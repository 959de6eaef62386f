//! Memberships: cursors of rooms come and go while the mailbox is in memory.

use std::collections::btree_map::Entry;

use crate::durable::StoredCursor;
use crate::wire::Target;

use super::{Mailbox, fetch_page};
use crate::logic::hub::turn::Turn;

impl Mailbox {
    /// Takes the answer to joining a room; `cursor` belongs to a new membership. Returns true if
    /// readers read the room from now on.
    pub(crate) fn join_room(
        &mut self,
        turn: &mut Turn,
        room: &Target,
        cursor: Option<StoredCursor>,
    ) -> bool {
        let known = self.rejoining.remove(room);
        let Some(cursor) = cursor else { return false };
        self.left.remove(room);
        // The mailbox has a cursor if it was read between the write and its answer; that cursor may
        // be further on by now.
        let Entry::Vacant(entry) = self.cursors.entry(room.clone()) else { return false };
        // The answer to leaving may have ended this membership instead of the one before.
        let known = known.filter(|known| known.has_read_beyond(cursor.through));
        let through = entry.insert(known.unwrap_or_else(|| cursor.into())).resume_after(0);
        if !self.is_loaded {
            return false;
        }
        for reader in self.readers.values_mut() {
            reader.rewind(through);
            fetch_page(turn, &self.user, &self.cursors, reader);
        }
        true
    }

    /// Takes the answer to leaving a room. `is_joining`: the store was asked for a new membership
    /// meanwhile.
    pub(crate) fn leave_room(&mut self, room: &Target, is_joining: bool) {
        if let Some(cursor) = self.cursors.remove(room).filter(|_| is_joining) {
            self.rejoining.insert(room.clone(), cursor);
        }
        if !self.is_loaded {
            self.left.insert(room.clone());
        }
    }
}
