//! Long bodies: a row of `part` for each chunk, under numbers that are never reused.
//!
//! A message holds the number of its first chunk; the others follow it. Until the message is
//! stored, the chunks belong to an upload. A message and the dead letters made from it may share
//! chunks (table `shared`); these stay until the last of them is removed. Ranges of chunks that
//! nothing refers to are in `loose`, and every transaction removes a few of them: the work of one
//! transaction does not depend on the length of a body.

use rusqlite::Connection;

use super::record::{Long, Sum, chunk_count, sum_at};
use super::sql::{Num, execute, first, num};
use crate::durable::{Missing, Upload};
use crate::wire::{Body, CHUNK_LEN_MAX, Message};

/// Database pages of a chunk: 16 overflow pages, and its share of the table's own pages.
const PAGES: u64 = 17;

const PART_LEN: u64 = CHUNK_LEN_MAX as u64;

/// An upload whose chunks have not all arrived.
struct Partial {
    long: Long,
    written: u64,
}

/// Starts an upload with its first chunk. `false`: nothing was started, as the file may not grow by
/// the size of the body.
pub(super) fn begin(db: &Connection, upload: Upload, message: &Message) -> rusqlite::Result<bool> {
    discard(db, upload)?;
    let size = message.size;
    if !has_room(db, size)? {
        return Ok(false);
    }
    // Numbers are never reused: whoever reads a removed body must not get another one.
    const RESERVE: &str = "UPDATE state SET next_part = next_part + ?1 RETURNING next_part - ?1";
    let count = Num(chunk_count(Long { first: 0, size }));
    let first = first(db, RESERVE, [count], |row| num(row, 0))?;
    let first = first.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    const SQL: &str = "INSERT INTO upload (no, first, size, written) VALUES (?1, ?2, ?3, 0)";
    execute(db, SQL, (Num(upload.0), Num(first), Num(size)))?;
    put(db, upload, &message.body)?;
    Ok(true)
}

/// Adds the next chunk. One of the wrong size is ignored, so the body never becomes complete.
pub(super) fn put(db: &Connection, upload: Upload, body: &Body) -> rusqlite::Result<()> {
    let Some(Partial { long, written }) = partial(db, upload)? else { return Ok(()) };
    let left = long.size.saturating_sub(written.saturating_mul(PART_LEN));
    if body.is_empty() || body.len() as u64 != left.min(PART_LEN) {
        return Ok(());
    }
    let no = long.first.saturating_add(written);
    const SQL: &str = "INSERT INTO part (no, sum, bytes) VALUES (?1, ?2, ?3)";
    execute(db, SQL, (Num(no), sum(no, &body.0), &*body.0))?;
    execute(db, "UPDATE upload SET written = written + 1 WHERE no = ?1", [Num(upload.0)]).map(drop)
}

/// Ends the upload of a message's body, if it has one; the chunks then belong to the caller.
/// `None`: some chunks are missing.
pub(super) fn finish(
    db: &Connection,
    upload: Option<Upload>,
    message: &Message,
) -> rusqlite::Result<Option<Option<Long>>> {
    let whole = !message.is_long();
    let Some(upload) = upload else { return Ok(whole.then_some(None)) };
    match partial(db, upload)? {
        Some(Partial { long, written })
            if !whole && written == chunk_count(long) && long.size == message.size =>
        {
            execute(db, "DELETE FROM upload WHERE no = ?1", [Num(upload.0)])?;
            Ok(Some(Some(long)))
        }
        _ => {
            discard(db, upload)?;
            Ok(whole.then_some(None))
        }
    }
}

/// Discards an upload that will not become a message.
pub(super) fn discard(db: &Connection, upload: Upload) -> rusqlite::Result<()> {
    if let Some(Partial { long, written }) = partial(db, upload)? {
        execute(db, "DELETE FROM upload WHERE no = ?1", [Num(upload.0)])?;
        loosen(db, long.first, written)?;
    }
    Ok(())
}

