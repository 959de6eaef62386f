//! Bodies of messages: from arguments, a file, or stdin, as one message or one a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::{self, Exit, Failure};
use crate::message::content::Content;
use crate::message::limits::{AHEAD_LEN_MAX, STREAM_LEN_MAX};
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;

/// The framing of an input: one message or many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// All of the input is one message.
    Whole { empty: Empty },
    /// Each ends at this byte, which is not part of it; the last one may do without.
    Until(u8),
}

/// The treatment of a message without a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    /// An accident of the command before the pipe; a file that was named is meant.
    Refused,
    Sent,
    Skipped,
}

impl Framing {
    /// True if all of the input is one message.
    pub(crate) fn is_one(self) -> bool {
        matches!(self, Self::Whole { .. })
    }
}

/// Where messages come from.
#[derive(Debug)]
pub(crate) enum BodySource {
    /// The arguments; stdin is never touched.
    Text(Bytes, Framing),
    /// stdin.
    Stdin(Framing),
    /// A file.
    File(PathBuf, Framing),
}

impl BodySource {
    /// The framing: one message, or as many as a byte ends.
    pub(crate) fn framing(&self) -> Framing {
        match self {
            Self::Text(_, framing) | Self::Stdin(framing) | Self::File(_, framing) => *framing,
        }
    }

    /// Reads all of the input as one message. `None`: it is empty, and nothing is to be sent.
    pub(crate) fn whole(self, talk: Verbosity) -> Result<Option<Content>> {
        let (name, framing) = (self.name(), self.framing());
        let unreadable = |error| failure::unreadable(&name, error);
        let (content, is_meant) = match self {
            Self::Text(text, _) => (Content::Memory(text), true),
            Self::Stdin(_) => (all(stdin(talk).map_err(unreadable)?, &name)?, false),
            Self::File(path, _) => {
                let file = open(&path).map_err(unreadable)?;
                let is_regular = file.metadata().map_err(unreadable)?.is_file();
                (all(file, &name)?, is_regular)
            }
        };
        match framing {
            Framing::Whole { empty } if content.size() == 0 => match empty {
                Empty::Sent => Ok(Some(content)),
                Empty::Skipped => Ok(None),
                Empty::Refused if is_meant => Ok(Some(content)),
                Empty::Refused => {
                    let what = format!("{name} is empty, so nothing was sent");
                    let hint = "--empty sends an empty message; --skip-empty exits with 0";
                    Err(Failure::new(Exit::Data, what).hint(hint).into())
                }
            },
            _ => Ok(Some(content)),
        }
    }

    /// Reads the messages that this byte ends and calls `take` with each, until it returns false.
    /// One that is longer than is taken from a stream is an error, and the others follow. Blocks
    /// its thread, which must not be one of the runtime's.
    pub(crate) fn pieces(
        self,
        end: u8,
        talk: Verbosity,
        runtime: &Handle,
        take: impl FnMut(Result<Content, Failure>) -> bool,
    ) -> Result<()> {
        let name = self.name();
        let source = match self {
            Self::Text(..) => return Ok(()),
            Self::Stdin(_) => stdin(talk),
            Self::File(path, _) => open(&path),
        };
        let read = source.and_then(|source| cut(BufReader::new(source), end, runtime, take));
        read.map_err(|error| failure::unreadable(&name, error))
    }

    fn name(&self) -> String {
        match self {
            Self::Text(..) | Self::Stdin(_) => "stdin".into(),
            Self::File(path, _) => path.display().to_string(),
        }
    }
}

fn all(source: File, name: &str) -> Result<Content> {
    Ok(Content::rest(source, name)?.ok_or_else(too_long)?)
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    // Reading a directory fails later and less clearly.
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

/// The same open file: where it has been read to is seen by all who share it.
fn stdin(talk: Verbosity) -> io::Result<File> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        notices::note(talk, "reading the message from the terminal; end it with Ctrl-D");
    }
    stdin.as_fd().try_clone_to_owned().map(File::from)
}

/// A piece, and its share of what may be read ahead: free once nobody holds its bytes.
struct Held {
    piece: Vec<u8>,
    _share: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

/// Cuts a stream into messages. Memory stays within the longest body and what may be read ahead.
fn cut(
    mut stream: impl BufRead,
    end: u8,
    runtime: &Handle,
    mut take: impl FnMut(Result<Content, Failure>) -> bool,
) -> io::Result<()> {
    let room = Arc::new(Semaphore::new(AHEAD_LEN_MAX as usize));
    loop {
        let mut piece = Vec::new();
        let limit = STREAM_LEN_MAX + 1;
        if stream.by_ref().take(limit).read_until(end, &mut piece)? == 0 {
            return Ok(());
        }
        let ended = piece.last() == Some(&end);
        if ended {
            piece.pop();
        }
        let cut = if piece.len() as u64 > STREAM_LEN_MAX {
            stream.skip_until(end)?;
            Err(too_long())
        } else {
            // A longer one goes alone.
            let share = piece.len().min(AHEAD_LEN_MAX as usize) as u32;
            let share = runtime.block_on(room.clone().acquire_many_owned(share));
            // Nobody closes it, so there is a share.
            let held = Held { piece, _share: share.ok() };
            Ok(Content::Memory(Bytes::from_owner(held)))
        };
        if !take(cut) {
            return Ok(());
        }
    }
}

/// A body of which not all is read.
pub(crate) fn too_long() -> Failure {
    let what = format!("the message is longer than the {STREAM_LEN_MAX} bytes taken from a stream");
    Failure::new(Exit::Data, what)
        .hint("put it into a file, which may be longer: qmsg send -f FILE; or cut it with `split`")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use bytes::Bytes;
    use tokio::runtime::{Builder, Runtime};

    use super::{AHEAD_LEN_MAX, Content, Failure, cut};

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    fn pieces(input: &[u8], end: u8) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let take = |cut: Result<Content, Failure>| {
            if let Ok(Content::Memory(piece)) = cut {
                pieces.push(piece);
            }
            true
        };
        cut(input, end, runtime().handle(), take).unwrap();
        pieces
    }

    #[test]
    fn lines_lose_their_newline_and_nothing_else() {
        let lines = |input: &'static [u8]| pieces(input, b'\n');
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"a"), ["a"]);
        assert_eq!(lines(b"a\n"), ["a"]);
        assert_eq!(lines(b"a\r\n\nb\n"), ["a\r", "", "b"]);
    }

    #[test]
    fn nul_ends_a_message() {
        assert_eq!(pieces(b"a\nb\0\0c", 0), ["a\nb", "", "c"]);
    }

    #[test]
    fn no_more_is_read_ahead_than_may_be() {
        let line = [vec![b'x'; 1 << 20], b"\n".to_vec()].concat();
        let input = line.repeat(20);
        let (sender, lines) = std::sync::mpsc::sync_channel(20);
        let runtime = runtime();
        let (handle, queue) = (runtime.handle().clone(), sender.clone());
        let reader = std::thread::spawn(move || {
            cut(&input[..], b'\n', &handle, |cut| queue.send(cut).is_ok()).unwrap();
        });
        drop(sender);
        // As many as may be are held; each that is let go brings another.
        let mut held = vec![];
        while held.len() < (AHEAD_LEN_MAX >> 20) as usize {
            held.push(lines.recv().unwrap());
        }
        assert!(lines.try_recv().is_err());
        for _ in 0..12 {
            held.pop();
            held.push(lines.recv().unwrap());
        }
        held.clear();
        assert!(lines.recv().is_err());
        reader.join().unwrap();
    }
}
