//! A message in a file of its own.
//!
//! A line that names the format, the head as a line of JSON, the body byte for byte, and a SHA-256
//! of all of this. The length reveals an incomplete file, the hash a changed one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use bytes::Bytes;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::files;
use crate::message::content::Content;
use crate::message::known_headers::TRUNCATED;
use crate::spool::limits::{HEAD_LEN_MAX, TRUNCATED_LEN_MAX};
use crate::text::excerpt;
use crate::wire::{CHUNK_LEN_MAX, Headers, MsgId, Pin, Target};

const FORMAT: &[u8] = b"qmsg spooled message 1\n";
/// Bytes of the body that are read or written at a time.
const PIECE_LEN: usize = CHUNK_LEN_MAX;

/// A message that is ready to be sent, with its final id and headers.
#[derive(Clone, Debug)]
pub(crate) struct Spooled {
    pub(crate) id: MsgId,
    pub(crate) to: Target,
    pub(crate) headers: Headers,
    /// Time of delivery in milliseconds since 1970. `None`: at once.
    pub(crate) due_ms: Option<u64>,
    pub(crate) content: Content,
    /// True for human-readable text, whose middle may be left out if it is too long.
    pub(crate) is_cuttable: bool,
}

/// Shortens the body of a message to at most `len_max` bytes, if it is longer and may be shortened.
pub(crate) fn shortened(message: &Spooled, len_max: u64) -> io::Result<Option<Spooled>> {
    let size = message.content.size();
    if !message.is_cuttable || size <= len_max {
        return Ok(None);
    }
    let len_max = usize::try_from(len_max).unwrap_or(usize::MAX);
    let text = match &message.content {
        Content::Memory(text) => excerpt::excerpt(text, len_max).unwrap_or_default(),
        Content::File(_) => {
            let length = len_max.saturating_add(1);
            let start = message.content.read(0, length)?;
            let end = message.content.read(size.saturating_sub(length as u64), length)?;
            excerpt::of_ends(&start, &end, size, len_max)
        }
    };
    let mut headers: Vec<(String, String)> =
        message.headers.iter().map(|(name, value)| (name.into(), value.into())).collect();
    if !headers.iter().any(|(name, _)| name == TRUNCATED) {
        headers.push((TRUNCATED.into(), size.to_string()));
    }
    // If there is no room in the headers, the text still shows that its middle is missing.
    let headers = Headers::new(headers).unwrap_or_else(|_| message.headers.clone());
    Ok(Some(Spooled { headers, content: Content::Memory(text.into()), ..message.clone() }))
}

/// The head of a file: a message without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpooledHead {
    pub(crate) id: MsgId,
    pub(crate) to: Target,
    pub(crate) headers: Headers,
    pub(crate) due_ms: Option<u64>,
    /// Bytes of the body.
    pub(crate) size: u64,
    pub(crate) origin: Origin,
    pub(crate) is_cuttable: bool,
}

/// The origin of a message in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Time at which the message was spooled, in milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// Pin of the server that the message is for: the user may later join another one under the
    /// same id.
    pub(crate) server: Pin,
}

/// Reason why a file is not a valid message.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a message of a spool that this qmsg knows")]
    Format,
    #[error("it is not whole")]
    Length,
    #[error("it has been changed")]
    Hash,
}

/// Writes and syncs a new file that only its owner can read. The caller syncs the directory.
pub(crate) fn write(path: &Path, message: &Spooled, origin: Origin) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut out = BufWriter::new(&file);
    let mut hash = Context::new(&SHA256);
    let mut put = |bytes: &[u8]| {
        hash.update(bytes);
        out.write_all(bytes)
    };
    put(FORMAT)?;
    put(head_line(message, origin).as_bytes())?;
    put(b"\n")?;
    for piece in message.content.pieces(0..message.content.size(), PIECE_LEN) {
        put(&piece?)?;
    }
    out.write_all(hash.finish().as_ref())?;
    out.flush()?;
    drop(out);
    files::sync(&file)
}

/// Most bytes of a file besides the body.
pub(crate) fn overhead(message: &Spooled, origin: Origin) -> u64 {
    let head = head_line(message, origin).len() + TRUNCATED_LEN_MAX;
    (FORMAT.len() + head + 1 + SHA256_OUTPUT_LEN) as u64
}

