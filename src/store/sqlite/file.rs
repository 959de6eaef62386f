//! The file of the store: where it is, what it contains, and which files are refused.

use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::bodies;
use super::meta;
use super::migrate;
use super::schema;
use super::sql::{Num, is_damage};
use super::wal::Wal;
use super::watch::{FileWatch, database, log_of};
use crate::durable::Quotas;
use crate::files;
use crate::store::limits::{SQLITE_VERSION_MIN, STATEMENTS_CACHED_MAX};

/// Describes the versions that a store depends on.
pub fn about() -> String {
    format!("store format {}, SQLite {}", schema::FORMAT, rusqlite::version())
}

/// Milliseconds to wait for a transaction of another process, such as `qmsg invite`.
const BUSY_MS: u64 = 30_000;

/// Reason why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A directory or the lock file failed.
    #[error("{path}: {cause}")]
    Files {
        /// The path that failed.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// Another server has the store open.
    #[error("another server uses {0}")]
    InUse(PathBuf),
    /// No server has created a store here yet.
    #[error("there is no store in {0}")]
    Missing(PathBuf),
    /// The database is missing, but its log, which holds the newest messages, is not.
    #[error("{} is there without its store.db", .0.display())]
    Half(PathBuf),
    /// The database is empty, which it never is after a server has used it.
    #[error("{} is empty", .0.display())]
    Emptied(PathBuf),
    /// The disk is full, or a disk quota is used up.
    #[error("no room in {}", .0.display())]
    Full(PathBuf),
    /// The engine only takes file names that are valid text.
    #[error("{} is not UTF-8", .0.display())]
    NotText(PathBuf),
    /// The file belongs to another program.
    #[error("{0} is not a qmsg store")]
    Foreign(PathBuf),
    /// The store's format is unknown to this version of qmsg, or too old for it.
    #[error("the store has format {found}, this qmsg knows formats {oldest} to {newest}",
        oldest = migrate::OLDEST, newest = schema::FORMAT)]
    Format {
        /// Its format number.
        found: i32,
        /// The version of qmsg that used it last, if known.
        version: Option<String>,
    },
    /// The store has an older format, and no server of this version has opened it yet.
    #[error("the store has format {found}, which a server of this version brings to {newest}",
        newest = schema::FORMAT)]
    Older {
        /// Its format number.
        found: i32,
    },
    /// The linked version of SQLite can lose data.
    #[error("{0}")]
    EngineTooOld(String),
    /// The file system cannot hold a write-ahead log.
    #[error("no write-ahead log is possible on this file system")]
    NoWal,
    /// Reading or writing the database failed.
    #[error("{doing}: {cause}")]
    Failed {
        /// The work that failed.
        doing: &'static str,
        /// The error of the engine.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A thread could not be started.
    #[error("no thread: {0}")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// Returns whether the disk failed.
    pub fn is_disk_error(&self) -> bool {
        self.code() == Some(ErrorCode::SystemIoFailure)
    }

    /// Returns whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Files { cause, .. } => files::is_full(cause),
            Self::Full(_) => true,
            _ => false,
        }
    }

    /// Returns whether the content of the file is not what was written to it.
    pub fn is_damaged(&self) -> bool {
        self.cause().is_some_and(is_damage)
    }

    /// Returns whether the file, or one beside it, cannot be written.
    pub fn is_unwritable(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
    }

    fn code(&self) -> Option<ErrorCode> {
        self.cause()?.sqlite_error_code()
    }

    /// Returns the error of SQLite behind this error, if there is one.
    fn cause(&self) -> Option<&rusqlite::Error> {
        let Self::Failed { cause, .. } = self else { return None };
        cause.downcast_ref()
    }
}

/// An open store: its only writing connection, a reading one, and the lock that keeps others away.
pub(super) struct Opened {
    pub(super) writing: Connection,
    pub(super) reading: Connection,
    pub(super) wal: Wal,
    pub(super) place: FileWatch,
    pub(super) lock: Lock,
}

/// Opens the store in a directory, creating both if they are missing.
pub(super) fn open(dir: &Path, quotas: &Quotas) -> Result<Opened, OpenError> {
    open_files(dir, quotas).map_err(full_in(dir))
}

