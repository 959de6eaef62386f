//! The directory in which messages of one id wait.
//!
//! A file has its message's place in the order and its id for a name. It is written whole under
//! another name first, and the directory is on the disk before anybody is told that the message is
//! kept. Whoever writes holds the lock `.adding`, whoever sends holds `.sending`; the system lets
//! go of them when a process ends, however it does.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::wire::{MsgId, Target, UserId};

use super::file::{self, About, Damage, Origin, Parcel};

/// What a file takes on a disk at least: with it the number of files is bounded, too.
const FILE_LEN_MIN: u64 = 4 << 10;
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
pub(super) struct Place {
    dir: PathBuf,
}

/// A message's file.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// Where it stands among the others.
    order: u64,
    pub(super) id: MsgId,
    path: PathBuf,
    pub(super) is_aside: bool,
}

/// Why a message is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("there are {used} bytes in it, and it may have {max}")]
    Full { used: u64, max: u64 },
}

/// While it is held nobody else sends what waits here.
pub(super) struct Sending {
    _lock: File,
}

impl Place {
    /// Of this id, in the directory of all.
    pub(super) fn of(spools: &Path, id: &UserId) -> Self {
        Self { dir: spools.join(id.as_str()) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    /// What waits, in its order.
    pub(super) fn waiting(&self) -> io::Result<Vec<Slot>> {
        slots(&self.dir, false)
    }

    /// What waits for these targets, in its order. What cannot be read is for anybody.
    pub(super) fn pick(&self, wanted: impl Fn(&Target) -> bool) -> io::Result<Vec<Slot>> {
        let mut slots = self.waiting()?;
        slots.retain(|slot| slot.about().map_or(true, |about| wanted(&about.to)));
        Ok(slots)
    }

    /// What was set aside.
    pub(super) fn aside(&self) -> io::Result<Vec<Slot>> {
        slots(&self.dir.join(ASIDE), true)
    }

    /// Keeps messages, behind those that are there: how many, and why not the others. They are on
    /// the disk then.
    pub(super) fn keep(
        &self,
        parcels: &[Parcel],
        bytes_max: u64,
        origin: Origin,
    ) -> (usize, Result<(), NotKept>) {
        let mut kept = 0;
        let result = self.add(parcels, bytes_max, origin, &mut kept);
        match result {
            // What cannot be made certain is not kept.
            Err(NotKept::Io(error)) => (0, Err(error.into())),
            result => (kept, result),
        }
    }

    fn add(
        &self,
        parcels: &[Parcel],
        bytes_max: u64,
        origin: Origin,
        kept: &mut usize,
    ) -> Result<(), NotKept> {
        make(&self.dir)?;
        let lock = lock_file(&self.dir.join(ADDING))?;
        lock.lock()?;
        clean(&self.dir)?;
        let there = self.waiting()?;
        let mut ids: BTreeSet<MsgId> = there.iter().map(|slot| slot.id).collect();
        let mut order = there.last().map_or(0, |slot| slot.order);
        let mut used = used(&self.dir)? + used(&self.dir.join(ASIDE))?;
        let mut result = Ok(());
        for parcel in parcels {
            // An id made of a key may be there already: it is one message.
            if ids.insert(parcel.id) {
                let new = self.dir.join(format!("{UNFINISHED}{}", parcel.id));
                let written = write(&new, parcel, origin, &mut used, bytes_max);
                if written.is_err() {
                    // The next one who adds would remove it, too.
                    let _ = fs::remove_file(&new);
                    result = written;
                    break;
                }
                order += 1;
                fs::rename(&new, self.dir.join(name(order, parcel.id)))?;
            }
            *kept += 1;
        }
        sync(&self.dir)?;
        result
    }

    /// The right to send what waits. `None`: somebody else is at it.
    pub(super) fn try_send(&self) -> io::Result<Option<Sending>> {
        let file = lock_file(&self.dir.join(SENDING))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Sending { _lock: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Puts a message where it is not sent any more, with the reason.
    pub(super) fn set_aside(&self, slot: &Slot, reason: &str) -> io::Result<()> {
        let aside = self.dir.join(ASIDE);
        make(&aside)?;
        let Some(name) = slot.path.file_name() else { return Ok(()) };
        // First the reason: a message that is aside has one.
        let told = reason_of(&aside.join(name));
        let new = aside.join(format!("{UNFINISHED}{REASON}"));
        fs::write(&new, reason)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, told)?;
        sync(&aside)?;
        fs::rename(&slot.path, aside.join(name))?;
        sync(&aside)?;
        sync(&self.dir)
    }
}

impl Slot {
    pub(super) fn about(&self) -> Result<About, Damage> {
        file::about(&self.path)
    }

    pub(super) fn read(&self) -> Result<(Parcel, Origin), Damage> {
        file::read(&self.path)
    }

    /// Why it is aside.
    pub(super) fn reason(&self) -> Option<String> {
        fs::read_to_string(reason_of(&self.path)).ok()
    }

    /// The message is not needed here any more. If the disk forgets this, it is sent again under
    /// its id, which changes nothing.
    pub(super) fn remove(&self) -> io::Result<()> {
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

/// Writes a message if there is room for it.
fn write(
    path: &Path,
    parcel: &Parcel,
    origin: Origin,
    used: &mut u64,
    bytes_max: u64,
) -> Result<(), NotKept> {
    let full = |used| Err(NotKept::Full { used, max: bytes_max });
    // A look at the body alone spares the disk what cannot fit.
    if used.saturating_add(parcel.content.size().max(FILE_LEN_MIN)) > bytes_max {
        return full(*used);
    }
    file::write(path, parcel, origin)?;
    let more = size(path)?;
    if used.saturating_add(more) > bytes_max {
        return full(*used);
    }
    *used += more;
    Ok(())
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

/// Removes what somebody who held the lock did not finish.
fn clean(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes a directory and those above it, for the user alone, and sees them onto the disk.
fn make(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let Some(above) = dir.parent() else { return Ok(()) };
    make(above)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync(above)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
