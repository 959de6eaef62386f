//! Differences between file systems: operations that some do not have, and ways of being full.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::io::Errno;

/// Bytes that a test of free room writes. A write that failed may have been shorter, and the little
/// room that is left then must not make the test pass.
const ROOM_LEN: usize = 256 << 10;

/// Makes a file or a directory durable, if its file system can. Some, such as those of FUSE, cannot
/// sync directories.
pub fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result,
    }
}

/// Tells whether an error means that the file system does not have an operation, such as links,
/// locks or the sync of a directory.
pub fn is_unsupported(error: &io::Error) -> bool {
    use ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported)
        || matches!(Errno::from_io_error(error), Some(Errno::BADF | Errno::NOTTY))
}

/// Tells whether there was no room: on the disk, in a quota, or up to the largest size of a file.
pub fn is_full(error: &io::Error) -> bool {
    use ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Tells whether a file of `len` bytes could not grow in a directory. For callers that learn that a
/// write failed, but not why.
pub fn has_no_room(dir: &Path, len: u64) -> bool {
    let grow = || {
        let mut file = tempfile::Builder::new().prefix(".room.").tempfile_in(dir)?;
        file.seek(SeekFrom::Start(len))?;
        file.write_all(&[0; ROOM_LEN])
    };
    grow().is_err_and(|error| is_full(&error))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs;

    use rustix::io::Errno;

    use super::{has_no_room, is_full, is_unsupported};

    #[test]
    fn missing_operations_and_failing_disks_are_told_apart() {
        let unsupported = |errno: Errno| is_unsupported(&errno.into());
        let missing = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP, Errno::PERM, Errno::NOTTY];
        assert!(missing.into_iter().all(unsupported));
        let failing = [Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::ROFS];
        assert!(!failing.into_iter().any(unsupported));
    }

    #[test]
    fn a_quota_and_a_largest_file_are_a_full_disk() {
        let full = |errno: Errno| is_full(&errno.into());
        assert!([Errno::NOSPC, Errno::DQUOT, Errno::FBIG].into_iter().all(full));
        assert!(![Errno::IO, Errno::ROFS, Errno::ACCESS, Errno::NOENT].into_iter().any(full));
        let dir = tempfile::tempdir().unwrap();
        assert!(!has_no_room(dir.path(), 1 << 20));
        assert!(!has_no_room(&dir.path().join("none"), 0));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
