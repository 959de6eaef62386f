//! The directory in which messages of one id wait.
//!
//! A file has its message's place in the order and its id for a name. It is written whole under
//! another name first, and the directory is on the disk before anybody is told that the message is
//! kept. Whoever writes holds the lock `.adding`, unless somebody keeps it for too long, and
//! whoever sends holds `.sending`.

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

/// How long somebody waits for the lock of those who write. It is for the limit and for the order
/// among those who write at once: a message is kept even if a process that was stopped has it.
const ADDING_PATIENCE: Duration = Duration::from_secs(2);
/// What is left of text that is too long for a spool, if there is room for it.
const EXCERPT_LEN: u64 = 1 << 20;
const ADDING: &str = ".adding";
const SENDING: &str = ".sending";
/// Files that were not finished begin so.
const UNFINISHED: &str = ".new-";
/// Where those are that will not be sent.
const ASIDE: &str = "aside";
/// Ends the name of the file that says why.
const REASON: &str = "reason";

/// The messages of one id.
#[derive(Clone, Debug)]
pub(crate) struct SpoolDirectory {
    dir: PathBuf,
}

/// A message's file.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// Where it stands among the others.
    order: u64,
    id: MsgId,
    path: PathBuf,
    is_aside: bool,
}

/// Why a message is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("there are {used} bytes in it, and it may have {max}")]
    Full { used: u64, max: u64 },
}

/// While it is held nobody else sends what waits here.
pub(crate) struct SendLock {
    _lock: File,
}

impl SpoolDirectory {
    /// Of this id, in the directory of all.
    pub(crate) fn for_id(spools: &Path, id: &UserId) -> Self {
        Self { dir: spools.join(id.as_str()) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// What waits, in its order.
    pub(crate) fn waiting(&self) -> io::Result<Vec<Slot>> {
        slots(&self.dir, false)
    }

    /// What waits for these targets, in its order. What cannot be read is for anybody.
    pub(crate) fn pick(&self, wanted: impl Fn(&Target) -> bool) -> io::Result<Vec<Slot>> {
        let mut slots = self.waiting()?;
        slots.retain(|slot| slot.about().map_or(true, |about| wanted(&about.to)));
        Ok(slots)
    }

    /// What was set aside.
    pub(crate) fn aside(&self) -> io::Result<Vec<Slot>> {
        slots(&self.dir.join(ASIDE), true)
    }

    /// Keeps messages, behind those that are there: how many, and why not the others. They are on
    /// the disk then; of those that are not kept, nothing is left.
    pub(crate) fn keep(
        &self,
        parcels: &[Spooled],
        bytes_max: u64,
        origin: Origin,
    ) -> (usize, Result<(), NotKept>) {
        disk::survive_limits();
        let (mut kept, mut added) = (0, Vec::new());
        let result = self.add(parcels, bytes_max, origin, &mut kept, &mut added);
        if added.is_empty() {
            return (kept, result);
        }
        match files::sync_directory(&self.dir) {
            Ok(()) => (kept, result),
            // What cannot be made certain is not kept.
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
        parcels: &[Spooled],
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
        for parcel in parcels {
            // An id made of a key may be there already: it is one message.
            if ids.insert(parcel.id) {
                let new = self.dir.join(format!("{UNFINISHED}{}", parcel.id));
                order += 1;
                let path = self.dir.join(name(order, parcel.id));
                let room = bytes_max.saturating_sub(used);
                let written = write(&new, parcel, origin, room)
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

    /// The right to send what waits. `None`: somebody else is at it.
    pub(crate) fn try_send(&self) -> io::Result<Option<SendLock>> {
        let lock = disk::try_lock(&self.dir.join(SENDING))?;
        Ok(lock.map(|lock| SendLock { _lock: lock }))
    }

    /// The same, waited for.
    pub(crate) fn wait_to_send(&self, patience: Duration) -> io::Result<Option<SendLock>> {
        let lock = disk::lock(&self.dir.join(SENDING), patience)?;
        Ok(lock.map(|lock| SendLock { _lock: lock }))
    }

    /// Puts a message where it is not sent any more, with the reason.
    pub(crate) fn set_aside(&self, slot: &Slot, reason: &str) -> io::Result<()> {
        let aside = self.dir.join(ASIDE);
        files::create_directory(&aside)?;
        let Some(name) = slot.path.file_name() else { return Ok(()) };
        // First the reason: a message that is aside has one. On a full disk it goes without.
        let new = aside.join(format!("{UNFINISHED}{}.{REASON}", slot.id));
        let told = fs::write(&new, reason)
            .and_then(|()| files::sync(&File::open(&new)?))
            .and_then(|()| fs::rename(&new, reason_of(&aside.join(name))));
        if told.is_err() {
            let _ = fs::remove_file(&new);
        }
        match fs::rename(&slot.path, aside.join(name)) {
            // Somebody has dropped it.
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

    pub(crate) fn about(&self) -> Result<SpooledHead, Damage> {
        file::about(&self.path)
    }

    pub(crate) fn read(&self) -> Result<(Spooled, Origin), Damage> {
        file::read(&self.path)
    }

    /// Why it is aside.
    pub(crate) fn reason(&self) -> Option<String> {
        fs::read_to_string(reason_of(&self.path)).ok()
    }

    /// The message is not needed here any more. If the disk forgets this, it is sent again under
    /// its id, which changes nothing.
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
    /// With the figures of its place.
    fn with_figures(self, used: u64, max: u64) -> Self {
        match self {
            Self::Full { .. } => Self::Full { used, max },
            error => error,
        }
    }
}

/// Writes a message if there is room for it, or for what must be kept of it: what it counts for.
fn write(path: &Path, parcel: &Spooled, origin: Origin, room: u64) -> Result<u64, NotKept> {
    let full = NotKept::Full { used: 0, max: 0 };
    let extra = file::extra(parcel, origin);
    let needs = |parcel: &Spooled| (parcel.content.size() + extra).max(FILE_LEN_MIN);
    let (parcel, size) = match needs(parcel) {
        size if size <= room => (parcel, size),
        _ if room < FILE_LEN_MIN => return Err(full),
        _ => match file::shortened(parcel, room.saturating_sub(extra).min(EXCERPT_LEN))? {
            Some(short) => (&short.clone(), needs(&short)),
            None => return Err(full),
        },
    };
    file::write(path, parcel, origin)?;
    Ok(size)
}

fn reason_of(path: &Path) -> PathBuf {
    path.with_extension(REASON)
}

fn name(order: u64, id: MsgId) -> String {
    format!("{order:012}-{id}.message")
}

/// The messages of a directory, in their order. One that is not there has none.
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

/// What the files of a directory count for, in bytes.
fn used(dir: &Path) -> io::Result<u64> {
    slots(dir, false)?.iter().map(|slot| size(&slot.path)).sum()
}

/// What a file counts for. One that was sent meanwhile counts for nothing.
fn size(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len().max(FILE_LEN_MIN)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
