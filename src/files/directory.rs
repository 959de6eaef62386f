//! Directories that last.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::support::{is_unsupported, sync};

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
            // A directory that may not last must not be used.
            let _ = fs::remove_dir(dir);
        }),
    }
}

/// Makes the entries of a directory durable, on a file system that can. A directory that may be
/// written but not read cannot be opened for that, and is no error.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    match File::open(dir).and_then(|dir| sync(&dir)) {
        Err(error) if !is_unsupported(&error) => Err(error),
        _ => Ok(()),
    }
}

/// The directory that a path is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent == Path::new("") => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
pub(super) mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::create_directory;

    /// The permission bits of a file or directory.
    pub(in crate::files) fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn new_directories_are_private_and_existing_ones_left_alone() {
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
}
