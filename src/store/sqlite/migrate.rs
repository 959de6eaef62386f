//! Migrations from one format of the store to the next. A migration is one transaction: a crash
//! leaves either the old or the new format. There is no way back.
//!
//! A migration never changes once it is released. Each has a file of its old format under
//! `tests/fixtures`, and a test that opens it.

use rusqlite::Connection;

use super::meta;
use super::schema::FORMAT;

/// A migration, called inside a transaction.
type Step = fn(&Connection) -> rusqlite::Result<()>;

/// All migrations; the first starts from [`OLDEST`].
const STEPS: [Step; 1] = [from_5];
/// The oldest format that can be migrated.
pub(super) const OLDEST: i32 = FORMAT - STEPS.len() as i32;

/// Migrates a store from format `found`, at least [`OLDEST`], to [`FORMAT`].
pub(super) fn migrate(db: &Connection, found: i32) -> rusqlite::Result<()> {
    for (from, step) in (OLDEST..FORMAT).zip(STEPS).filter(|(from, _)| *from >= found) {
        let done = begin(db, from, step).and_then(|()| db.execute_batch("COMMIT"));
        if done.is_err() && !db.is_autocommit() {
            db.execute_batch("ROLLBACK")?;
        }
        done?;
        tracing::info!(from, to = from + 1, "the store has the next format");
    }
    Ok(())
}

/// Carries out a migration in a transaction that stays open.
fn begin(db: &Connection, from: i32, step: Step) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    step(db)?;
    db.pragma_update(None, "user_version", from + 1)
}

/// Adds the table with the version of qmsg, which older versions report to their user.
fn from_5(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    )?;
    meta::note_version(db)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rusqlite::Connection;

    use super::{FORMAT, OLDEST, STEPS, begin, migrate};

    fn format(db: &Connection) -> i32 {
        db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap_or_default()
    }

    /// Copies the database and its log as a crash would leave them.
    fn crash(from: &Path, to: &Path) -> Connection {
        for name in ["store.db", "store.db-wal"] {
            fs::copy(from.join(name), to.join(name)).expect("a copy");
        }
        Connection::open(to.join("store.db")).expect("a store")
    }

    #[test]
    fn a_crash_leaves_the_old_format_or_the_new_one() {
        let root = std::env::temp_dir().join(format!("qmsg-migrate-{}", std::process::id()));
        let [dir, during, after] = ["now", "during", "after"].map(|name| root.join(name));
        for dir in [&dir, &during, &after] {
            fs::create_dir_all(dir).expect("a directory");
        }
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-5.db");
        fs::copy(fixture, dir.join("store.db")).expect("the fixture");
        let db = Connection::open(dir.join("store.db")).expect("a store");
        db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).expect("a log");
        assert_eq!(format(&db), OLDEST);
        begin(&db, OLDEST, STEPS[0]).expect("a step");
        // Uncommitted pages are on the disk as well.
        db.cache_flush().expect("written");

        let mut crashed = crash(&dir, &during);
        assert_eq!(format(&crashed), OLDEST);
        migrate(&crashed, OLDEST).expect("again");
        assert_eq!(format(&crashed), FORMAT);
        db.execute_batch("COMMIT").expect("the end of the step");
        crashed = crash(&dir, &after);
        assert_eq!(format(&crashed), FORMAT);
        migrate(&crashed, FORMAT).expect("nothing to do");
        let whole = crashed.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(whole.as_deref(), Ok("ok"));
        fs::remove_dir_all(root).expect("removed");
    }
}
