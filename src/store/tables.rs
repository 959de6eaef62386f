//! The tables, and what says that a file has them.

use rusqlite::Connection;

/// "qmsg": says whose file it is, to us and to file(1).
pub(super) const APPLICATION_ID: i32 = 0x716d_7367;
/// The number of the tables, which another version may have others of.
pub const FORMAT: i32 = 5;

/// `cursor.log` below 0 is a room: such a row is the membership. A user's own log and `@all` need
/// no row: their cursors start at 0 and at `user.since_*`. `log` has a row once it is noted that it
/// has a message. `state.last_seq` is up to where `sent` and `log` know of the messages; later runs
/// tell themselves. `run.last` is the seq of the run's last message; the index has it too, behind
/// the log. `part` and `parts` of a run are the first and the number of its last message's parts.
/// `shared.more` is how many there are besides one that parts belong to. `member` has the members
/// of rooms in the order of their ids; `since` is the last seq that is not for them. `drawer` is
/// what stands in `letter`, counted by user and kind; `letter.due_ms` is when it is to be sent, or
/// tried again. `verdict.until_ms` is when it may go.
pub(super) const TABLES: &str = "
CREATE TABLE state (last_seq INTEGER NOT NULL, next_part INTEGER NOT NULL) STRICT;
INSERT INTO state VALUES (0, 1);
CREATE TABLE user (
    no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, key BLOB NOT NULL,
    since_seq INTEGER NOT NULL, since_ordinal INTEGER NOT NULL) STRICT;
CREATE TABLE room (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE log (
    no INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, last_ordinal INTEGER NOT NULL,
    kept_messages INTEGER NOT NULL, kept_bytes INTEGER NOT NULL,
    removed_seq INTEGER NOT NULL, removed_ordinal INTEGER NOT NULL) STRICT;
CREATE TABLE run (
    last INTEGER PRIMARY KEY, log INTEGER NOT NULL, last_ordinal INTEGER NOT NULL,
    messages INTEGER NOT NULL, bytes INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    part INTEGER NOT NULL, parts INTEGER NOT NULL,
    head BLOB NOT NULL, records BLOB NOT NULL) STRICT;
CREATE INDEX run_log ON run (log);
CREATE TABLE part (no INTEGER PRIMARY KEY, sum BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE upload (
    no INTEGER PRIMARY KEY, first INTEGER NOT NULL, size INTEGER NOT NULL,
    written INTEGER NOT NULL) STRICT;
CREATE TABLE loose (first INTEGER PRIMARY KEY, parts INTEGER NOT NULL) STRICT;
CREATE TABLE shared (first INTEGER PRIMARY KEY, more INTEGER NOT NULL) STRICT;
CREATE TABLE sent (
    no INTEGER PRIMARY KEY, begin BLOB NOT NULL UNIQUE, ids BLOB NOT NULL) STRICT;
CREATE TABLE keyed (
    id BLOB, user INTEGER, time_ms INTEGER NOT NULL,
    PRIMARY KEY (id, user)) STRICT, WITHOUT ROWID;
CREATE INDEX keyed_time ON keyed (time_ms);
CREATE TABLE cursor (
    user INTEGER, log INTEGER, through INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    above BLOB NOT NULL, PRIMARY KEY (user, log)) STRICT, WITHOUT ROWID;
CREATE INDEX cursor_room ON cursor (log) WHERE log < 0;
CREATE TABLE member (
    log INTEGER, id TEXT, user INTEGER NOT NULL, since INTEGER NOT NULL,
    PRIMARY KEY (log, id)) STRICT, WITHOUT ROWID;
CREATE TABLE verdict (
    no INTEGER PRIMARY KEY, seq INTEGER NOT NULL, user INTEGER NOT NULL, kind INTEGER NOT NULL,
    time_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, sum BLOB NOT NULL,
    note BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX verdict_of ON verdict (seq, user);
CREATE INDEX verdict_until ON verdict (until_ms);
CREATE TABLE drawer (
    user INTEGER, kind INTEGER, messages INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (user, kind)) STRICT, WITHOUT ROWID;
CREATE TABLE letter (
    no INTEGER PRIMARY KEY, user INTEGER NOT NULL, kind INTEGER NOT NULL, id BLOB NOT NULL,
    due_ms INTEGER, bytes INTEGER NOT NULL, part INTEGER NOT NULL, parts INTEGER NOT NULL,
    letter BLOB NOT NULL) STRICT;
CREATE INDEX letter_of ON letter (user, kind);
CREATE INDEX letter_id ON letter (user, kind, id);
CREATE INDEX letter_due ON letter (due_ms) WHERE due_ms IS NOT NULL;
CREATE TABLE expiring (
    log INTEGER, at_ms INTEGER, seq INTEGER, bytes INTEGER NOT NULL,
    PRIMARY KEY (log, at_ms, seq)) STRICT, WITHOUT ROWID;
CREATE INDEX expiring_at ON expiring (at_ms);
CREATE TABLE expired (
    log INTEGER, seq INTEGER, bytes INTEGER NOT NULL,
    PRIMARY KEY (log, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE code (hash BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Makes them in an empty database.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))
}