fn head_line(message: &Spooled, origin: Origin) -> String {
    let mut head = Map::new();
    let mut put = |name: &str, value: Value| head.insert(name.to_owned(), value);
    put("id", message.id.to_string().into());
    put("to", message.to.to_string().into());
    let pairs = message.headers.iter().map(|(name, value)| Value::from(vec![name, value]));
    put("headers", pairs.collect());
    put("due_ms", message.due_ms.into());
    put("size", message.content.size().into());
    put("since_ms", origin.since_ms.into());
    put("server", origin.server.to_string().into());
    if message.is_cuttable {
        put("cuttable", true.into());
    }
    Value::Object(head).to_string()
}

/// Reads the head of a file, and checks the length of the file.
pub(crate) fn read_head(path: &Path) -> Result<SpooledHead, Damage> {
    read_head_from(&File::open(path)?).map(|(head, _)| head)
}

/// Reads a message, and checks that the file is unchanged.
pub(crate) fn read(path: &Path) -> Result<(Spooled, Origin), Damage> {
    let file = File::open(path)?;
    let (head, start) = read_head_from(&file)?;
    let SpooledHead { id, to, headers, due_ms, size, origin, is_cuttable } = head;
    let end = start + size;
    let whole = Content::within(file.try_clone()?, 0, end + SHA256_OUTPUT_LEN as u64);
    let (mut hash, mut bytes) = (Context::new(&SHA256), Vec::new());
    for piece in whole.pieces(0..end, PIECE_LEN) {
        let piece = piece?;
        hash.update(&piece);
        if size <= PIECE_LEN as u64 {
            bytes.extend_from_slice(&piece);
        }
    }
    if whole.read(end, SHA256_OUTPUT_LEN)? != hash.finish().as_ref() {
        return Err(Damage::Hash);
    }
    // A short body is in memory, and its file is closed.
    let content = match bytes.is_empty() {
        true => Content::within(file, start, size),
        false => Content::Memory(Bytes::from(bytes).slice(start as usize..)),
    };
    Ok((Spooled { id, to, headers, due_ms, content, is_cuttable }, origin))
}

/// Reads the head, and returns it with the offset of the body.
fn read_head_from(file: &File) -> Result<(SpooledHead, u64), Damage> {
    let length = file.metadata()?.len();
    let mut reader = BufReader::new(file.take(FORMAT.len() as u64 + HEAD_LEN_MAX));
    let mut format = [0; FORMAT.len()];
    let read = reader.read_exact(&mut format);
    if read.is_err() || format != FORMAT {
        return Err(Damage::Format);
    }
    let mut line = Vec::new();
    io::BufRead::read_until(&mut reader, b'\n', &mut line)?;
    let start = (FORMAT.len() + line.len()) as u64;
    let head = parse_head(&line).ok_or(Damage::Format)?;
    if start.saturating_add(head.size).saturating_add(SHA256_OUTPUT_LEN as u64) != length {
        return Err(Damage::Length);
    }
    Ok((head, start))
}

