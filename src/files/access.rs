//! Owners and permissions of files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::geteuid;

/// Permission bits of everybody except the owner.
pub const OTHERS: u32 = 0o077;
/// Permission bits that let others change the entries of a directory.
pub const OTHERS_WRITE: u32 = 0o022;

/// The user id of a path's owner, if that is not the user of this process. `None` for a path that
/// does not exist.
pub fn foreign_owner(path: &Path) -> Option<u32> {
    let owner = fs::symlink_metadata(path).ok()?.uid();
    (owner != geteuid().as_raw()).then_some(owner)
}

/// The uppermost of a path and the directories above it, as far as they are below `top`, that
/// belongs to another user than that of this process.
pub fn uppermost_foreign<'a>(path: &'a Path, top: &Path) -> Option<&'a Path> {
    let is_below = |path: &&Path| *path != top && path.starts_with(top);
    path.ancestors().take_while(is_below).filter(|path| foreign_owner(path).is_some()).last()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs;

    use super::uppermost_foreign;

    #[test]
    fn ones_own_files_are_not_foreign() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(uppermost_foreign(&dir.path().join("file"), dir.path()), None);
        assert_eq!(uppermost_foreign(&dir.path().join("none/file"), dir.path()), None);
    }
}
