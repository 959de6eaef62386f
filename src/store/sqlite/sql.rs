//! Helpers for SQL statements.

use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Params, Row, ffi};

use super::record;
use crate::durable::StoreError;
use crate::wire::BadName;

/// An unsigned number in a signed column of SQLite. A number that is too large is stored as the
/// largest that fits, so that comparisons stay right; the store's own numbers never come near.
#[derive(Clone, Copy, Debug)]
pub(super) struct Num(pub(super) u64);

impl ToSql for Num {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(i64::try_from(self.0).unwrap_or(i64::MAX).into())
    }
}

impl FromSql for Num {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        number.try_into().map(Self).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

/// Returns the unsigned number in a column.
pub(super) fn num(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, Num>(column).map(|Num(number)| number)
}

/// Returns the name in a column.
pub(super) fn name<T: FromStr<Err = BadName>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let wrong = |cause| Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause));
    row.get_ref(column)?.as_str()?.parse().map_err(wrong)
}

/// Executes a statement, which stays prepared. Returns the number of rows changed.
pub(super) fn execute(db: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(values)
}

/// Returns the first row of a query, which stays prepared.
pub(super) fn first<T>(
    db: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(values, read).optional()
}

/// Turns a failed encoding into an error of the statement that needed the bytes.
pub(super) fn unencodable(cause: record::EncodeError) -> Error {
    Error::ToSqlConversionFailure(cause.into())
}

/// Turns an error of SQLite into one of the store.
pub(super) fn failed(doing: &'static str) -> impl Fn(Error) -> StoreError {
    move |cause| {
        let damage = is_damage(&cause);
        StoreError::Failed { doing, cause: cause.into(), damage }
    }
}

/// Returns whether an error means that the database is not as it was written.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Returns whether an error means that there was no room for a write, which then has not happened.
///
/// SQLite returns FULL for ENOSPC and for its own page limit. SHMSIZE means that the index of the
/// WAL could not grow, before anything was written.
pub(super) fn is_full(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
