//! The file: where it lies, what is in it, and which ones are refused.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::expiry;
use super::parts;
use super::sql::{Num, execute};
use super::wal::Wal;
use crate::durable::Quotas;
use crate::wire::JoinCode;

/// "qmsg": says whose file it is, to us and to file(1).
const APPLICATION_ID: i32 = 0x716d_7367;
/// The number of the tables below.
const FORMAT: i32 = 4;

/// The versions that a store depends on.
pub fn about() -> String {
    format!("store format {FORMAT}, SQLite {}", rusqlite::version())
}
/// 3.51.3 mends a race of checkpoint and commit that could lose what the WAL held.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// How long to wait for a transaction of another process, such as `qmsg invite`.
const BUSY_MS: u64 = 30_000;
const STATEMENTS_CACHED_MAX: usize = 128;

/// `cursor.log` below 0 is a room: such a row is the membership. A user's own log and `@all` need
/// no row: their cursors start at 0 and at `user.since_*`. `log` has a row once it is noted that it
/// has a message. `state.last_seq` is up to where `sent` and `log` know of the messages; later runs
/// tell themselves. `run.last` is the seq of the run's last message; the index has it too, behind
/// the log. `part` and `parts` of a run are the first and the number of its last message's parts.
/// `shared.more` is how many there are besides one that parts belong to. `member` has the members
/// of rooms in the order of their ids; `since` is the last seq that is not for them. `drawer` is
/// what stands in `letter`, counted by user and kind; `letter.due_ms` is when it is to be sent, or
/// tried again. `verdict.until_ms` is when it may go.
const TABLES: &str = "
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
CREATE TABLE code (hash BLOB PRIMARY KEY, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A directory or the lock file.
    #[error("{path}: {cause}")]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A server has it open.
    #[error("another server uses {0}")]
    InUse(PathBuf),
    /// No server has made one yet.
    #[error("there is no store in {0}")]
    Missing(PathBuf),
    /// A file of another program.
    #[error("{0} is not a qmsg store")]
    Foreign(PathBuf),
    /// Made by another version of qmsg.
    #[error("the store has format {found}, this qmsg knows format {FORMAT}")]
    Format {
        /// Its format number.
        found: i32,
    },
    /// Linked with an SQLite that can lose data.
    #[error("SQLite {0} is too old, 3.51.3 is needed")]
    SqliteTooOld(&'static str),
    /// The file system is not fit for a write-ahead log.
    #[error("no write-ahead log is possible on this file system")]
    NoWal,
    /// The database.
    #[error("{doing}: {cause}")]
    Sqlite {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        cause: rusqlite::Error,
    },
    /// A thread could not be started.
    #[error("no thread: {0}")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// Whether the disk failed, and not what was asked for.
    pub fn is_disk_error(&self) -> bool {
        let Self::Sqlite { cause, .. } = self else { return false };
        cause.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
    }
}

/// An open store: the only writing connection, a reading one, and the lock that makes it the only.
pub(super) struct Opened {
    pub(super) writing: Connection,
    pub(super) reading: Connection,
    pub(super) wal: Wal,
    pub(super) lock: Lock,
}

/// Opens the store in a directory, making both if they are missing.
pub(super) fn open(dir: &Path, quotas: &Quotas) -> Result<Opened, OpenError> {
    check_sqlite_version()?;
    create_dir(dir).map_err(files(dir))?;
    let lock = lock(dir)?;
    let path = database(dir);
    if !path.exists() {
        // SQLite takes an empty file for a new one, and gives its other files the same mode. One
        // that is there is left alone: to close it would end locks that SQLite has on it.
        create_private(&path).map_err(files(&path))?;
    }
    let writing = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let new = examine(&writing, &path)? == Content::Nothing;
    prepare(&writing)?;
    if new {
        create_tables(&writing).map_err(sqlite("making the tables"))?;
        sync_dir(dir).map_err(files(dir))?;
    }
    // A store that was made before they were.
    writing.execute_batch(expiry::TABLES).map_err(sqlite("making the tables of what expires"))?;
    parts::discard_all(&writing).map_err(sqlite("ending uploads"))?;
    limit_size(&writing, quotas.store_bytes_max).map_err(sqlite("limiting the file's size"))?;
    let reading = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(Opened { writing, reading, wal: Wal::of(&path), lock })
}

/// Whether there is a store in a directory.
pub fn is_there(dir: &Path) -> bool {
    database(dir).exists()
}

/// Adds a join code that is good until `expires_ms` (milliseconds since 1970), also while a server
/// runs on the store.
pub fn invite(dir: &Path, code: &JoinCode, expires_ms: u64) -> Result<(), OpenError> {
    check_sqlite_version()?;
    let path = database(dir);
    if !path.exists() {
        return Err(OpenError::Missing(dir.to_path_buf()));
    }
    let db = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if examine(&db, &path)? == Content::Nothing {
        return Err(OpenError::Missing(dir.to_path_buf()));
    }
    prepare(&db)?;
    let sql = "INSERT OR REPLACE INTO code (hash, expires_ms) VALUES (?1, ?2)";
    execute(&db, sql, (code_hash(code), Num(expires_ms))).map_err(sqlite("adding a join code"))?;
    Ok(())
}

/// What is stored of a join code, so that reading the file does not give it away.
pub(super) fn code_hash(code: &JoinCode) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &code.0).as_ref().to_vec()
}

