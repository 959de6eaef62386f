//! The reading thread: every read is one transaction, so that all it finds is of one moment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Statement};

use super::batch::{Log, owner, read_log, since};
use super::names::{ALL, Names};
use super::record::{self, Place};
use super::sql::{Num, cursor, cursor_at, first, num};
use super::{Done, Report, StoreError};
use crate::durable::{Cursor, Found, Item, Page, Read, Record, Ticket};
use crate::wire::{RoomName, Seq, Target, UserId};

/// Messages of one log whose numbers are fetched at a time; bodies are fetched one by one.
const AHEAD: u64 = 32;

/// Answers reads until there can be no more, or one fails.
pub(super) fn run(db: &Connection, asked: &Receiver<(Ticket, Read)>, report: &Report) {
    let mut names = Names::default();
    for (ticket, read) in asked {
        if report.has_failed() {
            break;
        }
        match answer(db, &mut names, &read) {
            Ok(found) => report.done(Done::Found(ticket, found)),
            Err(cause) => return report.fail(StoreError::Sqlite { doing: "reading", cause }),
        }
    }
}

fn answer(db: &Connection, names: &mut Names, read: &Read) -> rusqlite::Result<Found> {
    let snapshot = db.unchecked_transaction()?;
    let found = match read {
        Read::Owner { id } => Found::Owner(owner(db, id)?),
        Read::Target { to } => Found::Target(names.log(db, to)?.is_some()),
        Read::Mailbox { user } => Found::Mailbox(mailbox(db, names, user)?),
        Read::Page { logs, reader, messages, bytes } => {
            let reader = names.user(db, reader)?.unwrap_or(NOBODY);
            let last_seq = first(db, "SELECT last_seq FROM state", (), |row| num(row, 0))?;
            let last_seq = last_seq.ok_or(Error::QueryReturnedNoRows)?;
            let mut merge = Merge::of(db, names, logs, reader)?;
            Found::Page(page(db, &mut merge, last_seq, *messages, *bytes)?)
        }
    };
    snapshot.commit()?;
    Ok(found)
}

/// No user has this number.
const NOBODY: i64 = 0;

fn mailbox(
    db: &Connection,
    names: &mut Names,
    user: &UserId,
) -> rusqlite::Result<Vec<(Target, Cursor)>> {
    let own = Target::User(user.clone());
    let Some(no) = names.user(db, user)? else {
        return Ok(vec![(own, Cursor::default()), (Target::All, Cursor::default())]);
    };
    let all = match cursor(db, no, ALL)? {
        Some(cursor) => cursor,
        None => since(db, no)?,
    };
    let mut logs = vec![(own, cursor(db, no, no)?.unwrap_or_default()), (Target::All, all)];
    const SQL: &str = "SELECT name, through, ordinal, above FROM cursor \
        JOIN room ON room.no = -cursor.log WHERE user = ?1 AND log < 0 ORDER BY name";
    let mut statement = db.prepare_cached(SQL)?;
    let rooms = statement.query_map([no], |row| {
        let name = row.get_ref(0)?.as_str()?.parse::<RoomName>();
        let wrong = |cause| Error::FromSqlConversionFailure(0, Type::Text, Box::new(cause));
        Ok((Target::Room(name.map_err(wrong)?), cursor_at(row, 1)?))
    })?;
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
    let mut record = db.prepare_cached("SELECT record FROM message WHERE seq = ?1")?;
    while let Some((seq, found)) = merge.next(db)? {
        let (to, head) = match found {
            Head::Removed { to, ordinal } => {
                page.items.push(Item::Removed { log: to, seq, ordinal });
                continue;
            }
            Head::Message { to, head } => (to, head),
        };
        let total = bytes.saturating_add(head.bytes);
        if messages > 0 && (messages >= messages_max || total > bytes_max) {
            page.through = page.items.last().map_or(last_seq, Item::seq);
            page.complete = false;
            break;
        }
        (messages, bytes) = (messages + 1, total);
        page.items.push(message(&mut record, to, head)?);
    }
    Ok(page)
}

fn message(record: &mut Statement<'_>, to: Target, head: MessageHead) -> rusqlite::Result<Item> {
    let MessageHead { place: place @ Place { seq, ordinal, .. }, .. } = head;
    let read = record
        .query_row([Num(seq)], |row| Ok(record::decode(place, row.get_ref(0)?.as_blob()?)))?;
    Ok(match read {
        Ok(message) => Item::Message(Record { seq, ordinal, message: Arc::new(message) }),
        Err(rot) => {
            tracing::error!(log = %to, seq, ordinal, "a stored message is damaged: {rot}");
            Item::Rotten { log: to, seq, ordinal }
        }
    })
}

