//! The directory in which messages of one id wait.
//!
//! The name of a file is the number of its message in the order of sending, and the id. A file is
//! written under another name first, and then renamed. The directory is synced before a message is
//! reported as kept. A process that writes holds the lock `.adding`, unless another one keeps it
//! for too long; a process that sends holds the lock `.sending`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uuid::Uuid;

use crate::files;
use crate::spool::disk;
use crate::spool::file::{self, Damage, Origin, Spooled, SpooledHead};
use crate::spool::limits::FILE_LEN_MIN;
use crate::wire::{MsgId, Target, UserId};

/// Longest wait for the lock `.adding`, which keeps size limit and order among processes that write
/// at once. After that a message is written without the lock: its holder may be stopped.
const ADDING_PATIENCE: Duration = Duration::from_secs(2);
/// Length in bytes to which a text is shortened that does not fit into the spool.
const EXCERPT_LEN: u64 = 1 << 20;
const ADDING: &str = ".adding";
const SENDING: &str = ".sending";
/// Prefix of the names of unfinished files.
const UNFINISHED: &str = ".new-";
/// Subdirectory of messages that are not sent.
const ASIDE: &str = "aside";
/// Extension of the file with the reason why a message was set aside.
const REASON: &str = "reason";

/// The directory of the messages of one id.
#[derive(Clone, Debug)]
pub(crate) struct SpoolDirectory {
    dir: PathBuf,
}

/// The file of a message.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Position of the message in the order of sending.
    order: u64,
    id: MsgId,
    path: PathBuf,
    is_aside: bool,
}

/// Reason why a message is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("there are {used} bytes in it, and it may have {max}")]
    Full { used: u64, max: u64 },
}

/// The lock of the process that sends the waiting messages. Released when dropped.
pub(crate) struct SendLock {
    _lock: File,
}

