//! The bytes of one message, wherever they are: in memory, or, if they are many, in a file.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Error;
use anyhow::Result;
use bytes::Bytes;
use tempfile::{SpooledData, SpooledTempFile};

use crate::failure::{self, Exit, Failure};
use crate::message::limits::{MEMORY_LEN_MAX, STREAM_LEN_MAX};
use crate::wire::{Body, CHUNK_LEN_MAX};

const COPY_LEN: usize = 64 << 10;

/// The bytes of one message. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Memory(Bytes),
    File(Arc<FileRange>),
}

/// A range of a file.
#[derive(Debug)]
pub(crate) struct FileRange {
    file: File,
    start: u64,
    size: u64,
    /// Length and time of change of a file that others may write to, when its size was taken.
    seen: Option<(u64, SystemTime)>,
}

/// Gathers a body that comes in pieces; beyond [`MEMORY_LEN_MAX`] in a file without a name.
pub(crate) struct BodyBuffer(SpooledTempFile);

impl Content {
    /// The rest of a file, which stays there if it is long; what is no regular file is copied.
    /// `None`: a longer stream than is taken.
    pub(crate) fn rest(mut file: File, name: &str) -> Result<Option<Self>> {
        let unreadable = |error| failure::unreadable(name, error);
        if let Some(stored) = FileRange::rest(&mut file).map_err(unreadable)? {
            return Ok(Some(Self::File(Arc::new(stored))));
        }
        let (mut spool, mut buffer, mut size) = (BodyBuffer::new(), vec![0; COPY_LEN], 0);
        loop {
            let length = match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(spool.finish().map_err(no_place)?)),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            size += length as u64;
            if size > STREAM_LEN_MAX {
                return Ok(None);
            }
            spool.push(&buffer[..length]).map_err(no_place)?;
        }
    }

    /// A range of a file that nobody writes to.
    pub(crate) fn within(file: File, start: u64, size: u64) -> Self {
        Self::File(Arc::new(FileRange { file, start, size, seen: None }))
    }

    /// In bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(stored) => stored.size,
        }
    }

    /// As many bytes as there are from this offset on, at most `length`.
    pub(crate) fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let length = self.size().saturating_sub(offset).min(length as u64) as usize;
        match self {
            _ if length == 0 => Ok(Bytes::new()),
            // The offset lies within what is in memory.
            Self::Memory(bytes) => Ok(bytes.slice(offset as usize..).slice(..length)),
            Self::File(stored) => stored.read(offset, length).map(Bytes::from),
        }
    }

    /// The chunk of the body with this number, from 0.
    pub(crate) fn part(&self, index: u64) -> io::Result<Body> {
        self.read(index.saturating_mul(CHUNK_LEN_MAX as u64), CHUNK_LEN_MAX).map(Body)
    }

    /// A range of it in pieces of a length, the last one perhaps shorter.
    pub(crate) fn pieces(
        &self,
        range: Range<u64>,
        length: usize,
    ) -> impl Iterator<Item = io::Result<Bytes>> {
        let end = range.end;
        range.step_by(length).map(move |at| self.read(at, (end - at).min(length as u64) as usize))
    }
}

impl FileRange {
    /// The rest of a regular file, if that is long. The position of the file moves to the end, as
    /// it does for one who reads: the file may be shared, such as a shell's stdin.
    fn rest(file: &mut File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let (start, end) = (file.stream_position()?, metadata.len());
        // Files of /proc say that they are empty.
        let size = end.saturating_sub(start);
        if size <= MEMORY_LEN_MAX as u64 {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(end))?;
        let seen = Some(stamp(&metadata)?);
        Ok(Some(Self { file: file.try_clone()?, start, size, seen }))
    }

    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, self.start + offset);
        // After the read: what was changed before is not handed out.
        if let Some(seen) = self.seen
            && seen != stamp(&self.file.metadata()?)?
        {
            return Err(io::Error::other("the file has changed meanwhile"));
        }
        read.map(|()| bytes)
    }
}

/// Where a long body is kept for a while. A `TMPDIR` without a value would be the working
/// directory.
pub(crate) fn temp_dir() -> PathBuf {
    let dir = std::env::temp_dir();
    if dir.as_os_str().is_empty() { PathBuf::from("/tmp") } else { dir }
}

fn stamp(metadata: &Metadata) -> io::Result<(u64, SystemTime)> {
    Ok((metadata.len(), metadata.modified()?))
}

