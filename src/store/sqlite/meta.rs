//! Version of qmsg that uses the store: what an older version tells of a format it does not know.

use rusqlite::Connection;

use super::sql::{execute, first};

/// The name of the row. It is the same in all formats from 6 on.
const VERSION: &str = "version";

/// Notes the version of this qmsg.
pub(super) fn note_version(db: &Connection) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = ?2 WHERE value <> ?2";
    execute(db, SQL, (VERSION, env!("CARGO_PKG_VERSION"))).map(drop)
}

/// The version that used the store last, of any format, if it can be told.
pub(super) fn version(db: &Connection) -> Option<String> {
    const SQL: &str = "SELECT value FROM meta WHERE name = ?1";
    first(db, SQL, [VERSION], |row| row.get(0)).ok().flatten()
}