/// Discards all uploads: they were left by an earlier process.
pub(super) fn discard_all(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "BEGIN IMMEDIATE;
         INSERT INTO loose (first, parts) SELECT first, written FROM upload WHERE written > 0;
         DELETE FROM upload;
         COMMIT;",
    )
}

/// Adds an owner to the chunks of a body.
pub(super) fn share(db: &Connection, first: u64) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO shared (first, more) VALUES (?1, 1) \
        ON CONFLICT (first) DO UPDATE SET more = more + 1";
    execute(db, SQL, [Num(first)]).map(drop)
}

/// Removes an owner from the chunks of a body. Without owners they become loose.
pub(super) fn loosen(db: &Connection, first: u64, parts: u64) -> rusqlite::Result<()> {
    if parts == 0
        || execute(db, "UPDATE shared SET more = more - 1 WHERE first = ?1", [Num(first)])? == 0
    {
        return put_loose(db, first, parts);
    }
    execute(db, "DELETE FROM shared WHERE first = ?1 AND more = 0", [Num(first)]).map(drop)
}

fn put_loose(db: &Connection, first: u64, parts: u64) -> rusqlite::Result<()> {
    if parts > 0 {
        const SQL: &str = "INSERT OR REPLACE INTO loose (first, parts) VALUES (?1, ?2)";
        execute(db, SQL, (Num(first), Num(parts)))?;
    }
    Ok(())
}

/// Removes at most `parts_max` loose chunks; returns whether there are more.
pub(super) fn remove(db: &Connection, parts_max: u64) -> rusqlite::Result<bool> {
    const OLDEST: &str = "SELECT first, parts FROM loose ORDER BY first LIMIT 1";
    let mut room = parts_max;
    while let Some((first, parts)) = first(db, OLDEST, (), |row| Ok((num(row, 0)?, num(row, 1)?)))?
    {
        if room == 0 {
            return Ok(true);
        }
        let now = parts.min(room);
        let cut = first.saturating_add(now);
        const REMOVE: &str = "DELETE FROM part WHERE no >= ?1 AND no < ?2";
        execute(db, REMOVE, (Num(first), Num(cut)))?;
        execute(db, "DELETE FROM loose WHERE first = ?1", [Num(first)])?;
        put_loose(db, cut, parts - now)?;
        room -= now;
    }
    Ok(false)
}

/// Reads a chunk by its number.
pub(super) fn read(db: &Connection, no: u64) -> rusqlite::Result<Result<Body, Missing>> {
    const SQL: &str = "SELECT sum, bytes FROM part WHERE no = ?1";
    let found = first(db, SQL, [Num(no)], |row| {
        let bytes = row.get_ref(1)?.as_blob()?;
        Ok(if row.get_ref(0)?.as_blob()? == sum(no, bytes) {
            Ok(Body(bytes.to_vec().into()))
        } else {
            tracing::error!(part = no, "what is stored is damaged");
            Err(Missing::Corrupt)
        })
    })?;
    Ok(found.unwrap_or(Err(Missing::Removed)))
}

fn partial(db: &Connection, upload: Upload) -> rusqlite::Result<Option<Partial>> {
    const SQL: &str = "SELECT first, size, written FROM upload WHERE no = ?1";
    first(db, SQL, [Num(upload.0)], |row| {
        Ok(Partial {
            long: Long { first: num(row, 0)?, size: num(row, 1)? },
            written: num(row, 2)?,
        })
    })
}

/// Returns whether the file may grow by `size` bytes. Only writing tells whether the disk has them.
fn has_room(db: &Connection, size: u64) -> rusqlite::Result<bool> {
    const SQL: &str = "SELECT max_page_count - page_count + freelist_count \
        FROM pragma_max_page_count, pragma_page_count, pragma_freelist_count";
    let pages = first(db, SQL, (), |row| num(row, 0))?.unwrap_or(0);
    Ok(size.div_ceil(PART_LEN).saturating_mul(PAGES) <= pages)
}

fn sum(no: u64, bytes: &[u8]) -> Sum {
    sum_at(&[no], bytes)
}
