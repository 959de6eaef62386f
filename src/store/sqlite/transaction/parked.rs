//! Parking of messages, and moving them from there to logs.

use std::sync::Arc;

use super::Transaction;
use crate::durable::{Appended, DueReleased, NotStored, ParkedTaken, Record};
use crate::store::limits::{DEAD_LETTERS_DROPPED_MAX, PARKED_TAKEN_MAX};
use crate::store::sqlite::bodies;
use crate::store::sqlite::locate;
use crate::store::sqlite::numbers::{LogNo, UserNo};
use crate::store::sqlite::parked::{self, ParkedList, StoredParked, letter};
use crate::store::sqlite::write_buffer::{exceeds, has_room};
use crate::wire::{Envelope, Headers, Message, MsgId, Note, ParkedKind, Seq, Target, UserId};

/// Milliseconds until a due message is tried again after the log of its target was full.
const AGAIN_MS: u64 = 60_000;

/// Outcome of moving a parked message to a log.
enum Posted {
    /// The message is in the log.
    Done(Record),
    /// The log has no room for it.
    Full,
    /// The parked message is damaged.
    Corrupt,
}

impl Transaction<'_> {
    /// Copies a message of a log to the dead letters of a user who has rejected it. A long body is
    /// shared with the message.
    pub(super) fn bury(
        &mut self,
        user: UserNo,
        (no, log, seq): (LogNo, &Target, Seq),
        (attempts, reason, at_ms): (u32, &Note, u64),
    ) -> rusqlite::Result<()> {
        // The message may be in this batch.
        self.write_messages()?;
        let db = self.db;
        let Some((message, long)) = locate::message(db, (no, log), seq)? else {
            tracing::warn!(%log, seq, "a message that was refused is not there any more");
            return Ok(());
        };
        if let Some(long) = long {
            bodies::share(db, long.first)?;
        }
        let (place, bytes) = (ParkedList::new(user, ParkedKind::DeadLetters), message.len_bytes());
        let (letter, body) = letter(message, long, (at_ms, attempts, reason.clone()));
        place.add(db, (&letter, &body), bytes, None)?;
        self.make_room(place)
    }

    /// Drops a user's oldest dead letters while they exceed their quota, but never the newest one.
    fn make_room(&self, place: ParkedList) -> rusqlite::Result<()> {
        for _ in 0..DEAD_LETTERS_DROPPED_MAX {
            let filled = place.filled(self.db)?;
            if !exceeds(&filled, self.quotas) || filled.kept_messages <= 1 {
                break;
            }
            for oldest in place.oldest(self.db, None, 1)? {
                oldest.remove(self.db)?;
            }
        }
        Ok(())
    }

    pub(super) fn schedule(
        &mut self,
        message: &Message,
        due_ms: u64,
    ) -> rusqlite::Result<Result<(), NotStored>> {
        let db = self.db;
        let sender = self.names.user(db, &message.from)?;
        let (Some(user), Some(_)) = (sender, self.names.log(db, &message.to)?) else {
            return Ok(Err(self.names.missing(db, &message.to)?.into()));
        };
        if message.is_long() {
            // The rest of the body has not been stored.
            return Ok(Err(NotStored::DiskFull));
        }
        let (place, bytes) = (ParkedList::new(user, ParkedKind::Scheduled), message.len_bytes());
        if !has_room(&place.filled(db)?, bytes, self.quotas) {
            let before = self.has_sent(user, message)?;
            return Ok(Err(if before { NotStored::Duplicate } else { NotStored::Full }));
        }
        if !self.note_sent(user, message)? {
            return Ok(Err(NotStored::Duplicate));
        }
        if !message.id.is_keyed() {
            // This id is in no segment.
            self.tail.note_soon();
        }
        let (letter, body) = letter(message.clone(), None, (due_ms, 0, Note::default()));
        place.add(db, (&letter, &body), bytes, Some(due_ms))?;
        Ok(Ok(()))
    }

    pub(super) fn release(&mut self, now_ms: u64) -> rusqlite::Result<DueReleased> {
        let mut records = Vec::new();
        for stored in parked::due(self.db, now_ms, PARKED_TAKEN_MAX)? {
            match self.post(&stored, None, now_ms)? {
                Posted::Done(record) => records.push(record),
                Posted::Full => stored.put_off(self.db, Some(now_ms.saturating_add(AGAIN_MS)))?,
                Posted::Corrupt => stored.put_off(self.db, None)?,
            }
        }
        Ok(DueReleased { records, next_ms: parked::next_due(self.db)? })
    }

    pub(super) fn withdraw(
        &mut self,
        id: &UserId,
        drawer: ParkedKind,
        message: Option<MsgId>,
        back_at_ms: Option<u64>,
    ) -> rusqlite::Result<ParkedTaken> {
        let (mut count, mut records) = (0, Vec::new());
        if let Some(user) = self.names.user(self.db, id)? {
            let place = ParkedList::new(user, drawer);
            let own = (drawer == ParkedKind::DeadLetters).then_some(id);
            for stored in place.oldest(self.db, message, PARKED_TAKEN_MAX)? {
                match back_at_ms {
                    None => stored.remove(self.db)?,
                    Some(now_ms) => match self.post(&stored, own, now_ms)? {
                        Posted::Done(record) => records.push(record),
                        Posted::Full | Posted::Corrupt => continue,
                    },
                }
                count += 1;
            }
        }
        Ok(ParkedTaken { count, records })
    }

    /// Moves a parked message to the log of its target, or to a user's own log, unless that is
    /// full. The id was noted when the message was first stored.
    fn post(
        &mut self,
        stored: &StoredParked,
        own: Option<&UserId>,
        now_ms: u64,
    ) -> rusqlite::Result<Posted> {
        let db = self.db;
        let Some((message, long)) = stored.message(db)? else { return Ok(Posted::Corrupt) };
        let mut message = Message { time_ms: now_ms, ..message };
        if let Some(own) = own {
            let Envelope { headers, to, .. } = &mut message.envelope;
            *headers = with_room(std::mem::take(headers), to);
            message.to = Target::User(own.clone());
        }
        let sender = self.names.user(db, &message.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &message.to)?) else {
            return Ok(Posted::Corrupt);
        };
        if !self.admits(no, &message)? {
            return Ok(Posted::Full);
        }
        stored.unpark(db)?;
        let Appended { seq, ordinal } = self.put((sender, no), &message, long)?;
        let (parts, bundle) = (long.map_or(0, |long| long.first), Arc::new(message.into()));
        Ok(Posted::Done(Record { seq, ordinal, parts, bundle }))
    }
}

/// Adds a header that names the room a message was sent to, if there is one and the headers have
/// room.
fn with_room(headers: Headers, to: &Target) -> Headers {
    const NAME: &str = "room";
    if matches!(to, Target::User(_)) || headers.iter().any(|(name, _)| name == NAME) {
        return headers;
    }
    let pairs = headers.iter().map(|(name, value)| (name.into(), value.into()));
    let pairs = pairs.chain([(NAME.into(), to.to_string())]);
    Headers::new(pairs.collect()).unwrap_or(headers)
}
