//! Segments: consecutive messages of one log from one batch, up to [`SEGMENT_MESSAGES_MAX`] in one
//! row of the table `run`.
//!
//! Row and index entry are paid once for a segment instead of once for a message. The columns
//! beside `head` and `records` describe the segment as a whole, so that it can be removed even if
//! its head is damaged. They have room for the chunks of one message only: a message with a long
//! body is the last of its segment.

use rusqlite::{Connection, Row, Statement};

use super::bodies;
use super::numbers::{LogNo, UserNo};
use super::record::{Corrupt, EncodeError, Entry, Head, Long, SegmentKey, chunk_count, with_len};
use super::sql::{Num, execute, first, num, unencodable};
use crate::store::limits::{SEGMENT_BYTES_MAX, SEGMENT_MESSAGES_MAX};
use crate::wire::{Message, Seq};

/// Statement for [`Segment::insert`].
pub(super) const INSERT: &str = "INSERT INTO run \
    (last, log, last_ordinal, messages, bytes, time_ms, part, parts, head, records) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// A segment that is not written yet.
#[derive(Default)]
pub(super) struct Segment {
    head: Head,
    records: Vec<u8>,
}

impl Segment {
    /// Returns whether the segment has no room for this message.
    pub(super) fn is_full(&self, message: &Message) -> bool {
        let Some(last) = self.head.entries().last() else { return false };
        let body = if message.is_long() { 0 } else { message.body.len() };
        let bytes = self.records.len() + message.headers.len_bytes() + body;
        self.head.entries().len() >= SEGMENT_MESSAGES_MAX
            || bytes > SEGMENT_BYTES_MAX
            || last.long.is_some()
    }

    /// Adds a message at its seq and ordinal, with its sender and the bytes it counts for.
    pub(super) fn push(
        &mut self,
        at: (Seq, u64),
        of: (UserNo, u64),
        message: (&Message, Option<Long>),
    ) -> Result<(), EncodeError> {
        self.head.push(at, of, message, &mut self.records)
    }

    /// Returns the seq of the last message.
    pub(super) fn last(&self) -> Seq {
        self.head.entries().last().map_or(0, |entry| entry.seq)
    }

    /// Writes the segment as a row, with a statement of [`INSERT`]. Does nothing if it is empty.
    pub(super) fn insert(&self, into: &mut Statement<'_>, log: LogNo) -> rusqlite::Result<()> {
        let entries = self.head.entries();
        let Some(end) = entries.last() else { return Ok(()) };
        let head = self.head.encode(SegmentKey { log, last: end.seq }).map_err(unencodable)?;
        let messages = Num(entries.len() as u64);
        let bytes = Num(entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.bytes)));
        let (last, ordinal, time) = (Num(end.seq), Num(end.ordinal), Num(end.time_ms));
        let (part, parts) = end.long.map_or((0, 0), |long| (long.first, chunk_count(long)));
        let (part, parts, records) = (Num(part), Num(parts), &*self.records);
        let row = (last, log, ordinal, messages, bytes, time, part, parts, head, records);
        into.execute(row).map(drop)
    }
}

/// A segment as stored in its row, without its records.
pub(super) struct StoredSegment {
    place: SegmentKey,
    /// The whole segment as one unit.
    whole: SegmentPart,
    /// First chunk of the last message, and the number of its chunks.
    parts: (u64, u64),
    head: Result<Head, Corrupt>,
}

/// Unit of removal: a message, or a whole segment that cannot be read.
#[derive(Clone, Copy)]
pub(super) struct SegmentPart {
    pub(super) seq: Seq,
    pub(super) ordinal: u64,
    pub(super) time_ms: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

impl StoredSegment {
    /// Returns the log and the seq of the last message.
    pub(super) fn place(&self) -> SegmentKey {
        self.place
    }

    /// Returns the whole segment as one unit.
    pub(super) fn whole(&self) -> &SegmentPart {
        &self.whole
    }

    /// Returns the head, unless it is damaged.
    pub(super) fn head(&self) -> Result<&Head, Corrupt> {
        self.head.as_ref().map_err(|damage| *damage)
    }

    /// Returns the head, unless it is damaged.
    pub(super) fn into_head(self) -> Result<Head, Corrupt> {
        self.head
    }

    /// Reads a row of `last, log, last_ordinal, messages, bytes, time_ms, part, parts, head`.
    pub(super) fn at(row: &Row<'_>) -> rusqlite::Result<Self> {
        let whole = SegmentPart {
            seq: num(row, 0)?,
            ordinal: num(row, 2)?,
            messages: num(row, 3)?,
            bytes: num(row, 4)?,
            time_ms: num(row, 5)?,
        };
        let place = SegmentKey { log: row.get(1)?, last: whole.seq };
        let parts = (num(row, 6)?, num(row, 7)?);
        let head = Head::decode(place, row.get_ref(8)?.as_blob()?);
        Ok(Self { place, whole, parts, head })
    }

    /// Returns the messages after a seq. With a damaged head, one unit stands for all of them.
    pub(super) fn pieces(&self, after: Seq) -> impl Iterator<Item = SegmentPart> {
        let entries = self.head.as_ref().map_or(&[][..], |head| head.entries());
        let whole = self.head.is_err().then_some(self.whole);
        let pieces = entries.iter().map(SegmentPart::from).chain(whole);
        pieces.filter(move |piece| piece.seq > after)
    }

    pub(super) fn delete(&self, db: &Connection) -> rusqlite::Result<()> {
        let (first, count) = self.parts;
        bodies::loosen(db, first, count)?;
        self.delete_row(db)
    }

    fn delete_row(&self, db: &Connection) -> rusqlite::Result<()> {
        execute(db, "DELETE FROM run WHERE last = ?1", [Num(self.place.last)]).map(drop)
    }

    /// Rewrites the segment with only the messages in `kept`, of which there is at least one.
    pub(super) fn keep(&self, db: &Connection, kept: &[Seq]) -> rusqlite::Result<()> {
        let Ok(head) = &self.head else { return Ok(()) };
        let records = records(db, self.place.last)?;
        let mut run = Segment { head: head.without_entries(), records: Vec::new() };
        for (entry, record) in head.spans() {
            if kept.binary_search(&entry.seq).is_ok() {
                let record = records.get(record).unwrap_or_default();
                run.records.extend_from_slice(record);
                // Records that are cut short or damaged stay so, without harm to the others.
                run.head.push_entry(with_len(*entry, record.len()));
            }
        }
        if run.last() == self.place.last {
            // The message with chunks stays.
            self.delete_row(db)?;
        } else {
            self.delete(db)?;
        }
        run.insert(&mut *db.prepare_cached(INSERT)?, self.place.log)
    }
}

impl From<&Entry> for SegmentPart {
    fn from(&Entry { seq, ordinal, time_ms, bytes, .. }: &Entry) -> Self {
        Self { seq, ordinal, time_ms, messages: 1, bytes }
    }
}

/// Returns the records of a segment that exists.
pub(super) fn records(db: &Connection, last: Seq) -> rusqlite::Result<Vec<u8>> {
    const SQL: &str = "SELECT records FROM run WHERE last = ?1";
    let found = first(db, SQL, [Num(last)], |row| row.get(0))?;
    found.ok_or(rusqlite::Error::QueryReturnedNoRows)
}
