//! The tables, and the numbers that mark a file as a store.

use rusqlite::Connection;

use super::meta;
use super::sql::Num;

/// Application id "qmsg", by which qmsg and file(1) recognise a store.
pub(super) const APPLICATION_ID: i32 = 0x716d_7367;
/// The format of the tables.
pub const FORMAT: i32 = 6;

/// The tables, with the meaning of a row of each:
/// - `state`: the only row: the seq up to which `sent` and `log` are flushed (later segments record
///   their own messages), and the next chunk number.
/// - `user`: a user; `since_*` is the end of `@all` at the claim.
/// - `room`: a room.
/// - `log`: the state of a log, from the first flush after its first message.
/// - `run`: a segment of a log. `last` is the seq of its last message; the index has it too, after
///   the log. `part` and `parts` are the first chunk and the number of chunks of that message.
/// - `part`: a chunk of a long body.
/// - `upload`: a body that is being uploaded.
/// - `loose`: a range of chunks to be removed.
/// - `shared`: chunks with several owners; `more` is the number of owners beyond the first.
/// - `sent`: a leaf of the duplicate index.
/// - `keyed`: an id made from a key, for the duplicate check.
/// - `cursor`: a user's cursor in a log. With a room's log (below 0) it is also the membership.
///   Cursors in a user's own log and in `@all` start without a row, at 0 and at `user.since_*`.
/// - `member`: a member of a room, by id; `since` is the last seq not meant for the member.
/// - `verdict`: a reader's disposition of a message; `until_ms` is the time until which it is kept.
/// - `drawer`: number and bytes of a user's parked messages of one kind.
/// - `letter`: a parked message; `due_ms` is the time to send it, or to try again.
/// - `expiring`: a message in a user's log that may expire unread, and when.
/// - `expired`: a message that expired unread and no longer counts in its log.
/// - `code`: a join code, as a hash.
/// - `meta`: a named value, such as the version of qmsg.
///
/// Statements are short because SQLite stores them: while all of them fit into the first page, no
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

/// Creates the tables in an empty database.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    let tables = TABLES.split_whitespace().collect::<Vec<_>>().join(" ");
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {tables}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))?;
    meta::note_version(db)
}

/// Returns whether these bytes are the header of a store, ignoring the first 16: sizes and
/// fractions as SQLite sets them (fileformat2.html, 1.3), the page size and application id of a
/// store, and a format from `oldest` on.
pub(super) fn is_header(header: &[u8; 100], oldest: i32) -> bool {
    let format = header[60..64].iter().fold(0, |sum, byte| sum << 8 | i32::from(*byte));
    header[16..18] == 4096_u16.to_be_bytes()
        && header[20..24] == [0, 64, 32, 32]
        && (oldest..=FORMAT).contains(&format)
        && header[68..72] == APPLICATION_ID.to_be_bytes()
}

/// Limits the size of the file, not counting its WAL. 0: no limit.
pub(super) fn limit_size(db: &Connection, bytes_max: u64) -> rusqlite::Result<()> {
    if bytes_max == 0 {
        return Ok(());
    }
    let Num(page) = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // SQLite's own limit in pages, which never goes below the current size of the file.
    let pages = (bytes_max / page.max(1)).clamp(1, 0xffff_fffe);
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}
