//! Parked messages: a row in `letter` for each, and a row in `drawer` that counts each list.

use rusqlite::{Connection, Row};

use super::bodies;
use super::numbers::UserNo;
use super::record::{Corrupt, Long, ParkedRecord, chunk_count, decode_parked, encode_parked};
use super::sql::{Num, execute, first, num, unencodable};
use super::write_buffer::LogState;
use crate::store::limits::PARKED_PAGE_MAX;
use crate::wire::{
    Body, CHUNK_LEN_MAX, Envelope, Message, MsgId, Note, PARKED_LEN_MAX, ParkedKind, ParkedMessage,
};

/// The parked messages of one user and kind.
#[derive(Clone, Copy)]
pub(super) struct ParkedList {
    user: UserNo,
    drawer: ParkedKind,
}

impl ParkedList {
    pub(super) fn new(user: UserNo, drawer: ParkedKind) -> Self {
        Self { user, drawer }
    }

    /// Returns the number of the kind in the tables.
    fn kind(self) -> i64 {
        match self.drawer {
            ParkedKind::DeadLetters => 0,
            ParkedKind::Scheduled => 1,
        }
    }

    /// Returns the numbers that the checksums of the list's messages include.
    fn numbers(self) -> [u64; 2] {
        [self.user.value().cast_unsigned(), self.kind().cast_unsigned()]
    }

