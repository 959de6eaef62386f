//! The reading thread: each read is one transaction, so that its answer is of one moment.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use rusqlite::{Connection, Error};

use super::bodies;
use super::cursor::since;
use super::cursor::{cursor, cursor_at};
use super::joined::BundleJoiner;
use super::locate;
use super::names::Names;
use super::names::owner;
use super::numbers::{LogNo, UserNo};
use super::parked::ParkedList;
use super::recipients;
use super::record::{self, Corrupt, Entry};
use super::segment::{self, SegmentPart, StoredSegment};
use super::sql::{Num, failed, first, name, num};
use super::write_buffer::removed;
use crate::durable::{Found, Page, PageItem, Read, ReadEngine, Record, StoreError, StoredCursor};
use crate::wire::{Seq, Start, Target, UserId};

/// Number of messages of one log read ahead, after which no more of its segments are read.
const AHEAD: usize = 32;

/// Owner of the reading connection.
pub(super) struct SqliteReader {
    db: Connection,
    names: Names,
}

impl SqliteReader {
    pub(super) fn new(db: Connection) -> Self {
        Self { db, names: Names::default() }
    }
}

impl ReadEngine for SqliteReader {
    fn read(&mut self, read: &Read) -> Result<Found, StoreError> {
        answer(&self.db, &mut self.names, read).map_err(failed("reading"))
    }
}

fn answer(db: &Connection, names: &mut Names, read: &Read) -> rusqlite::Result<Found> {
    let snapshot = db.unchecked_transaction()?;
    let found = match read {
        Read::Owner { id } => Found::Owner(owner(db, id)?),
        Read::Target { to } => Found::Target(match names.log(db, to)? {
            Some(_) => Ok(()),
            None => Err(names.missing(db, to)?),
        }),
        Read::Mailbox { user } => Found::Mailbox(mailbox(db, names, user)?),
        Read::StartPosition { logs, start } => Found::StartPosition(begin(db, names, logs, start)?),
        Read::FindMessage { to, id, from } => {
            Found::MessageFound(recipients::sent(db, names, to, (*id, from))?)
        }
        Read::Recipients { to, seq, from, after } => {
            let (page, more) = recipients::page(db, names, (to, *seq), from, after.as_ref())?;
            Found::Recipients(page, more)
        }
        Read::Parked { user, drawer, after } => {
            let place = names.user(db, user)?.map(|user| ParkedList::new(user, *drawer));
            let page = place.map_or(Ok(Default::default()), |place| place.page(db, *after))?;
            Found::Parked(page.0, page.1)
        }
        Read::Chunk { at } => Found::Chunk(bodies::read(db, *at)?),
        Read::Page { logs, reader, messages, bytes } => {
            let reader = names.user(db, reader)?.unwrap_or(UserNo::NOBODY);
            let last_seq = last_seq(db)?;
            let mut merge = Merge::new(db, names, logs, reader)?;
            Found::Page(page(db, &mut merge, last_seq, *messages, *bytes)?)
        }
    };
    snapshot.commit()?;
    Ok(found)
}

fn last_seq(db: &Connection) -> rusqlite::Result<Seq> {
    const SQL: &str = "SELECT max(last_seq, ifnull((SELECT max(last) FROM run), 0)) FROM state";
    first(db, SQL, (), |row| num(row, 0))?.ok_or(Error::QueryReturnedNoRows)
}

/// Returns the seq after which a reader begins who asks for messages from a time on, or after a
/// message.
fn begin(
    db: &Connection,
    names: &mut Names,
    logs: &[Target],
    start: &Start,
) -> rusqlite::Result<Option<Seq>> {
    let mut found = Vec::new();
    for to in logs {
        let Some(no) = names.log(db, to)? else { continue };
        found.extend(match start {
            Start::Unacked => None,
            Start::Since(time_ms) => locate::since(db, no, *time_ms)?,
            Start::After(id) => locate::by_id(db, no, *id, None, locate::made_ms(*id))?,
        });
    }
    let found = found.into_iter();
    Ok(match start {
        Start::Unacked => None,
        // Without such a message, reading begins with the next new one.
        Start::Since(_) => Some(found.min().map_or(last_seq(db)?, |seq| seq - 1)),
        Start::After(_) => found.max(),
    })
}

