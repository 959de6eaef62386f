//! Cursors: how far each user has read each log.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Row};

use super::numbers::{LogNo, UserNo};
use super::record;
use super::sql::{Num, execute, first, num, unencodable};
use crate::durable::StoredCursor;
use crate::wire::Seq;

/// Returns the cursor of a user in a log, if it has a row.
pub(super) fn cursor(
    db: &Connection,
    user: UserNo,
    log: LogNo,
) -> rusqlite::Result<Option<StoredCursor>> {
    const SQL: &str = "SELECT through, ordinal, above FROM cursor WHERE user = ?1 AND log = ?2";
    first(db, SQL, (user, log), |row| cursor_at(row, 0))
}

/// Reads a cursor from the three columns starting at `column`.
pub(super) fn cursor_at(row: &Row<'_>, column: usize) -> rusqlite::Result<StoredCursor> {
    let bytes = row.get_ref(column + 2)?.as_blob()?;
    let above = record::decode_above(bytes)
        .map_err(|cause| Error::FromSqlConversionFailure(column + 2, Type::Blob, cause.into()))?;
    Ok(StoredCursor { through: num(row, column)?, ordinal: num(row, column + 1)?, above })
}

/// Returns whether a cursor covers the message at a seq of its log.
pub(super) fn is_past(cursor: &StoredCursor, seq: Seq) -> bool {
    seq <= cursor.through || cursor.above.iter().any(|stretch| stretch.span.contains(seq))
}

/// Returns the first cursor of a user in `@all`: the end of that log when the user was claimed.
pub(super) fn since(db: &Connection, user: UserNo) -> rusqlite::Result<StoredCursor> {
    const SQL: &str = "SELECT since_seq, since_ordinal FROM user WHERE no = ?1";
    let found = first(db, SQL, [user], |row| Ok((num(row, 0)?, num(row, 1)?)))?;
    let (through, ordinal) = found.unwrap_or_default();
    Ok(StoredCursor { through, ordinal, above: Vec::new() })
}

pub(super) fn put_cursor(
    db: &Connection,
    user: UserNo,
    no: LogNo,
    cursor: &StoredCursor,
) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT OR REPLACE INTO cursor (user, log, through, ordinal, above) \
        VALUES (?1, ?2, ?3, ?4, ?5)";
    let above = record::encode_above(&cursor.above).map_err(unencodable)?;
    execute(db, SQL, (user, no, Num(cursor.through), Num(cursor.ordinal), above)).map(drop)
}
