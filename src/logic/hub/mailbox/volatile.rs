//! Volatile messages: go to the readers that have room now, are not stored, and are never sent
//! again.

use crate::wire::{Bundle, CloseCode, Target};

use super::Mailbox;
use crate::logic::hub::download::VolatileId;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::turn::Turn;

impl Mailbox {
    /// Adds the first of these messages to the windows of the readers that have room, and their
    /// links to `links`. Returns the number of messages, and whether a reader has no room. Of
    /// sharing readers only the one with the least to do gets them.
    ///
    /// All readers of one user take as many messages as fit in every window; members of a room take
    /// all or none.
    pub(crate) fn take_volatile(
        &mut self,
        turn: &mut Turn,
        (bundle, body): (&Bundle, Option<VolatileId>),
        links: &mut Vec<LinkId>,
    ) -> (u64, bool) {
        let to_one_user = matches!(bundle.first.to, Target::User(_));
        // As with stored messages, those to a room are not for their sender.
        if !self.is_loaded || !to_one_user && bundle.first.from == self.user {
            return (0, false);
        }
        let start = links.len();
        let (mut count, mut any_full) = (bundle.count(), false);
        let mut least = None;
        for reader in self.readers.values().filter(|reader| reader.takes_volatile()) {
            match reader.admits_volatile(bundle, turn.budget()) {
                0 => any_full = true,
                room if reader.shares() => {
                    let share = (reader.load(), reader.link(), room);
                    least = Some(least.map_or(share, |least: (u64, LinkId, u64)| least.min(share)));
                }
                room => {
                    links.push(reader.link());
                    count = if to_one_user { count.min(room) } else { count };
                }
            }
        }
        if let Some((_, link, room)) = least {
            links.push(link);
            count = if to_one_user { count.min(room) } else { count };
        }
        for link in &links[start..] {
            if let Some(reader) = self.readers.get_mut(link) {
                reader.add_volatile(bundle, count, body, turn.budget_mut());
            }
        }
        (count, any_full)
    }

    /// Acks the oldest volatile messages of a reader. Returns whether this has made room.
    pub(crate) fn ack_volatile(&mut self, turn: &mut Turn, link: LinkId, count: u32) -> bool {
        let reader = self.readers.get_mut(&link);
        let acked = reader.is_some_and(|reader| reader.ack_volatile(count, turn.budget_mut()));
        if !acked {
            turn.close(link, CloseCode::OutOfTurn);
        }
        acked
    }

    /// Ends a reader's volatile body, and continues with stored messages.
    pub(crate) fn end_volatile_body(&mut self, turn: &mut Turn, link: LinkId, is_whole: bool) {
        if let Some(reader) = self.readers.get_mut(&link) {
            reader.end_volatile_body(turn, is_whole);
            self.resume_page(turn, link);
        }
    }
}