impl BodyBuffer {
    pub(crate) fn new() -> Self {
        Self(SpooledTempFile::new_in(MEMORY_LEN_MAX, temp_dir()))
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// All that was gathered.
    pub(crate) fn finish(self) -> io::Result<Content> {
        match self.0.into_inner() {
            SpooledData::InMemory(bytes) => Ok(Content::Memory(bytes.into_inner().into())),
            SpooledData::OnDisk(file) => {
                let size = file.metadata()?.len();
                let stored = FileRange { file, start: 0, size, seen: None };
                Ok(Content::File(Arc::new(stored)))
            }
        }
    }
}

/// A long message that has to be kept for a while.
pub(crate) fn no_place(error: io::Error) -> Error {
    let place = temp_dir();
    Failure::new(Exit::NoSpace, format!("cannot keep a long message in {}", place.display()))
        .hint("it is stored there until it is complete; TMPDIR names another directory")
        .because(error)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};

    use bytes::Bytes;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
    use tempfile::tempfile;

    use super::{BodyBuffer, CHUNK_LEN_MAX, Content, MEMORY_LEN_MAX};

    /// Bytes of which no two stretches are alike.
    fn noise(length: usize) -> Vec<u8> {
        (0..length as u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect()
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    fn rest(file: &File) -> Content {
        Content::rest(file.try_clone().unwrap(), "it").unwrap().unwrap()
    }

    fn all(content: &Content, length: usize) -> Vec<u8> {
        let pieces = content.pieces(0..content.size(), length);
        pieces.flat_map(|piece| piece.unwrap()).collect()
    }

    #[test]
    fn a_source_gives_what_it_holds() {
        for length in [0, 1, CHUNK_LEN_MAX, MEMORY_LEN_MAX, MEMORY_LEN_MAX + 1, 3 << 20] {
            let bytes = noise(length);
            let long = length > MEMORY_LEN_MAX;
            let source = file(&bytes);
            let content = rest(&source);
            assert_eq!((content.size(), is_file(&content)), (length as u64, long));
            assert!(all(&content, 1000) == bytes, "{length} bytes of a file");
            let mut after = vec![];
            (&source).read_to_end(&mut after).unwrap();
            assert!(after.is_empty(), "{length} bytes are read as far as others see");
            let (from, mut to) = std::io::pipe().unwrap();
            let writer = std::thread::spawn(move || to.write_all(&bytes).map(|()| bytes));
            let content =
                Content::rest(File::from(std::os::fd::OwnedFd::from(from)), "it").unwrap().unwrap();
            let bytes = writer.join().unwrap().unwrap();
            assert_eq!(is_file(&content), long);
            assert!(all(&content, 70_000) == bytes, "{length} bytes of a pipe");
        }
    }

    fn is_file(content: &Content) -> bool {
        matches!(content, Content::File(_))
    }

    #[test]
    fn a_file_that_was_read_before_gives_its_rest() {
        let bytes = noise(2 << 20);
        let mut source = file(&bytes);
        source.seek(SeekFrom::Start(1000)).unwrap();
        assert!(all(&rest(&source), CHUNK_LEN_MAX) == bytes[1000..]);
        source.seek(SeekFrom::End(-5)).unwrap();
        assert_eq!(all(&rest(&source), 2), bytes[bytes.len() - 5..]);
    }

    #[test]
    fn a_file_that_changes_is_given_no_more() {
        let changes: [fn(&File); 3] = [
            |file| file.set_len(1 << 20).unwrap(),
            |mut file| file.write_all(b"more").unwrap(),
            |file| file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap(),
        ];
        for change in changes {
            let source = file(&noise(2 << 20));
            let content = rest(&source);
            content.part(0).unwrap();
            change(&source);
            for index in [0, 1, 31] {
                let error = content.part(index).unwrap_err().to_string();
                assert_eq!(error, "the file has changed meanwhile");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn parts_of_a_file_are_those_of_memory(
            length in 0..5 * CHUNK_LEN_MAX,
            index in 0..7_u64,
            far in any::<u64>(),
        ) {
            let bytes = noise(length);
            let mut spool = BodyBuffer::new();
            // More than is kept in memory, whatever the length.
            let before = noise(MEMORY_LEN_MAX + 1);
            spool.push(&before).unwrap();
            spool.push(&bytes).unwrap();
            let on_disk = spool.finish().unwrap();
            let in_memory = Content::Memory(Bytes::from([before, bytes].concat()));
            prop_assert_eq!(on_disk.size(), in_memory.size());
            for index in [index, index + 16, far] {
                prop_assert_eq!(on_disk.part(index).unwrap().0, in_memory.part(index).unwrap().0);
            }
        }
    }
}