    /// Returns the size of the list, in the form in which quotas check a log.
    pub(super) fn filled(self, db: &Connection) -> rusqlite::Result<LogState> {
        const SQL: &str = "SELECT messages, bytes FROM drawer WHERE user = ?1 AND kind = ?2";
        let found = first(db, SQL, (self.user, self.kind()), |row| {
            let (kept_messages, kept_bytes) = (num(row, 0)?, num(row, 1)?);
            Ok(LogState { kept_messages, kept_bytes, ..LogState::default() })
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Adds a message that counts for `bytes` and may have a due time.
    pub(super) fn add(
        self,
        db: &Connection,
        (letter, body): (&ParkedRecord, &Body),
        bytes: u64,
        due_ms: Option<u64>,
    ) -> rusqlite::Result<()> {
        const COUNT: &str = "INSERT INTO drawer (user, kind, messages, bytes) \
            VALUES (?1, ?2, 1, ?3) ON CONFLICT (user, kind) \
            DO UPDATE SET messages = messages + 1, bytes = bytes + ?3";
        execute(db, COUNT, (self.user, self.kind(), Num(bytes)))?;
        const SQL: &str = "INSERT INTO letter \
            (user, kind, id, due_ms, bytes, part, parts, letter) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (part, parts) = letter.long.map_or((0, 0), |long| (long.first, chunk_count(long)));
        let encoded = encode_parked(letter, self.numbers(), body).map_err(unencodable)?;
        let (id, due) = (letter.id.as_bytes(), due_ms.map(Num));
        let (bytes, part, parts) = (Num(bytes), Num(part), Num(parts));
        execute(db, SQL, (self.user, self.kind(), id, due, bytes, part, parts, encoded)).map(drop)
    }

    /// Returns the oldest messages, at most `max`; only those with this id, if one is given.
    pub(super) fn oldest(
        self,
        db: &Connection,
        id: Option<MsgId>,
        max: usize,
    ) -> rusqlite::Result<Vec<StoredParked>> {
        const ALL: &str = "SELECT no, user, kind, id, bytes, part, parts, letter FROM letter \
            WHERE user = ?1 AND kind = ?2 ORDER BY no LIMIT ?3";
        const ONE: &str = "SELECT no, user, kind, id, bytes, part, parts, letter FROM letter \
            WHERE user = ?1 AND kind = ?2 AND id = ?4 ORDER BY no LIMIT ?3";
        let (user, kind, max) = (self.user, self.kind(), max as i64);
        let Some(id) = id else { return collect(db, ALL, (user, kind, max)) };
        collect(db, ONE, (user, kind, max, id.as_bytes()))
    }

    /// Returns a page of the messages after a number, and whether there are more.
    pub(super) fn page(
        self,
        db: &Connection,
        after: u64,
    ) -> rusqlite::Result<(Vec<ParkedMessage>, bool)> {
        const SQL: &str = "SELECT no, user, kind, id, bytes, part, parts, letter FROM letter \
            WHERE user = ?1 AND kind = ?2 AND no > ?3 ORDER BY no";
        let mut statement = db.prepare_cached(SQL)?;
        let mut rows = statement.query((self.user, self.kind(), Num(after)))?;
        let (mut page, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let Some(kept) = StoredParked::at(row)?.kept(db)? else { continue };
            bytes += kept.message.len_here() as usize + kept.reason.body().len();
            if !page.is_empty() && (page.len() == PARKED_PAGE_MAX || bytes > CHUNK_LEN_MAX) {
                return Ok((page, true));
            }
            page.push(kept);
        }
        Ok((page, false))
    }
}

/// Returns at most `max` due messages, ordered by due time.
pub(super) fn due(db: &Connection, now_ms: u64, max: usize) -> rusqlite::Result<Vec<StoredParked>> {
    const SQL: &str = "SELECT no, user, kind, id, bytes, part, parts, letter FROM letter \
        WHERE due_ms <= ?1 ORDER BY due_ms, no LIMIT ?2";
    collect(db, SQL, (Num(now_ms), max as i64))
}

/// Returns the due time of the next scheduled message.
pub(super) fn next_due(db: &Connection) -> rusqlite::Result<Option<u64>> {
    const SQL: &str = "SELECT due_ms FROM letter WHERE due_ms IS NOT NULL ORDER BY due_ms LIMIT 1";
    first(db, SQL, (), |row| num(row, 0))
}

fn collect(
    db: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<StoredParked>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(values, StoredParked::at)?;
    rows.collect()
}

/// A parked message as its row holds it.
pub(super) struct StoredParked {
    no: u64,
    place: ParkedList,
    bytes: u64,
    /// First chunk of its body, and the number of chunks.
    parts: (u64, u64),
    /// The decoded message. `None`: damaged.
    letter: Option<(ParkedRecord, Body)>,
}

impl StoredParked {
    /// Reads a row of `no, user, kind, id, bytes, part, parts, letter`.
    fn at(row: &Row<'_>) -> rusqlite::Result<Self> {
        let drawer =
            if num(row, 2)? == 0 { ParkedKind::DeadLetters } else { ParkedKind::Scheduled };
        let (no, place) = (num(row, 0)?, ParkedList { user: row.get(1)?, drawer });
        let id = row.get_ref(3)?.as_blob()?;
        let letter = decode_parked(place.numbers(), row.get_ref(7)?.as_blob()?);
        let letter = letter.and_then(|found| match found.0.id.as_bytes() == id {
            true => Ok(found),
            false => Err(Corrupt::Sum),
        });
        if let Err(rot) = &letter {
            tracing::error!(letter = no, "what is stored is damaged: {rot}");
        }
        let letter = letter.ok();
        Ok(Self { no, place, bytes: num(row, 4)?, parts: (num(row, 5)?, num(row, 6)?), letter })
    }

    /// Returns the message; a long one with its first chunk and the place of the others. `None`:
    /// damaged.
    pub(super) fn message(
        &self,
        db: &Connection,
    ) -> rusqlite::Result<Option<(Message, Option<Long>)>> {
        let Some((letter, body)) = &self.letter else { return Ok(None) };
        let Some(body) = whole(db, letter, body)? else { return Ok(None) };
        let ParkedRecord { id, from, to, time_ms, headers, long, .. } = letter.clone();
        let size = long.map_or(body.len() as u64, |long| long.size);
        let envelope = Envelope { size, ..Envelope::new(id, to, headers, body) };
        Ok(Some((Message { from, time_ms, envelope }, long)))
    }

    /// Returns the message as a client sees it. `None`: damaged.
    fn kept(self, db: &Connection) -> rusqlite::Result<Option<ParkedMessage>> {
        let (number, drawer) = (self.no, self.place.drawer);
        let Some((mut message, _)) = self.message(db)? else { return Ok(None) };
        message.body.0.truncate(PARKED_LEN_MAX);
        let Some((ParkedRecord { at_ms, attempts, reason, .. }, _)) = self.letter else {
            return Ok(None);
        };
        Ok(Some(ParkedMessage { kind: drawer, number, at_ms, attempts, reason, message }))
    }

    /// Removes the row. The chunks of the body now belong to the caller.
    pub(super) fn unpark(&self, db: &Connection) -> rusqlite::Result<()> {
        execute(db, "DELETE FROM letter WHERE no = ?1", [Num(self.no)])?;
        const COUNT: &str = "UPDATE drawer SET messages = messages - 1, bytes = bytes - ?3 \
            WHERE user = ?1 AND kind = ?2";
        execute(db, COUNT, (self.place.user, self.place.kind(), Num(self.bytes))).map(drop)
    }

    /// Removes the row and its claim to the chunks of the body.
    pub(super) fn remove(&self, db: &Connection) -> rusqlite::Result<()> {
        bodies::loosen(db, self.parts.0, self.parts.1)?;
        self.unpark(db)
    }

    /// Changes the time at which the message is due; `None`: never. The time shown to users stays.
    pub(super) fn put_off(&self, db: &Connection, due_ms: Option<u64>) -> rusqlite::Result<()> {
        const SQL: &str = "UPDATE letter SET due_ms = ?2 WHERE no = ?1";
        execute(db, SQL, (Num(self.no), due_ms.map(Num))).map(drop)
    }
}

/// Returns the body that is in memory; of a long body its first chunk, unless that is damaged.
fn whole(db: &Connection, letter: &ParkedRecord, body: &Body) -> rusqlite::Result<Option<Body>> {
    match letter.long {
        Some(long) => Ok(bodies::read(db, long.first)?.ok()),
        None => Ok(Some(body.clone())),
    }
}

/// Makes the record of a message to be parked.
pub(super) fn letter(
    message: Message,
    long: Option<Long>,
    (at_ms, attempts, reason): (u64, u32, Note),
) -> (ParkedRecord, Body) {
    let Message { from, time_ms, envelope } = message;
    let Envelope { id, to, headers, body, .. } = envelope;
    (ParkedRecord { id, from, to, time_ms, at_ms, attempts, reason, headers, long }, body)
}
