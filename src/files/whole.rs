//! Files that are there whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};

use super::directory::{parent, sync_directory};
use super::support::is_unsupported;

/// Mode of a file that anybody may use, as far as the process's umask allows.
pub const ANYBODY: u32 = 0o666;
/// Mode of a file for its owner alone.
const OWNER: u32 = 0o600;

/// Makes a file with these bytes, for its owner alone. Never replaces another file: that is an
/// error of the kind `AlreadyExists`. Durable when this returns.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = written(path, OWNER, |mut file| file.write_all(bytes))?;
    match fs::hard_link(file.path(), path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => rename_new(file, path)?,
        linked => linked?,
    }
    sync_directory(parent(path))
}

/// Gives a file its name on a file system without hard links.
fn rename_new(file: NamedTempFile, path: &Path) -> io::Result<()> {
    let Err(failed) = file.persist_noclobber(path) else { return Ok(()) };
    if fs::symlink_metadata(path).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    if !is_unsupported(&failed.error) {
        return Err(failed.error);
    }
    // The file system also has no rename that fails if the new name exists.
    failed.file.persist(path)?;
    Ok(())
}

/// Makes a file with these bytes, for its owner alone, in place of the one at `path`, if any.
/// Durable when this returns.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, OWNER, |mut file| file.write_all(bytes))?;
    sync_directory(parent(path))
}

/// Makes a file of this mode, less the umask, that `fill` writes, in place of the one at `path`, if
/// any. If `fill` fails, nothing is left of it. The file is synced, its directory is not: the
/// caller does so once for many files ([`sync_directory`]).
pub fn replace_with(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    written(path, mode, fill)?.persist(path)?;
    Ok(())
}

/// Gives a synced file a new name. If that name exists, this is an error of the kind
/// `AlreadyExists`, and the file is removed. Durable when this returns.
pub fn name_new(from: &Path, to: &Path) -> io::Result<()> {
    TempPath::try_from_path(from)?.persist_noclobber(to)?;
    sync_directory(parent(to))
}

/// A synced file beside `path`, under another name.
fn written(
    path: &Path,
    mode: u32,
    fill: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(&prefix).permissions(Permissions::from_mode(mode));
    let file = builder.tempfile_in(parent(path))?;
    fill(file.as_file())?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;

    use super::{create, name_new, replace, replace_with};
    use crate::files::directory::tests::mode;

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
        // Not even a dangling symbolic link is replaced.
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        assert!(create(&dir.path().join("link"), b"x").is_err());
        assert!(name_new(&other, &path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"second");
        let names = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(names, 2, "a file that could not get its name is gone");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // A directory is not replaced by a file.
        fs::create_dir(dir.path().join("full")).unwrap();
        fs::write(dir.path().join("full/x"), "").unwrap();
        assert!(replace(&dir.path().join("full"), b"x").is_err());
        assert!(create(&dir.path().join("full"), b"x").is_err());
        assert!(create(&dir.path().join("none/file"), b"x").is_err());
        let failing = replace_with(&dir.path().join("file"), 0o600, |_| Err(io::Error::other("x")));
        assert!(failing.is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