fn mailbox(
    db: &Connection,
    names: &mut Names,
    user: &UserId,
) -> rusqlite::Result<Vec<(Target, StoredCursor)>> {
    let own = Target::User(user.clone());
    let Some(no) = names.user(db, user)? else {
        return Ok(vec![(own, StoredCursor::default()), (Target::All, StoredCursor::default())]);
    };
    let all = match cursor(db, no, LogNo::ALL)? {
        Some(cursor) => cursor,
        None => since(db, no)?,
    };
    let mut logs =
        vec![(own, cursor(db, no, no.own_log())?.unwrap_or_default()), (Target::All, all)];
    const SQL: &str = "SELECT name, through, ordinal, above FROM cursor \
        JOIN room ON room.no = -cursor.log WHERE user = ?1 AND log < 0 ORDER BY name";
    let mut statement = db.prepare_cached(SQL)?;
    let rooms =
        statement.query_map([no], |row| Ok((Target::Room(name(row, 0)?), cursor_at(row, 1)?)))?;
    for room in rooms {
        logs.push(room?);
    }
    Ok(logs)
}

fn page(
    db: &Connection,
    merge: &mut Merge<'_>,
    last_seq: Seq,
    messages_max: u32,
    bytes_max: u64,
) -> rusqlite::Result<Page> {
    let mut page = Page { items: Vec::new(), through: last_seq, complete: true };
    let (mut messages, mut bytes) = (0, 0_u64);
    let mut joined = BundleJoiner::default();
    while let Some((index, front)) = merge.next_front(db)? {
        let log = &mut merge.logs[index];
        let head = match front {
            Front::Removed { seq, ordinal } => {
                joined.end(&mut page.items);
                page.items.push(PageItem::Removed { log: log.to.clone(), seq, ordinal });
                continue;
            }
            Front::Message(head) => head,
        };
        let total = bytes.saturating_add(head.bytes);
        if messages > 0 && (messages >= messages_max || total > bytes_max) {
            joined.end(&mut page.items);
            page.through = page.items.last().map_or(last_seq, PageItem::last);
            page.complete = false;
            break;
        }
        (messages, bytes) = (messages + 1, total);
        match log.message(db, head)? {
            Ok(record) => joined.add(record, &mut page.items),
            Err(rotten) => {
                joined.end(&mut page.items);
                page.items.push(rotten);
            }
        }
        merge.line_up(db, index)?;
    }
    joined.end(&mut page.items);
    Ok(page)
}

/// Several logs merged into one sequence, without the reader's own messages.
struct Merge<'a> {
    logs: Vec<Ahead<'a>>,
    /// Index of the log with the next item, by the seq of that item.
    fronts: BTreeMap<Seq, usize>,
    reader: UserNo,
}

/// Messages of one log that come next.
struct Ahead<'a> {
    to: &'a Target,
    no: LogNo,
    /// Last seq of the segment after which to read on once `heads` is empty; `None` at the end of
    /// the log.
    after: Option<Seq>,
    removed: Option<(Seq, u64)>,
    heads: VecDeque<MessageHead>,
    /// The records of the segment from which a message was last taken, with the segment's last seq.
    records: Option<(Seq, Vec<u8>)>,
}

struct MessageHead {
    seq: Seq,
    ordinal: u64,
    bytes: u64,
    /// Last seq of its segment.
    run: Seq,
    /// Parts needed to decode the message: its entry, its sender, and the range of its record.
    body: Result<(Entry, UserId, Range<usize>), Corrupt>,
}

enum Front {
    Removed { seq: Seq, ordinal: u64 },
    Message(MessageHead),
}

impl<'a> Merge<'a> {
    /// Merges logs, each from after a seq. A log with nothing new costs two queries.
    fn new(
        db: &Connection,
        names: &mut Names,
        logs: &'a [(Target, Seq)],
        reader: UserNo,
    ) -> rusqlite::Result<Self> {
        let mut merge = Self { logs: Vec::new(), fronts: BTreeMap::new(), reader };
        let mut asked = BTreeMap::new();
        for (to, after) in logs {
            if let Some(no) = names.log(db, to)? {
                asked.entry(no).or_insert((to, *after));
            }
        }
        for (no, (to, after)) in asked {
            let (removed_seq, removed_ordinal) = removed(db, no)?;
            let removed = (removed_seq > after).then_some((removed_seq, removed_ordinal));
            // Removed messages may still be stored, in a segment of which others remain.
            let (after, heads) = (Some(after.max(removed_seq)), VecDeque::new());
            merge.logs.push(Ahead { to, no, after, removed, heads, records: None });
            merge.line_up(db, merge.logs.len() - 1)?;
        }
        Ok(merge)
    }