impl SpoolDirectory {
    /// Returns the directory of this id, below that of all spools.
    pub(crate) fn for_id(spools: &Path, id: &UserId) -> Self {
        Self { dir: spools.join(id.as_str()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Waiting messages, in the order of sending.
    pub(crate) fn waiting(&self) -> io::Result<Vec<Slot>> {
        slots(&self.dir, false)
    }

    /// Waiting messages for some targets, in the order of sending, and every file that cannot be
    /// read.
    pub(crate) fn pick(&self, wanted: impl Fn(&Target) -> bool) -> io::Result<Vec<Slot>> {
        let mut slots = self.waiting()?;
        slots.retain(|slot| slot.head().map_or(true, |head| wanted(&head.to)));
        Ok(slots)
    }

    /// Messages that were set aside.
    pub(crate) fn aside(&self) -> io::Result<Vec<Slot>> {
        slots(&self.dir.join(ASIDE), true)
    }

    /// Writes messages after those that wait, and syncs them. Returns the number written, and the
    /// error that stopped it; the remaining messages leave no files.
    pub(crate) fn keep(
        &self,
        messages: &[Spooled],
        bytes_max: u64,
        origin: Origin,
    ) -> (usize, Result<(), NotKept>) {
        disk::survive_limits();
        let (mut kept, mut added) = (0, Vec::new());
        let result = self.add(messages, bytes_max, origin, &mut kept, &mut added);
        if added.is_empty() {
            return (kept, result);
        }
        match files::sync_directory(&self.dir) {
            Ok(()) => (kept, result),
            // Without the sync the files might vanish, so they do not count as kept.
            Err(error) => {
                for path in added {
                    let _ = fs::remove_file(path);
                }
                (0, Err(error.into()))
            }
        }
    }

    fn add(
        &self,
        messages: &[Spooled],
        bytes_max: u64,
        origin: Origin,
        kept: &mut usize,
        added: &mut Vec<PathBuf>,
    ) -> Result<(), NotKept> {
        files::create_directory(&self.dir)?;
        let _lock = disk::lock(&self.dir.join(ADDING), ADDING_PATIENCE)?;
        disk::clean(&self.dir, UNFINISHED)?;
        let there = self.waiting()?;
        let mut ids: BTreeSet<MsgId> = there.iter().map(|slot| slot.id).collect();
        let mut order = there.last().map_or(0, |slot| slot.order);
        let mut used = used(&self.dir)? + used(&self.dir.join(ASIDE))?;
        for message in messages {
            // A message with an id derived from a key may be there already.
            if ids.insert(message.id) {
                let new = self.dir.join(format!("{UNFINISHED}{}", message.id));
                order += 1;
                let path = self.dir.join(name(order, message.id));
                let room = bytes_max.saturating_sub(used);
                let written = write(&new, message, origin, room)
                    .and_then(|size| fs::rename(&new, &path).map(|()| size).map_err(Into::into));
                let Ok(size) = written else {
                    let _ = fs::remove_file(&new);
                    return written.map(drop).map_err(|error| error.with_figures(used, bytes_max));
                };
                used += size;
                added.push(path);
            }
            *kept += 1;
        }
        Ok(())
    }

    /// Takes the lock for sending. `None` if another process holds it.
    pub(crate) fn try_send(&self) -> io::Result<Option<SendLock>> {
        let lock = disk::try_lock(&self.dir.join(SENDING))?;
        Ok(lock.map(|lock| SendLock { _lock: lock }))
    }

    /// Takes the lock for sending, and waits for it up to `patience`.
    pub(crate) fn wait_to_send(&self, patience: Duration) -> io::Result<Option<SendLock>> {
        let lock = disk::lock(&self.dir.join(SENDING), patience)?;
        Ok(lock.map(|lock| SendLock { _lock: lock }))
    }

    /// Sets a message aside, so that it is no longer sent, and writes the reason beside it.
    pub(crate) fn set_aside(&self, slot: &Slot, reason: &str) -> io::Result<()> {
        let aside = self.dir.join(ASIDE);
        files::create_directory(&aside)?;
        let Some(name) = slot.path.file_name() else { return Ok(()) };
        // The reason is written first, so that the message has one; left out if the disk is full.
        let new = aside.join(format!("{UNFINISHED}{}.{REASON}", slot.id));
        let written = fs::write(&new, reason)
            .and_then(|()| files::sync(&File::open(&new)?))
            .and_then(|()| fs::rename(&new, reason_of(&aside.join(name))));
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        match fs::rename(&slot.path, aside.join(name)) {
            // Another process has removed the message.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result?,
        }
        files::sync_directory(&aside)?;
        files::sync_directory(&self.dir)
    }
}

impl Slot {
    pub(crate) fn id(&self) -> MsgId {
        self.id
    }

    /// True if the message was set aside.
    pub(crate) fn is_aside(&self) -> bool {
        self.is_aside
    }

    pub(crate) fn head(&self) -> Result<SpooledHead, Damage> {
        file::read_head(&self.path)
    }

    pub(crate) fn read(&self) -> Result<(Spooled, Origin), Damage> {
        file::read(&self.path)
    }

    /// The reason why the message was set aside.
    pub(crate) fn reason(&self) -> Option<String> {
        fs::read_to_string(reason_of(&self.path)).ok()
    }

    /// Removes the message. Not synced: after a power loss the message may be sent again, and the
    /// server drops it as a duplicate.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if self.is_aside {
            let _ = fs::remove_file(reason_of(&self.path));
        }
        Ok(())
    }
}

impl NotKept {
    /// Adds these figures to the error, if the spool is full.
    fn with_figures(self, used: u64, max: u64) -> Self {
        match self {
            Self::Full { .. } => Self::Full { used, max },
            error => error,
        }
    }
}

/// Writes a message, shortened if it does not fit into `room`. Returns the bytes it counts as.
fn write(path: &Path, message: &Spooled, origin: Origin, room: u64) -> Result<u64, NotKept> {
    let full = NotKept::Full { used: 0, max: 0 };
    let overhead = file::overhead(message, origin);
    let counts_as = |message: &Spooled| (message.content.size() + overhead).max(FILE_LEN_MIN);
    let (message, size) = match counts_as(message) {
        size if size <= room => (message, size),
        _ if room < FILE_LEN_MIN => return Err(full),
        _ => match file::shortened(message, room.saturating_sub(overhead).min(EXCERPT_LEN))? {
            Some(short) => (&short.clone(), counts_as(&short)),
            None => return Err(full),
        },
    };
    file::write(path, message, origin)?;
    Ok(size)
}

fn reason_of(path: &Path) -> PathBuf {
    path.with_extension(REASON)
}

fn name(order: u64, id: MsgId) -> String {
    format!("{order:012}-{id}.message")
}

/// The messages of a directory, in the order of sending. None if the directory does not exist.
fn slots(dir: &Path, is_aside: bool) -> io::Result<Vec<Slot>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut slots = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some((order, id)) = path.file_name().and_then(parse) else { continue };
        slots.push(Slot { order, id, path, is_aside });
    }
    slots.sort_by_key(|slot| (slot.order, slot.id));
    Ok(slots)
}

fn parse(name: &OsStr) -> Option<(u64, MsgId)> {
    let (order, id) = name.to_str()?.strip_suffix(".message")?.split_once('-')?;
    let id: Uuid = id.parse().ok()?;
    Some((order.parse().ok()?, MsgId::from_bytes(id.into_bytes())))
}

/// Bytes that the files of a directory count as.
fn used(dir: &Path) -> io::Result<u64> {
    slots(dir, false)?.iter().map(|slot| size(&slot.path)).sum()
}

/// Bytes that a file counts as: 0 if it was removed meanwhile.
fn size(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len().max(FILE_LEN_MIN)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
