//! `--save-dir`: a file for each message.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use anyhow::Result;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::message::received::Received;

/// A directory of saved messages.
pub(crate) struct Shelf {
    dir: PathBuf,
    /// Open handle, for syncing the directory.
    handle: File,
    /// Extension of each file name.
    suffix: &'static str,
}

impl Shelf {
    pub(crate) fn open(dir: PathBuf, suffix: &'static str) -> Result<Self> {
        let opened = File::open(&dir).and_then(|handle| match handle.metadata()?.is_dir() {
            true => Ok(handle),
            false => Err(io::ErrorKind::NotADirectory.into()),
        });
        match opened {
            Ok(handle) => Ok(Self { dir, handle, suffix }),
            Err(error) => {
                let what = format!("cannot save messages in {}", dir.display());
                let hint = format!("make the directory first: mkdir {}", dir.display());
                Err(Failure::new(Exit::Config, what).hint(hint).because(error))
            }
        }
    }

    /// Writes each message to a file of its own, which gets its name once it is whole. All are on
    /// disk when this returns.
    pub(crate) fn put(
        &self,
        letters: &[Received],
        render: impl Fn(&Received, &mut BufWriter<&File>) -> io::Result<()>,
    ) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for letter in letters {
            let path = self.dir.join(self.name(letter));
            // A file of this name holds the same message.
            files::replace_with(&path, files::ANYBODY, |file| {
                let mut out = BufWriter::new(file);
                render(letter, &mut out)?;
                out.flush()
            })?;
            paths.push(path);
        }
        self.handle.sync_all()?;
        Ok(paths)
    }

    /// Name of a message's file: only numbers, so that names sort in the order in which the server
    /// accepted the messages. Volatile messages, which have no seq, sort after the others, by time.
    fn name(&self, letter: &Received) -> String {
        let (seq, message) = (letter.seq(), letter.message());
        match letter.is_volatile() {
            false => format!("{seq:020}-{}{}", message.id, self.suffix),
            true => format!("v{:019}-{}{}", message.time_ms, message.id, self.suffix),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs;
    use std::io::{self, Write};

    use tempfile::TempDir;

    use super::{Received, Shelf};
    use crate::message::received::tests::letter;

    #[test]
    fn a_file_is_whole_or_it_is_not_there() {
        let dir = TempDir::new().unwrap();
        let shelf = Shelf::open(dir.path().to_owned(), ".json").unwrap();
        let stored = letter("bob", &[], b"two");
        let (message, content) = (stored.message().clone(), stored.content().clone());
        let volatile = Received::new(0, message, content);
        let letters = [letter("bob", &[("title", "../../etc")], b"one"), volatile];
        for _ in 0..2 {
            let paths =
                shelf.put(&letters, |letter, out| out.write_all(&letter.content().read(0, 9)?));
            let names: Vec<String> = fs::read_dir(dir.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            let id = "018bcfe5-6800-7707-8707-070707070707.json";
            let wanted =
                [format!("00000000000000000005-{id}"), format!("v0000001700000000123-{id}")];
            assert_eq!(paths.unwrap(), wanted.clone().map(|name| dir.path().join(name)));
            assert!(
                names.len() == 2 && names.iter().all(|name| wanted.contains(name)),
                "{names:?}"
            );
            assert_eq!(fs::read(dir.path().join(&wanted[0])).unwrap(), b"one");
        }
        let failed = shelf.put(&letters, |_, out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no space"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no space");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left of it");
    }

    #[test]
    fn what_is_no_directory_is_said() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for path in [file, dir.path().join("none")] {
            let error = Shelf::open(path.clone(), "").err().unwrap().to_string();
            assert_eq!(error, format!("cannot save messages in {}", path.display()));
        }
    }
}
