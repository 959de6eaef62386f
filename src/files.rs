//! Files that are there whole or not at all, and that only their owner may open.
//!
//! One way of writing for everything small that has to last: under another name, synced, given its
//! name, and the directory synced. File systems differ: some have no hard links, some do not sync
//! directories, and each has its own way of being full.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::io::Errno;
use rustix::process::geteuid;
use tempfile::{NamedTempFile, TempPath};

/// Permission bits of everybody who is not the owner.
pub const OTHERS: u32 = 0o077;
/// Those of them that let others change what a directory has.
pub const OTHERS_WRITE: u32 = 0o022;
/// Bytes that have to find room where a shorter write is said to have found none: what little is
/// left must not make the two disagree.
const ROOM_LEN: usize = 256 << 10;

/// Makes a file with these bytes, which never replaces another: that is an error of the kind
/// `AlreadyExists`. Durable when this returns.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = written(path, bytes)?;
    match fs::hard_link(file.path(), path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => rename_new(file, path)?,
        linked => linked?,
    }
    sync_directory(parent(path))
}

/// Where a file system has no hard links.
fn rename_new(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let Err(failed) = file.persist_noclobber(path) else { return Ok(()) };
    if fs::symlink_metadata(path).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    if !is_unsupported(&failed.error) {
        return Err(failed.error);
    }
    // It has no rename either that does not replace.
    failed.file.persist(path)?;
    Ok(())
}

/// Puts a file with these bytes in place of the one that is there, if any. Durable when this
/// returns.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    written(path, bytes)?.persist(path)?;
    sync_directory(parent(path))
}

/// Gives a synced file a name that nothing has: otherwise that is an error of the kind
/// `AlreadyExists`, and the file is gone. Durable when this returns.
pub fn name(from: &Path, to: &Path) -> io::Result<()> {
    TempPath::try_from_path(from)?.persist_noclobber(to)?;
    sync_directory(parent(to))
}

/// Makes a directory and those above it, where they are missing, for their owner alone. Durable
/// when this returns.
pub fn create_directory(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = parent(dir);
    if parent != dir {
        create_directory(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_directory(parent).inspect_err(|_| {
            // It is not to be there if it may not last.
            let _ = fs::remove_dir(dir);
        }),
    }
}

/// Makes durable which files a directory has, on a file system that can.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        Err(error) if !is_unsupported(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether there was no room: on the disk, in a quota, or up to the largest size of a file.
pub fn is_full(error: &io::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Whether a file of this length could not grow in a directory, for those who learn that a write
/// failed, and not of what.
pub fn has_no_room(dir: &Path, len: u64) -> bool {
    let grow = || {
        let mut file = tempfile::Builder::new().prefix(".room.").tempfile_in(dir)?;
        file.seek(SeekFrom::Start(len))?;
        file.write_all(&[0; ROOM_LEN])
    };
    grow().is_err_and(|error| is_full(&error))
}

/// The uppermost of a path and the directories above it, as far as they are below `top`, that
/// belongs to somebody else than the user who runs this.
pub fn foreign<'a>(path: &'a Path, top: &Path) -> Option<&'a Path> {
    let own = geteuid().as_raw();
    let is_foreign = |path: &&Path| fs::symlink_metadata(path).is_ok_and(|it| it.uid() != own);
    let is_below = |path: &&Path| *path != top && path.starts_with(top);
    path.ancestors().take_while(is_below).filter(is_foreign).last()
}

/// Its bytes under another name, on the disk.
fn written(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut file = tempfile::Builder::new().prefix(&prefix).tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent == Path::new("") => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Whether a file system says that it does not do something: link, or sync a directory. One that
/// may be written and not read cannot be opened to be synced.
fn is_unsupported(error: &io::Error) -> bool {
    use ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
        || Errno::from_io_error(error) == Some(Errno::BADF)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{create, create_directory, foreign, has_no_room, is_full, name, replace};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_whole_private_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        create(&path, b"first").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(create(&path, b"x").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"second".to_vec(), 0o600));
        let other = dir.path().join("other");
        create(&other, b"third").unwrap();
        // Not even a link that leads nowhere is replaced.
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        assert!(create(&dir.path().join("link"), b"x").is_err());
        assert!(name(&other, &path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let names = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 2, "what could not be named is gone");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // A directory is not replaced by a file.
        fs::create_dir(dir.path().join("full")).unwrap();
        fs::write(dir.path().join("full/x"), "").unwrap();
        assert!(replace(&dir.path().join("full"), b"x").is_err());
        assert!(create(&dir.path().join("full"), b"x").is_err());
        assert!(create(&dir.path().join("none/file"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn directories_are_private_and_those_that_are_there_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let deep = dir.path().join("a/b/c");
        create_directory(&deep).unwrap();
        create_directory(&deep).unwrap();
        assert!(deep.ancestors().take(3).all(|made| mode(made) == 0o700));
        assert_eq!(mode(dir.path()), 0o755);
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(create_directory(&dir.path().join("file")).is_err());
        assert!(create_directory(&dir.path().join("file/below")).is_err());
    }

    #[test]
    fn a_quota_and_a_largest_file_are_a_full_disk() {
        use rustix::io::Errno;
        let full = |errno: Errno| is_full(&errno.into());
        assert!([Errno::NOSPC, Errno::DQUOT, Errno::FBIG].into_iter().all(full));
        assert!(![Errno::IO, Errno::ROFS, Errno::ACCESS, Errno::NOENT].into_iter().any(full));
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_no_room(dir.path(), 1 << 20));
        assert!(!has_no_room(&dir.path().join("none"), 0));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_ones_own_is_not_foreign() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(foreign(&dir.path().join("file"), dir.path()), None);
        assert_eq!(foreign(&dir.path().join("none/file"), dir.path()), None);
    }
}
