//! Small things that every statement needs.

use std::str::FromStr;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension, Params, Row, ffi};

use super::record;
use crate::durable::StoreError;
use crate::wire::BadName;

/// An unsigned number in SQLite's signed columns. What does not fit is cut to the largest that
/// does, which keeps comparisons right; numbers given by the store never come near.
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

/// The unsigned number in a column.
pub(super) fn num(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, Num>(column).map(|Num(number)| number)
}

/// The name in a column.
pub(super) fn name<T: FromStr<Err = BadName>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let wrong = |cause| Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause));
    row.get_ref(column)?.as_str()?.parse().map_err(wrong)
}

/// Carries out a statement, which stays prepared. Returns the number of rows changed.
pub(super) fn execute(db: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<usize> {
    db.prepare_cached(sql)?.execute(values)
}

/// The first row of a query, which stays prepared.
pub(super) fn first<T>(
    db: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    db.prepare_cached(sql)?.query_row(values, read).optional()
}

/// What does not become bytes, as an error of the statement that wanted them.
pub(super) fn unencodable(cause: record::EncodeError) -> Error {
    Error::ToSqlConversionFailure(cause.into())
}

/// Makes an error of the store of what SQLite says.
pub(super) fn failed(doing: &'static str) -> impl Fn(Error) -> StoreError {
    move |cause| {
        let damage = is_damage(&cause);
        StoreError::Failed { doing, cause: cause.into(), damage }
    }
}

/// Returns whether the database says that it is not as it was written.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether there was no room for a write, and nothing of it has happened.
///
/// SQLite says FULL for ENOSPC as for its own page limit; SHMSIZE is the WAL's index that could not
/// grow, before anything was written.
pub(super) fn is_full(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_IOERR_SHMSIZE)
}