/// Tells a full directory from a broken disk, which SQLite reports alike.
pub(super) fn full_in(dir: &Path) -> impl FnOnce(OpenError) -> OpenError {
    move |error| match error.cause() {
        Some(cause) if FileWatch::new(&database(dir)).is_full(cause) => {
            OpenError::Full(dir.to_owned())
        }
        _ => error,
    }
}

fn open_files(dir: &Path, quotas: &Quotas) -> Result<Opened, OpenError> {
    check_sqlite_version()?;
    files::create_directory(dir).map_err(at(dir))?;
    let lock = lock(dir)?;
    let path = database(dir);
    refuse_half(&path)?;
    if !path.exists() {
        // SQLite treats an empty file as a new database, and gives its other files the same mode.
        // An existing file is not opened here: closing it would release the locks that SQLite holds
        // on it.
        files::open_private(&path).map_err(at(&path))?;
    }
    let writing = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let content = examine(&writing, &path)?;
    prepare(&writing)?;
    match content {
        FileContent::Nothing => {
            schema::create(&writing).map_err(sqlite("making the tables"))?;
            files::sync_directory(dir).map_err(at(dir))?;
        }
        FileContent::Ours(format) => {
            migrate::migrate(&writing, format).map_err(sqlite("bringing it to the new format"))?;
            meta::note_version(&writing).map_err(sqlite("noting the version"))?;
        }
    }
    bodies::discard_all(&writing).map_err(sqlite("ending uploads"))?;
    schema::limit_size(&writing, quotas.store_bytes_max)
        .map_err(sqlite("limiting the file's size"))?;
    let reading = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let (wal, place) = (Wal::open(&path), FileWatch::new(&path));
    Ok(Opened { writing, reading, wal, place, lock })
}

/// Takes the lock of the store in a directory. Returns the database file and the lock.
pub(super) fn take(dir: &Path) -> Result<(PathBuf, Lock), OpenError> {
    check_sqlite_version()?;
    let path = database(dir);
    refuse_remains(dir)?;
    if !is_there(dir) {
        return Err(OpenError::Missing(dir.to_path_buf()));
    }
    Ok((path, lock(dir)?))
}

/// Connects to an existing store of the current format.
pub(super) fn connect_ours(path: &Path) -> Result<Connection, OpenError> {
    match connect_any(path)? {
        (db, schema::FORMAT) => Ok(db),
        (_, found) => Err(OpenError::Older { found }),
    }
}

/// Connects to an existing store of any format from [`migrate::OLDEST`] on. Returns its format too.
pub(super) fn connect_any(path: &Path) -> Result<(Connection, i32), OpenError> {
    connect_there(path, false)
}

/// Connects to a locked store, even if pages of it are missing. A store of an older format is first
/// brought to the current one.
pub(super) fn connect_to_mend(path: &Path) -> Result<Connection, OpenError> {
    let (db, format) = connect_there(path, true)?;
    migrate::migrate(&db, format).map_err(sqlite("bringing it to the new format"))?;
    Ok(db)
}

fn connect_there(path: &Path, shortened: bool) -> Result<(Connection, i32), OpenError> {
    let db = connect_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE, shortened)?;
    match examine(&db, path)? {
        FileContent::Ours(format) => Ok((db, format)),
        FileContent::Nothing => Err(OpenError::Missing(path.to_path_buf())),
    }
}

/// Refuses a log without its database: SQLite would delete the log.
fn refuse_half(database: &Path) -> Result<(), OpenError> {
    let log = log_of(database);
    if is_empty(database) && !is_empty(&log) { Err(OpenError::Half(log)) } else { Ok(()) }
}

/// Refuses the remains of a store after a crash or a deletion: a log alone, or an empty file.
pub fn refuse_remains(dir: &Path) -> Result<(), OpenError> {
    let path = database(dir);
    refuse_half(&path)?;
    if path.exists() && is_empty(&path) { Err(OpenError::Emptied(path)) } else { Ok(()) }
}

/// Returns whether there is a store in a directory.
pub fn is_there(dir: &Path) -> bool {
    !is_empty(&database(dir))
}

