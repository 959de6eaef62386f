//! Check of a store, and salvage of a damaged one.
//!
//! Nothing is repaired in place. All that can be read goes into a new file, which replaces the old
//! one once it is on disk. The old file is kept beside it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::file::{self, OpenError, at, full_in, sqlite};
use super::salvage::{self, Copied, TABLES};
use super::segment::{self, StoredSegment};
use super::sql::{execute, num};
use super::watch::{database, log_of};
use super::write_buffer::WriteBuffer;
use super::{bodies, migrate, record, schema};
use crate::files;
use crate::store::limits::DAMAGES_LISTED_MAX;

/// Number of seqs skipped where seqs given out may have been lost: clients know messages by their
/// seqs, so none may be given out twice.
pub(super) const SEQS_LEFT_OUT: u64 = 1 << 32;
/// First bytes of every SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Result of a check.
#[derive(Debug)]
pub struct Checked {
    /// Users in the store now.
    pub users: u64,
    /// Undamaged messages in the store now.
    pub messages: u64,
    /// Damaged messages in the store: readers are told that they are lost.
    pub rotten: u64,
    /// Damage of the file, as SQLite describes it.
    pub damages: Vec<String>,
    /// The repair, if one was needed.
    pub mended: Option<Mended>,
}

/// Replacement of a damaged file by a new one.
#[derive(Debug)]
pub struct Mended {
    /// Path to which the damaged file was moved.
    pub aside: PathBuf,
    /// Losses, one line for each table; empty if only indexes were damaged.
    pub lost: Vec<String>,
    /// Users of whom only the id is left.
    pub users: Vec<String>,
}

/// Returns whether nothing is lost.
pub fn is_whole(checked: &Checked) -> bool {
    let is_mended = |mended: &Mended| mended.lost.is_empty() && mended.users.is_empty();
    checked.rotten == 0 && checked.mended.as_ref().is_none_or(is_mended)
}

/// Checks the store in a directory, which no server may use meanwhile, and mends it.
pub fn check(dir: &Path) -> Result<Checked, OpenError> {
    let (path, _lock) = file::take(dir)?;
    let headless = mend_header(dir, &path).map_err(full_in(dir))?;
    let db = file::connect_to_mend(&path)?;
    let mut damages = damages(&db);
    let mut mended = match damages.is_empty() {
        true => None,
        false => Some(mend(db, dir, &path).map_err(full_in(dir))?),
    };
    if let Some(aside) = headless {
        damages.insert(0, "the first bytes of the file".into());
        let (lost, users) = mended.map(|it| (it.lost, it.users)).unwrap_or_default();
        mended = Some(Mended { aside, lost, users });
    }
    let db = file::connect_ours(&path)?;
    let (messages, rotten) = look_at_messages(&db).map_err(sqlite("reading the messages"))?;
    let users = count(&db, "user").map_err(sqlite("counting users"))?;
    Ok(Checked { users, messages, rotten, damages, mended })
}

fn damages(db: &Connection) -> Vec<String> {
    let check = || {
        let sql = format!("PRAGMA integrity_check({DAMAGES_LISTED_MAX})");
        let mut statement = db.prepare(&sql)?;
        let rows = statement.query_map((), |row| row.get::<_, String>(0))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    match check() {
        Ok(said) if said == ["ok"] => Vec::new(),
        Ok(said) => said,
        Err(error) => vec![error.to_string()],
    }
}

fn count(db: &Connection, table: &str) -> rusqlite::Result<u64> {
    db.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| num(row, 0))
}

/// Returns the numbers of undamaged and of damaged messages.
fn look_at_messages(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    const SQL: &str = "SELECT last, log, last_ordinal, messages, bytes, time_ms, part, parts, \
        head FROM run ORDER BY last";
    let (mut whole, mut rotten) = (0, 0);
    let mut statement = db.prepare(SQL)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let stored = StoredSegment::at(row)?;
        let Ok(head) = stored.head() else {
            rotten += stored.whole().messages;
            continue;
        };
        let records = segment::records(db, stored.place().last)?;
        for (entry, span) in head.spans() {
            let is_record = record::is_whole(entry, records.get(span).unwrap_or_default());
            let parts =
                entry.long.map_or(0..0, |long| long.first..long.first + record::chunk_count(long));
            let mut is_whole = is_record;
            for part in parts {
                is_whole &= bodies::read(db, part)?.is_ok();
            }
            if is_whole { whole += 1 } else { rotten += 1 }
        }
    }
    Ok((whole, rotten))
}

