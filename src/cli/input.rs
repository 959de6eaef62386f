//! What is to be sent: arguments, a file, or stdin, as one message or one a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;

use super::Talk;
use super::connect::BODY_LEN_MAX;
use super::fail::{self, Exit, Failure};

/// How input is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// All of it is one.
    Whole,
    /// Each ends at this byte, which is not part of it; the last one may do without.
    Until(u8),
}

/// Where messages come from.
#[derive(Debug)]
pub(super) enum Input {
    /// The arguments; stdin is never touched.
    Text(Bytes),
    /// stdin.
    Stdin(Framing),
    /// A file.
    File(PathBuf, Framing),
}

/// One message cut from a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Body(Bytes),
    /// Longer than any server takes; skipped.
    TooLong,
}

impl Input {
    /// Whether it is known to be one message.
    pub(super) fn is_one(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Stdin(framing) | Self::File(_, framing) => *framing == Framing::Whole,
        }
    }

    /// Reads all messages and gives each to `take`, until that says no more.
    pub(super) fn read(&self, talk: Talk, mut take: impl FnMut(Cut) -> bool) -> Result<()> {
        match self {
            Self::Text(text) => {
                take(Cut::Body(text.clone()));
                Ok(())
            }
            Self::Stdin(framing) => {
                let stdin = io::stdin();
                if stdin.is_terminal() {
                    fail::note(talk, "reading the message from the terminal; end it with Ctrl-D");
                }
                cut(stdin.lock(), *framing, take).map_err(|error| unreadable("stdin", error))
            }
            Self::File(path, framing) => {
                let name = path.display().to_string();
                let file = open(path).map_err(|error| unreadable(&name, error))?;
                cut(BufReader::new(file), *framing, take).map_err(|error| unreadable(&name, error))
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    // Reading a directory fails later and less clearly.
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn unreadable(name: &str, error: io::Error) -> anyhow::Error {
    Failure::new(Exit::Data, format!("{name} cannot be read"))
        .hint("nothing of it was sent, unless it was read by lines")
        .because(error)
}

/// Cuts a stream into messages. Memory stays within the longest body.
fn cut(
    mut stream: impl BufRead,
    framing: Framing,
    mut take: impl FnMut(Cut) -> bool,
) -> io::Result<()> {
    let Framing::Until(end) = framing else {
        let mut body = Vec::new();
        stream.take(BODY_LEN_MAX + 1).read_to_end(&mut body)?;
        let fits = body.len() as u64 <= BODY_LEN_MAX;
        take(if fits { Cut::Body(body.into()) } else { Cut::TooLong });
        return Ok(());
    };
    loop {
        let mut line = Vec::new();
        let limit = BODY_LEN_MAX + 1;
        if stream.by_ref().take(limit).read_until(end, &mut line)? == 0 {
            return Ok(());
        }
        let ended = line.last() == Some(&end);
        if ended {
            line.pop();
        }
        let cut = if line.len() as u64 > BODY_LEN_MAX {
            stream.skip_until(end)?;
            Cut::TooLong
        } else {
            Cut::Body(line.into())
        };
        if !take(cut) {
            return Ok(());
        }
    }
}

/// Reads a whole input that is one message.
pub(super) fn one(input: &Input, talk: Talk) -> Result<Bytes> {
    let mut only = None;
    input.read(talk, |cut| {
        only = Some(cut);
        false
    })?;
    match only.context("an input without a message")? {
        Cut::Body(body) => Ok(body),
        Cut::TooLong => Err(too_long().into()),
    }
}

/// A body that no server takes.
pub(super) fn too_long() -> Failure {
    Failure::new(Exit::Data, format!("the body is longer than {BODY_LEN_MAX} bytes"))
        .hint("no server takes that; cut it, for example with `split`")
}

#[cfg(test)]
mod tests {
    use super::{Cut, Framing, cut};
    use bytes::Bytes;

    fn bodies(input: &[u8], framing: Framing) -> Vec<Bytes> {
        let mut bodies = Vec::new();
        let result = cut(input, framing, |cut| {
            if let Cut::Body(body) = cut {
                bodies.push(body);
            }
            true
        });
        result.unwrap_or_else(|error| panic!("{error}"));
        bodies
    }

    #[test]
    fn whole_is_untouched() {
        for input in [&b""[..], b"\n", b"a\nb", b"\0\xff\r\n"] {
            assert_eq!(bodies(input, Framing::Whole), [input]);
        }
    }

    #[test]
    fn lines_lose_their_newline_and_nothing_else() {
        let lines = |input: &'static [u8]| bodies(input, Framing::Until(b'\n'));
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"a"), ["a"]);
        assert_eq!(lines(b"a\n"), ["a"]);
        assert_eq!(lines(b"a\r\n\nb\n"), ["a\r", "", "b"]);
    }

    #[test]
    fn nul_ends_a_message() {
        assert_eq!(bodies(b"a\nb\0\0c", Framing::Until(0)), ["a\nb", "", "c"]);
    }
}