/// Several logs as one sequence, without the reader's own messages.
struct Merge<'a> {
    logs: Vec<Ahead<'a>>,
    /// The log to take from next, by the seq at its front.
    fronts: BTreeMap<Seq, usize>,
    reader: i64,
}

/// What is next in one log.
struct Ahead<'a> {
    to: &'a Target,
    no: i64,
    /// Where to fetch from when there is nothing more here; `None` at the end.
    after: Option<Seq>,
    removed: Option<(Seq, u64)>,
    heads: VecDeque<MessageHead>,
}

#[derive(Clone, Copy)]
struct MessageHead {
    place: Place,
    bytes: u64,
}

enum Head {
    Removed { to: Target, ordinal: u64 },
    Message { to: Target, head: MessageHead },
}

impl<'a> Merge<'a> {
    /// Of logs, each from behind a seq. A log with nothing new costs one look.
    fn of(
        db: &Connection,
        names: &mut Names,
        logs: &'a [(Target, Seq)],
        reader: i64,
    ) -> rusqlite::Result<Self> {
        let mut merge = Self { logs: Vec::new(), fronts: BTreeMap::new(), reader };
        let mut asked = BTreeMap::new();
        for (to, after) in logs {
            if let Some(no) = names.log(db, to)? {
                asked.entry(no).or_insert((to, *after));
            }
        }
        for (no, (to, after)) in asked {
            let Log { last_seq, removed_seq, removed_ordinal, .. } =
                read_log(db, no)?.unwrap_or_default();
            if last_seq <= after {
                continue;
            }
            let removed = (removed_seq > after).then_some((removed_seq, removed_ordinal));
            merge.logs.push(Ahead { to, no, after: Some(after), removed, heads: VecDeque::new() });
            merge.line_up(db, merge.logs.len() - 1)?;
        }
        Ok(merge)
    }

    fn next(&mut self, db: &Connection) -> rusqlite::Result<Option<(Seq, Head)>> {
        let Some((seq, index)) = self.fronts.pop_first() else { return Ok(None) };
        let log = &mut self.logs[index];
        let to = log.to.clone();
        let head = if let Some((_, ordinal)) = log.removed.take() {
            Head::Removed { to, ordinal }
        } else if let Some(head) = log.heads.pop_front() {
            Head::Message { to, head }
        } else {
            return Ok(None);
        };
        self.line_up(db, index)?;
        Ok(Some((seq, head)))
    }

    /// Puts a log among the fronts, unless it has ended.
    fn line_up(&mut self, db: &Connection, index: usize) -> rusqlite::Result<()> {
        let log = &mut self.logs[index];
        if log.removed.is_none() && log.heads.is_empty() {
            log.fetch(db, self.reader)?;
        }
        let removed = log.removed.map(|(seq, _)| seq);
        if let Some(seq) = removed.or(log.heads.front().map(|head| head.place.seq)) {
            self.fronts.insert(seq, index);
        }
        Ok(())
    }
}

impl Ahead<'_> {
    fn fetch(&mut self, db: &Connection, reader: i64) -> rusqlite::Result<()> {
        const SQL: &str = "SELECT seq, ordinal, bytes FROM message \
            WHERE log = ?1 AND seq > ?2 AND sender <> ?3 ORDER BY seq LIMIT ?4";
        let Some(after) = self.after else { return Ok(()) };
        // In the own log even what one sent oneself is to be read.
        let left_out = if self.no > ALL { NOBODY } else { reader };
        let mut statement = db.prepare_cached(SQL)?;
        let rows = statement.query_map((self.no, Num(after), left_out, Num(AHEAD)), |row| {
            let place = Place { log: self.no, seq: num(row, 0)?, ordinal: num(row, 1)? };
            Ok(MessageHead { place, bytes: num(row, 2)? })
        })?;
        self.heads = rows.collect::<rusqlite::Result<_>>()?;
        let whole = self.heads.len() as u64 == AHEAD;
        self.after = self.heads.back().filter(|_| whole).map(|head| head.place.seq);
        Ok(())
    }
}