/// Restores the first bytes of the file if nothing else in its header is wrong. Returns the new
/// path of the old file. Does nothing beside a write-ahead log, which belongs to the old file.
fn mend_header(dir: &Path, path: &Path) -> Result<Option<PathBuf>, OpenError> {
    let mut header = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    let is_log = fs::metadata(log_of(path)).is_ok_and(|log| log.len() > 0);
    if read.is_err()
        || is_log
        || header.starts_with(MAGIC)
        || !schema::is_header(&header, migrate::OLDEST)
    {
        return Ok(None);
    }
    let new_path = dir.join("store.db.new");
    let _ = fs::remove_file(&new_path);
    let copy = || {
        let mut new = files::open_private(&new_path)?;
        io::copy(&mut File::open(path)?, &mut new)?;
        new.rewind()?;
        new.write_all(MAGIC)?;
        new.sync_all()
    };
    copy().map_err(at(&new_path))?;
    put_in_place(&new_path, dir, path).map(Some)
}

fn mend(old: Connection, dir: &Path, path: &Path) -> Result<Mended, OpenError> {
    let new_path = dir.join("store.db.new");
    for leftover in [new_path.clone(), new_path.with_extension("new-journal")] {
        let _ = fs::remove_file(leftover);
    }
    let file = files::open_private(&new_path).map_err(at(&new_path))?;
    let new = file::connect(&new_path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::create(&new).map_err(sqlite("making the tables"))?;
    let (lost, users) = fill(&old, &new).map_err(sqlite("copying what can be read"))?;
    close(new)?;
    file.sync_all().map_err(at(&new_path))?;
    // First everything goes from the log into the database, so that one rename puts all of it
    // aside.
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    old.query_row(sql, (), |_| Ok(())).map_err(sqlite("emptying the log"))?;
    close(old)?;
    let aside = put_in_place(&new_path, dir, path)?;
    Ok(Mended { aside, lost, users })
}

/// Puts a new file in place of the old one. Returns the new path of the old one.
fn put_in_place(new_path: &Path, dir: &Path, path: &Path) -> Result<PathBuf, OpenError> {
    let aside = aside(path);
    if fs::hard_link(path, &aside).is_err() {
        fs::copy(path, &aside).and_then(|_| File::open(&aside)?.sync_all()).map_err(at(&aside))?;
    }
    fs::rename(new_path, path).map_err(at(path))?;
    // The log is empty by now, and the other file is only an index of it.
    for beside in [log_of(path), path.with_extension("db-shm")] {
        let _ = fs::remove_file(beside);
    }
    files::sync_directory(dir).map_err(at(dir))?;
    Ok(aside)
}

fn close(db: Connection) -> Result<(), OpenError> {
    db.close().map_err(|(_, cause)| sqlite("closing")(cause))
}

/// Returns a path beside `path` that does not exist yet.
fn aside(path: &Path) -> PathBuf {
    let numbered = |number: u32| path.with_extension(format!("db.damaged{number}"));
    let names = std::iter::once(path.with_extension("db.damaged")).chain((2..).map(numbered));
    let free = |name: &PathBuf| fs::symlink_metadata(name).is_err();
    names.into_iter().find(free).unwrap_or_else(|| path.with_extension("db.damaged"))
}

/// Copies all tables. Returns descriptions of tables with losses, and the ids of lost users.
fn fill(old: &Connection, new: &Connection) -> rusqlite::Result<(Vec<String>, Vec<String>)> {
    new.execute_batch("BEGIN IMMEDIATE; DELETE FROM state")?;
    let mut lost = Vec::new();
    for table in &TABLES {
        let Copied { rows, is_damaged } = salvage::copy(old, new, table)?;
        if is_damaged {
            lost.push(format!("part of table {} ({rows} rows are intact)", table.name));
        }
    }
    let users = lost_users(old, new)?;
    new.execute_batch(REPAIR)?;
    leave_out(new)?;
    new.execute_batch("COMMIT")?;
    Ok((lost, users))
}

/// Returns ids that only the index of users still has.
fn lost_users(old: &Connection, new: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut users = Vec::new();
    let Ok(mut statement) = old.prepare("SELECT id FROM user ORDER BY id") else {
        return Ok(users);
    };
    let Ok(mut rows) = statement.query(()) else { return Ok(users) };
    while let Ok(Some(row)) = rows.next() {
        let Ok(id) = row.get::<_, String>(0) else { continue };
        let sql = "SELECT count(*) FROM user WHERE id = ?1";
        let known = new.query_row(sql, [&id], |row| num(row, 0))?;
        if known == 0 {
            users.push(id);
        }
    }
    Ok(users)
}

/// Skips the seqs that clients may know of messages lost from this store.
pub(super) fn leave_out(db: &Connection) -> rusqlite::Result<()> {
    WriteBuffer::load(db)?.leave_out(db, SEQS_LEFT_OUT)
}

/// Statements that make the tables agree. The numbers of users and rooms are never reused, or
/// somebody would read another's messages: the highest number mentioned anywhere stays taken.
const REPAIR: &str = "
INSERT INTO state SELECT ifnull(max(last_seq), 0), 1 FROM log
    WHERE NOT EXISTS (SELECT 1 FROM state);
UPDATE state SET next_part = max(next_part,
    ifnull((SELECT max(no) + 1 FROM part), 1),
    ifnull((SELECT max(part + parts) FROM run), 1),
    ifnull((SELECT max(part + parts) FROM letter), 1));
INSERT OR IGNORE INTO log
    SELECT log, max(last), max(last_ordinal), sum(messages), sum(bytes), 0, 0
    FROM run WHERE last <= (SELECT last_seq FROM state) GROUP BY log;
UPDATE log SET
    kept_messages = min(kept_messages, ifnull((SELECT sum(messages) FROM run
        WHERE log = log.no AND last <= (SELECT last_seq FROM state)), 0)),
    kept_bytes = min(kept_bytes, ifnull((SELECT sum(bytes) FROM run
        WHERE log = log.no AND last <= (SELECT last_seq FROM state)), 0));
INSERT OR IGNORE INTO member SELECT log, id, user, through FROM cursor
    JOIN user ON user.no = cursor.user WHERE log < 0;
INSERT OR IGNORE INTO cursor SELECT user, log, since, ifnull((SELECT max(last_ordinal) FROM run
    WHERE run.log = member.log AND run.last <= member.since), 0), x'' FROM member;
DELETE FROM drawer;
INSERT INTO drawer SELECT user, kind, count(*), sum(bytes) FROM letter GROUP BY user, kind;
INSERT OR IGNORE INTO user SELECT no, 'lost-user-' || no, zeroblob(32), 0, 0 FROM
    (SELECT max((SELECT ifnull(max(log), 0) FROM run), (SELECT ifnull(max(no), 0) FROM log),
        (SELECT ifnull(max(user), 0) FROM cursor), (SELECT ifnull(max(user), 0) FROM member),
        (SELECT ifnull(max(user), 0) FROM letter), (SELECT ifnull(max(user), 0) FROM verdict),
        (SELECT ifnull(max(user), 0) FROM keyed)) AS no)
    WHERE no > (SELECT ifnull(max(no), 0) FROM user);
INSERT OR IGNORE INTO room SELECT no, 'lost-room-' || no FROM
    (SELECT -min((SELECT ifnull(min(log), 0) FROM run), (SELECT ifnull(min(no), 0) FROM log),
        (SELECT ifnull(min(log), 0) FROM cursor), (SELECT ifnull(min(log), 0) FROM member)) AS no)
    WHERE no > (SELECT ifnull(max(no), 0) FROM room);
";

/// Copies a store to a new file at `to`, as of one moment after the call. Works while a server uses
/// the store, however much it writes. The copy of a store in an older format has the current
/// format.
pub fn backup(dir: &Path, to: &Path) -> Result<(), OpenError> {
    let path = database(dir);
    if !file::is_there(dir) {
        return Err(OpenError::Missing(dir.to_path_buf()));
    }
    let (db, format) = file::connect_any(&path)?;
    let new_path = to.with_extension("db.new");
    let _ = fs::remove_file(&new_path);
    let made = copy_whole((&db, format), &new_path)
        .and_then(|()| files::name_new(&new_path, to).map_err(at(to)));
    if made.is_err() {
        // An incomplete copy is useless.
        let _ = fs::remove_file(&new_path);
    }
    made
}

fn copy_whole((db, format): (&Connection, i32), to: &Path) -> Result<(), OpenError> {
    // SQLite treats an empty file as a new database and keeps its mode.
    let file = files::open_private(to).map_err(at(to))?;
    let name = to.to_str().ok_or_else(|| OpenError::NotText(to.to_owned()))?;
    execute(db, "VACUUM INTO ?1", [name]).map_err(sqlite("copying the store"))?;
    let copy = file::connect(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let numbered = copy.execute_batch("PRAGMA journal_mode = DELETE");
    let numbered = numbered.and_then(|()| {
        migrate::migrate(&copy, format)?;
        copy.execute_batch("BEGIN IMMEDIATE")?;
        leave_out(&copy)?;
        copy.execute_batch("COMMIT")
    });
    numbered.map_err(sqlite("numbering the copy"))?;
    close(copy)?;
    file.sync_all().map_err(at(to))
}