/// Returns the number of users of the store in a directory; 0 if there is no store.
pub fn users(dir: &Path) -> Result<u64, OpenError> {
    check_sqlite_version()?;
    let path = database(dir);
    if is_empty(&path) {
        return Ok(0);
    }
    let db = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if examine(&db, &path)? == FileContent::Nothing {
        return Ok(0);
    }
    let Num(users) = db
        .query_row("SELECT count(*) FROM user", [], |row| row.get(0))
        .map_err(sqlite("counting users"))?;
    Ok(users)
}

/// Opens a store for writing beside a server that may have it open.
pub(super) fn open_beside(dir: &Path) -> Result<(Connection, FileWatch), OpenError> {
    check_sqlite_version()?;
    let path = database(dir);
    refuse_remains(dir)?;
    if !is_there(dir) {
        return Err(OpenError::Missing(dir.to_path_buf()));
    }
    let db = connect_ours(&path)?;
    prepare(&db)?;
    Ok((db, FileWatch::new(&path)))
}

#[derive(PartialEq, Eq)]
enum FileContent {
    Nothing,
    /// A store with this format, from [`migrate::OLDEST`] on.
    Ours(i32),
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |file| file.len() == 0)
}

fn check_sqlite_version() -> Result<(), OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::EngineTooOld(format!(
            "SQLite {} is too old, 3.51.3 is needed",
            rusqlite::version()
        )));
    }
    Ok(())
}

/// Lock file of a store; unlocked when dropped.
pub(super) struct Lock(File);

/// Closing the file would not suffice: a child process that is just being started has it open for a
/// moment.
impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn lock(dir: &Path) -> Result<Lock, OpenError> {
    let path = dir.join("lock");
    let file = files::open_private(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_path_buf())),
        Err(TryLockError::Error(cause)) => Err(at(&path)(cause)),
    }
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    connect_with(path, flags, false)
}

fn connect_with(path: &Path, flags: OpenFlags, shortened: bool) -> Result<Connection, OpenError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connected = Connection::open_with_flags(path, flags).and_then(|db| {
        db.busy_timeout(Duration::from_millis(BUSY_MS))?;
        db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, shortened)?;
        // Closing must not write: after an error nothing may be synced a second time.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        // Query plans do not depend on values. Otherwise a statement with a bound LIMIT would be
        // planned anew each time.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // With memory mapping, a read error would be a signal instead of an error.
        db.execute_batch(
            "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;
             PRAGMA cell_size_check = ON;",
        )?;
        Ok(db)
    });
    connected.map_err(|cause| not_a_database(path, "opening the store", cause))
}

/// Examines a file before anything is written to it.
fn examine(db: &Connection, path: &Path) -> Result<FileContent, OpenError> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let looked = (|| {
        let tables = "SELECT count(*) FROM sqlite_schema";
        let tables = db.query_row(tables, [], |row| row.get::<_, i64>(0))?;
        Ok((number("application_id")?, number("user_version")?, tables))
    })();
    match looked.map_err(|cause| not_a_database(path, "reading the store's format", cause))? {
        (0, 0, 0) => Ok(FileContent::Nothing),
        (schema::APPLICATION_ID, found, _) => match found {
            migrate::OLDEST..=schema::FORMAT => Ok(FileContent::Ours(found)),
            _ => Err(OpenError::Format { found, version: meta::version(db) }),
        },
        _ => Err(OpenError::Foreign(path.to_path_buf())),
    }
}

fn prepare(db: &Connection) -> Result<(), OpenError> {
    let set = || {
        let sql = "PRAGMA journal_mode = WAL";
        let mode = db.query_row(sql, [], |row| row.get::<_, String>(0))?;
        // SQLite ignores errors of its automatic checkpoints, so the writer makes them itself. On
        // macOS only a full fsync reaches the disk.
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

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_path_buf();
    move |cause| OpenError::Files { path, cause }
}

pub(super) fn sqlite(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    move |cause| OpenError::Failed { doing, cause: cause.into() }
}

fn not_a_database(path: &Path, doing: &'static str, cause: rusqlite::Error) -> OpenError {
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path.to_path_buf()),
        _ => OpenError::Failed { doing, cause: cause.into() },
    }
}
