//! Version of qmsg that last used the store. An older version reports it when it does not know the
//! format.

use rusqlite::Connection;

use super::sql::{execute, first};

/// Name of the row, the same in all formats from 6 on.
const VERSION: &str = "version";

/// Stores the version of this qmsg.
pub(super) fn note_version(db: &Connection) -> rusqlite::Result<()> {
    const SQL: &str = "INSERT INTO meta (name, value) VALUES (?1, ?2) \
        ON CONFLICT (name) DO UPDATE SET value = ?2 WHERE value <> ?2";
    execute(db, SQL, (VERSION, env!("CARGO_PKG_VERSION"))).map(drop)
}

/// Returns the version that last used a store of any format, if it is recorded.
pub(super) fn version(db: &Connection) -> Option<String> {
    const SQL: &str = "SELECT value FROM meta WHERE name = ?1";
    first(db, SQL, [VERSION], |row| row.get(0)).ok().flatten()
}