fn parse_head(line: &[u8]) -> Option<SpooledHead> {
    let head: Value = serde_json::from_slice(line).ok()?;
    let text = |name: &str| head.get(name)?.as_str();
    let pairs =
        head.get("headers")?.as_array()?.iter().map(|pair| match pair.as_array()?.as_slice() {
            [name, value] => Some((name.as_str()?.to_owned(), value.as_str()?.to_owned())),
            _ => None,
        });
    Some(SpooledHead {
        id: MsgId::from_bytes(text("id")?.parse::<Uuid>().ok()?.into_bytes()),
        to: text("to")?.parse().ok()?,
        headers: Headers::new(pairs.collect::<Option<_>>()?).ok()?,
        due_ms: head.get("due_ms")?.as_u64(),
        size: head.get("size")?.as_u64()?,
        origin: Origin {
            since_ms: head.get("since_ms")?.as_u64()?,
            server: text("server")?.parse().ok()?,
        },
        is_cuttable: head.get("cuttable").and_then(Value::as_bool).unwrap_or(false),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};
    use tempfile::TempDir;

    use super::{Damage, Origin, Spooled, read, read_head, shortened, write};
    use crate::message::content::Content;
    use crate::wire::{Headers, MsgId, Pin};

    fn message(body: Vec<u8>, headers: Vec<(String, String)>) -> Spooled {
        Spooled {
            id: MsgId::new(1_700_000_000_000, [7; 10]),
            to: "@ops".parse().unwrap(),
            headers: Headers::new(headers).unwrap(),
            due_ms: Some(5),
            content: Content::Memory(body.into()),
            is_cuttable: false,
        }
    }

    fn bytes(content: &Content) -> Vec<u8> {
        content.pieces(0..content.size(), 1000).flat_map(|piece| piece.unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn what_is_written_is_read_and_what_is_changed_is_noticed(
            length in prop::sample::select(vec![0, 1, 31, 33, 4000, 65_536, 65_537, 200_000]),
            name in "[a-z]{1,9}",
            value in any::<String>(),
            (at, flip) in (any::<prop::sample::Index>(), 1..=255_u8),
            cut in any::<prop::sample::Index>(),
        ) {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("it");
            let body: Vec<u8> = (0..length as u32).map(|n| (n % 251) as u8).collect();
            let written = message(body.clone(), vec![(name, value)]);
            let origin = Origin { since_ms: 9, server: Pin([3; 32]) };
            write(&path, &written, origin).unwrap();
            prop_assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let (message, read_origin) = read(&path).unwrap();
            prop_assert_eq!((message.id, &message.to), (written.id, &written.to));
            prop_assert_eq!((&message.headers, message.due_ms), (&written.headers, Some(5)));
            prop_assert!(read_origin == origin && bytes(&message.content) == body);
            prop_assert_eq!(read_head(&path).unwrap().size, length as u64);
            let whole = fs::read(&path).unwrap();
            let mut changed = whole.clone();
            changed[at.index(whole.len())] ^= flip;
            fs::write(&path, &changed).unwrap();
            prop_assert!(read(&path).is_err());
            fs::write(&path, &whole[..cut.index(whole.len())]).unwrap();
            prop_assert!(read(&path).is_err() && read_head(&path).is_err());
            fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
            prop_assert!(matches!(read(&path), Err(Damage::Length)));
        }
    }

    #[test]
    fn text_that_is_too_long_loses_its_middle() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("it");
        let text: Vec<u8> = (0..9000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let size = text.len().to_string();
        let long = Spooled { is_cuttable: true, ..message(text.clone(), vec![]) };
        write(&path, &long, Origin { since_ms: 9, server: Pin([3; 32]) }).unwrap();
        let (on_disk, _) = read(&path).unwrap();
        for message in [&long, &on_disk] {
            assert!(shortened(message, text.len() as u64).unwrap().is_none(), "it fits");
            for len_max in [100, 5000] {
                let short = shortened(message, len_max).unwrap().unwrap();
                let body = bytes(&short.content);
                assert!(body.len() as u64 <= len_max && body.ends_with(b"\n8999\n"));
                assert_eq!(short.headers.iter().last(), Some(("truncated", size.as_str())));
                let again = shortened(&short, 90).unwrap().unwrap();
                assert_eq!(again.headers, short.headers, "the size of the whole");
            }
        }
        assert!(
            shortened(&message(text, vec![]), 100).unwrap().is_none(),
            "not everything is text"
        );
    }

    #[test]
    fn other_files_are_no_messages() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("it");
        let line = |json: &str| format!("qmsg spooled message 1\n{json}\n");
        let good = r#"{"id":"018bcfe5-6800-7707-8707-070707070707","to":"bob","headers":[],"#;
        for text in [
            String::new(),
            "hello\n".into(),
            "qmsg spooled message 2\n{}\n".into(),
            line(""),
            line("{}"),
            line("[]"),
            line(&format!(r#"{good}"due_ms":null,"size":-1,"since_ms":1}}"#)),
            line(&format!(r#"{good}"due_ms":null,"size":18446744073709551615,"since_ms":1}}"#)),
            line(&good.replace("[]", "[[1,2]]")),
            "qmsg spooled message 1\n".to_owned() + &"x".repeat(200_000),
        ] {
            fs::write(&path, text).unwrap();
            assert!(read(&path).is_err() && read_head(&path).is_err());
        }
        assert!(matches!(read_head(dir.path()), Err(Damage::Format | Damage::Io(_))));
    }
}
