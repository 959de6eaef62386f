//! The tables, and what says that a file has them.

use rusqlite::Connection;

use super::meta;
use super::sql::Num;

/// "qmsg": says whose file it is, to us and to file(1).
pub(super) const APPLICATION_ID: i32 = 0x716d_7367;
/// The number of the tables, which another version may have others of.
pub const FORMAT: i32 = 6;

/// `cursor.log` below 0 is a room: such a row is the membership. A user's own log and `@all` need
/// no row: their cursors start at 0 and at `user.since_*`. `log` has a row once it is noted that it
/// has a message. `state.last_seq` is up to where `sent` and `log` know of the messages; later runs
/// tell themselves. `run.last` is the seq of the run's last message; the index has it too, behind
/// the log. `part` and `parts` of a run are the first and the number of its last message's parts.
/// `shared.more` is how many there are besides one that parts belong to. `member` has the members
/// of rooms in the order of their ids; `since` is the last seq that is not for them. `drawer` is
/// what stands in `letter`, counted by user and kind; `letter.due_ms` is when it is to be sent, or
/// tried again. `verdict.until_ms` is when it may go.
///
/// In few words: SQLite keeps the statements, and while all of them fit into the first page no
/// other damaged page makes the whole file unreadable.
pub(super) const TABLES: &str = "
CREATE TABLE state (last_seq INT NOT NULL, next_part INT NOT NULL) STRICT;
INSERT INTO state VALUES (0, 1);
CREATE TABLE user (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key BLOB NOT NULL,
    since_seq INT NOT NULL, since_ordinal INT NOT NULL) STRICT;
CREATE TABLE room (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE log (
    no INTEGER PRIMARY KEY, last_seq INT NOT NULL, last_ordinal INT NOT NULL,
    kept_messages INT NOT NULL, kept_bytes INT NOT NULL,
    removed_seq INT NOT NULL, removed_ordinal INT NOT NULL) STRICT;
CREATE TABLE run (
    last INTEGER PRIMARY KEY, log INT NOT NULL, last_ordinal INT NOT NULL,
    messages INT NOT NULL, bytes INT NOT NULL, time_ms INT NOT NULL,
    part INT NOT NULL, parts INT NOT NULL,
    head BLOB NOT NULL, records BLOB NOT NULL) STRICT;
CREATE INDEX run_log ON run (log);
CREATE TABLE part (no INTEGER PRIMARY KEY, sum BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE upload (
    no INTEGER PRIMARY KEY, first INT NOT NULL, size INT NOT NULL,
    written INT NOT NULL) STRICT;
CREATE TABLE loose (first INTEGER PRIMARY KEY, parts INT NOT NULL) STRICT;
CREATE TABLE shared (first INTEGER PRIMARY KEY, more INT NOT NULL) STRICT;
CREATE TABLE sent (
    no INTEGER PRIMARY KEY, begin BLOB NOT NULL UNIQUE, ids BLOB NOT NULL) STRICT;
CREATE TABLE keyed (
    id BLOB, user INT, time_ms INT NOT NULL,
    PRIMARY KEY (id, user)) STRICT, WITHOUT ROWID;
CREATE INDEX keyed_time ON keyed (time_ms);
CREATE TABLE cursor (
    user INT, log INT, through INT NOT NULL, ordinal INT NOT NULL,
    above BLOB NOT NULL, PRIMARY KEY (user, log)) STRICT, WITHOUT ROWID;
CREATE INDEX cursor_room ON cursor (log) WHERE log < 0;
CREATE TABLE member (
    log INT, id TEXT, user INT NOT NULL, since INT NOT NULL,
    PRIMARY KEY (log, id)) STRICT, WITHOUT ROWID;
CREATE TABLE verdict (
    no INTEGER PRIMARY KEY, seq INT NOT NULL, user INT NOT NULL, kind INT NOT NULL,
    time_ms INT NOT NULL, until_ms INT NOT NULL, sum BLOB NOT NULL,
    note BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX verdict_of ON verdict (seq, user);
CREATE INDEX verdict_until ON verdict (until_ms);
CREATE TABLE drawer (
    user INT, kind INT, messages INT NOT NULL, bytes INT NOT NULL,
    PRIMARY KEY (user, kind)) STRICT, WITHOUT ROWID;
CREATE TABLE letter (
    no INTEGER PRIMARY KEY, user INT NOT NULL, kind INT NOT NULL, id BLOB NOT NULL,
    due_ms INT, bytes INT NOT NULL, part INT NOT NULL, parts INT NOT NULL,
    letter BLOB NOT NULL) STRICT;
CREATE INDEX letter_of ON letter (user, kind);
CREATE INDEX letter_id ON letter (user, kind, id);
CREATE INDEX letter_due ON letter (due_ms) WHERE due_ms IS NOT NULL;
CREATE TABLE expiring (
    log INT, at_ms INT, seq INT, bytes INT NOT NULL,
    PRIMARY KEY (log, at_ms, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX expiring_at ON expiring (at_ms);
CREATE TABLE expired (
    log INT, seq INT, bytes INT NOT NULL,
    PRIMARY KEY (log, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE code (hash BLOB PRIMARY KEY, expires_ms INT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// Makes them in an empty database.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    let tables = TABLES.split_whitespace().collect::<Vec<_>>().join(" ");
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {tables}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))?;
    meta::note_version(db)
}

/// Returns whether this is the header of a store, whatever its first 16 bytes are: the sizes and
/// fractions that SQLite has (fileformat2.html, 1.3), the store's pages and number, and a format
/// from `oldest` on.
pub(super) fn is_header(header: &[u8; 100], oldest: i32) -> bool {
    let format = header[60..64].iter().fold(0, |sum, byte| sum << 8 | i32::from(*byte));
    header[16..18] == 4096_u16.to_be_bytes()
        && header[20..24] == [0, 64, 32, 32]
        && (oldest..=FORMAT).contains(&format)
        && header[68..72] == APPLICATION_ID.to_be_bytes()
}

/// Limits the size of the file, its WAL not counted. 0: no limit.
pub(super) fn limit_size(db: &Connection, bytes_max: u64) -> rusqlite::Result<()> {
    if bytes_max == 0 {
        return Ok(());
    }
    let Num(page) = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // SQLite's own limit of pages; it never goes below what the file has.
    let pages = (bytes_max / page.max(1)).clamp(1, 0xffff_fffe);
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}
