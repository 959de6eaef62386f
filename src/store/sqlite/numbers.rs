//! Numbers that stand for users and logs in the tables.
//!
//! A user's number is also the number of the user's own log; the log of a room has the room's
//! number, negated; the log of `@all` is 0.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Number of a user, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UserNo(i64);

/// Number of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LogNo(i64);

impl UserNo {
    pub(super) const fn new(no: i64) -> Self {
        Self(no)
    }

    pub(super) fn value(self) -> i64 {
        self.0
    }

    /// Number that no user has.
    pub(super) const NOBODY: Self = Self(0);

    /// The number of the user's own log.
    pub(super) fn own_log(self) -> LogNo {
        LogNo(self.0)
    }
}

impl LogNo {
    pub(super) const fn new(no: i64) -> Self {
        Self(no)
    }

    pub(super) fn value(self) -> i64 {
        self.0
    }

    /// The log of `@all`.
    pub(super) const ALL: Self = Self(0);

    /// Returns whether the log is a user's own log.
    pub(super) fn is_own(self) -> bool {
        self.0 > 0
    }

    /// Returns whether the log belongs to a room.
    pub(super) fn is_room(self) -> bool {
        self.0 < 0
    }

    /// Returns the user whose own log this is; [`UserNo::NOBODY`] for other logs.
    pub(super) fn owner(self) -> UserNo {
        UserNo(self.0.max(0))
    }
}

impl ToSql for UserNo {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for UserNo {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

impl ToSql for LogNo {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for LogNo {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}