    /// Takes the next item and returns the index of its log. After a message the caller must call
    /// `line_up` for that log.
    fn next_front(&mut self, db: &Connection) -> rusqlite::Result<Option<(usize, Front)>> {
        let Some((_, index)) = self.fronts.pop_first() else { return Ok(None) };
        let log = &mut self.logs[index];
        if let Some((seq, ordinal)) = log.removed.take() {
            self.line_up(db, index)?;
            return Ok(Some((index, Front::Removed { seq, ordinal })));
        }
        Ok(log.heads.pop_front().map(|head| (index, Front::Message(head))))
    }

    /// Enters the next item of a log into `fronts`, unless the log has ended.
    fn line_up(&mut self, db: &Connection, index: usize) -> rusqlite::Result<()> {
        let log = &mut self.logs[index];
        if log.removed.is_none() && log.heads.is_empty() {
            log.fetch(db, self.reader)?;
        }
        let removed = log.removed.map(|(seq, _)| seq);
        if let Some(seq) = removed.or(log.heads.front().map(|head| head.seq)) {
            self.fronts.insert(seq, index);
        }
        Ok(())
    }
}

impl Ahead<'_> {
    /// Reads the heads of the next segments, until [`AHEAD`] messages are known.
    fn fetch(&mut self, db: &Connection, reader: UserNo) -> rusqlite::Result<()> {
        const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
            head FROM run WHERE log = ?1 AND last > ?2 ORDER BY last";
        let Some(after) = self.after.take() else { return Ok(()) };
        // In the own log even one's own messages are read.
        let left_out = if self.no.is_own() { UserNo::NOBODY } else { reader };
        let mut statement = db.prepare_cached(SQL)?;
        let mut rows = statement.query((self.no, Num(after)))?;
        while let Some(row) = rows.next()? {
            let run = StoredSegment::at(row)?;
            let last = run.place().last;
            self.add(run, after, left_out);
            if self.heads.len() >= AHEAD {
                self.after = Some(last);
                break;
            }
        }
        Ok(())
    }

    fn add(&mut self, run: StoredSegment, after: Seq, left_out: UserNo) {
        let (last, whole) = (run.place().last, *run.whole());
        let head = match run.into_head() {
            Ok(head) => head,
            Err(rot) => {
                let (SegmentPart { seq, ordinal, bytes, .. }, body) = (whole, Err(rot));
                self.heads.push_back(MessageHead { seq, ordinal, bytes, run: last, body });
                return;
            }
        };
        for (entry, record) in head.spans().filter(|(entry, _)| entry.seq > after) {
            let (sender, from) = head.sender(entry);
            if sender != left_out {
                let &Entry { seq, ordinal, bytes, .. } = entry;
                let body = Ok((*entry, from.clone(), record));
                self.heads.push_back(MessageHead { seq, ordinal, bytes, run: last, body });
            }
        }
    }

    /// Decodes a message. The records of a segment are read once for messages taken in sequence.
    fn message(
        &mut self,
        db: &Connection,
        head: MessageHead,
    ) -> rusqlite::Result<Result<Record, PageItem>> {
        let MessageHead { seq, ordinal, run, body, .. } = head;
        let read = match body {
            Ok((entry, from, span)) => {
                let records = match self.records.take() {
                    Some((known, records)) if known == run => records,
                    _ => segment::records(db, run)?,
                };
                let record = records.get(span).unwrap_or_default();
                let read = record::decode(&entry, from, self.to.clone(), record);
                self.records = Some((run, records));
                read.map(|message| (message, entry.long))
            }
            Err(rot) => Err(rot),
        };
        let read = match read {
            Ok((mut message, Some(long))) => match bodies::read(db, long.first)? {
                Ok(body) => {
                    message.body = body;
                    Ok((message, long.first))
                }
                Err(_) => Err(Corrupt::Part),
            },
            Ok((message, None)) => Ok((message, 0)),
            Err(rot) => Err(rot),
        };
        Ok(match read {
            Ok((message, parts)) => {
                Ok(Record { seq, ordinal, parts, bundle: Arc::new(message.into()) })
            }
            Err(rot) => {
                tracing::error!(log = %self.to, seq, ordinal, "what is stored is damaged: {rot}");
                Err(PageItem::Corrupt { log: self.to.clone(), seq, ordinal })
            }
        })
    }
}