#[derive(PartialEq, Eq)]
enum Content {
    Nothing,
    Ours,
}

fn database(dir: &Path) -> PathBuf {
    dir.join("store.db")
}

fn check_sqlite_version() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteTooOld(rusqlite::version()));
    }
    Ok(())
}

/// Held while it lives.
pub(super) struct Lock(File);

/// Closing the file would not do: a process that is just being started has it open for a moment.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join("lock");
    let file = create_private(&path).map_err(files(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_path_buf())),
        Err(TryLockError::Error(cause)) => Err(files(&path)(cause)),
    }
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connected = Connection::open_with_flags(path, flags).and_then(|db| {
        db.busy_timeout(Duration::from_millis(BUSY_MS))?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        // Closing must not write: after an error nothing is synced a second time.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Plans do not depend on values. Otherwise a statement with a bound LIMIT is planned anew
        // each time.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Memory-mapped, a read error would be a signal instead of an error.
        db.execute_batch(
            "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;
             PRAGMA cell_size_check = ON;",
        )?;
        Ok(db)
    });
    connected.map_err(|cause| not_a_database(path, "opening the store", cause))
}

/// Looks before anything is written.
fn examine(db: &Connection, path: &Path) -> Result<Content, OpenError> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let looked = (|| {
        let tables = "SELECT count(*) FROM sqlite_schema";
        let tables = db.query_row(tables, [], |row| row.get::<_, i64>(0))?;
        Ok((number("application_id")?, number("user_version")?, tables))
    })();
    match looked.map_err(|cause| not_a_database(path, "reading the store's format", cause))? {
        (0, 0, 0) => Ok(Content::Nothing),
        (APPLICATION_ID, FORMAT, _) => Ok(Content::Ours),
        (APPLICATION_ID, found, _) => Err(OpenError::Format { found }),
        _ => Err(OpenError::Foreign(path.to_path_buf())),
    }
}

fn prepare(db: &Connection) -> Result<(), OpenError> {
    let set = || {
        let sql = "PRAGMA journal_mode = WAL";
        let mode = db.query_row(sql, [], |row| row.get::<_, String>(0))?;
        // SQLite swallows errors of its own checkpoints, so the writer makes them. On macOS only
        // a full fsync reaches the disk.
        db.execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
             PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;",
        )?;
        Ok(mode)
    };
    match set().map_err(sqlite("setting up the store"))?.as_str() {
        "wal" => Ok(()),
        _ => Err(OpenError::NoWal),
    }
}

fn create_tables(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} {}
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;",
        expiry::TABLES
    ))
}

fn limit_size(db: &Connection, bytes_max: u64) -> rusqlite::Result<()> {
    if bytes_max == 0 {
        return Ok(());
    }
    let Num(page) = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    // SQLite's own limit of pages; it never goes below what the file has.
    let pages = (bytes_max / page.max(1)).clamp(1, 0xffff_fffe);
    db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

/// Makes a directory whose name survives a power cut.
fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    create_dir(parent)?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
        _ => sync_dir(parent),
    }
}

/// Opens a file that, if this makes it, only its owner may read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.write(true).create(true).truncate(false).open(path)
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Other systems cannot open a directory to sync it.
#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

fn files(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_path_buf();
    move |cause| OpenError::Files { path, cause }
}

fn sqlite(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |cause| OpenError::Sqlite { doing, cause }
}

fn not_a_database(path: &Path, doing: &'static str, cause: rusqlite::Error) -> OpenError {
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_path_buf()),
        _ => OpenError::Sqlite { doing, cause },
    }
}
