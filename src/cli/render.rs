//! How a message looks when it is printed. Its body is rendered in pieces, so a long one needs no
//! more memory than a short one.

use std::io::{self, Write};
use std::ops::Range;

use bytes::Bytes;

use crate::wire::{Message, Seq};

use super::content::Content;
use super::{json, people, print};

pub(super) use super::people::{one_line, visible};

/// What is rendered at a time.
pub(super) const PIECE_LEN: usize = 48 << 10;

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// For people: time, sender, target, text. `folds`: in lines as long as those of the terminal.
    Terminal { color: bool, folds: bool },
    /// The body, and a newline where it ends in none; of an empty one the title.
    Lines,
    /// The body, and a NUL.
    Null,
    /// The body.
    Raw,
    /// An object a line.
    Json,
}

/// A message to be printed, its body apart.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) seq: Seq,
    pub(super) message: Message,
    pub(super) content: Content,
}

/// Writes a message as it is to be printed.
pub(super) fn render(style: Style, letter: &Letter, out: &mut impl Write) -> io::Result<()> {
    match style {
        Style::Terminal { color, folds } => {
            return people::show(letter, color, folds.then(print::width), out);
        }
        Style::Json => {
            json::object(letter, None).try_for_each(|piece| out.write_all(&piece?))?;
            return out.write_all(b"\n");
        }
        Style::Lines if letter.content.size() == 0 => {
            // A message that has all it says in its title.
            out.write_all(one_line(letter.header("title").unwrap_or_default()).as_bytes())?;
        }
        Style::Raw | Style::Lines | Style::Null => copy(letter, out)?,
    }
    match style {
        Style::Null => out.write_all(b"\0"),
        Style::Lines if !letter.ends_a_line()? => out.write_all(b"\n"),
        _ => Ok(()),
    }
}

impl Letter {
    /// Whether it was passed on without being stored.
    pub(super) fn is_volatile(&self) -> bool {
        self.seq == 0
    }

    /// What its sender said about it, by a name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.message, name)
    }

    pub(super) fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = io::Result<Bytes>> {
        self.content.pieces(range, PIECE_LEN)
    }

    /// All of the body.
    pub(super) fn whole(&self) -> impl Iterator<Item = io::Result<Bytes>> {
        self.pieces(0..self.content.size())
    }

    pub(super) fn ends_a_line(&self) -> io::Result<bool> {
        let last = self.content.read(self.content.size().saturating_sub(1), 1)?;
        Ok(&last[..] == b"\n")
    }
}

/// What a message's sender said about it, by a name in lower case.
pub(super) fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.iter().find(|(of, _)| *of == name).map(|(_, value)| value)
}

fn copy(letter: &Letter, out: &mut impl Write) -> io::Result<()> {
    letter.whole().try_for_each(|piece| out.write_all(&piece?))
}

/// The same bytes, cut so that no piece ends within a character.
pub(super) fn characters(
    pieces: impl Iterator<Item = io::Result<Bytes>>,
) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut begun = Vec::new();
    pieces.map(Some).chain([None]).map(move |piece| {
        let mut bytes = std::mem::take(&mut begun);
        if let Some(piece) = piece {
            bytes.extend_from_slice(&piece?);
            begun = bytes.split_off(bytes.len() - begun_len(&bytes));
        }
        Ok(bytes)
    })
}

/// Length of the character at the end that more bytes could complete.
fn begun_len(bytes: &[u8]) -> usize {
    let is_begun = |length: &usize| {
        let error = str::from_utf8(&bytes[bytes.len() - length..]).err();
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    // A character has at most four bytes.
    (1..=bytes.len().min(3)).find(is_begun).unwrap_or(0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
pub(super) mod tests {
    use std::io;

    use bytes::Bytes;
    use data_encoding::BASE64;
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};
    use serde_json::Value;

    use super::{Letter, PIECE_LEN, Style, characters, render, visible};
    use crate::cli::clock;
    use crate::cli::content::{Content, Spool};
    use crate::cli::json::json;
    use crate::cli::units::grouped;
    use crate::wire::{Body, Headers, Message, MsgId};

    /// A letter from alice with a short body.
    pub(in crate::cli) fn letter(to: &str, headers: &[(&str, &str)], body: &[u8]) -> Letter {
        letter_of(to, headers, Content::Memory(Bytes::copy_from_slice(body)))
    }

    fn letter_of(to: &str, headers: &[(&str, &str)], content: Content) -> Letter {
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let message = Message {
            id: MsgId::new(1_700_000_000_000, [7; 10]),
            from: "alice".parse().unwrap(),
            to: to.parse().unwrap(),
            time_ms: 1_700_000_000_123,
            headers: Headers::new(pairs.collect()).unwrap(),
            size: content.size(),
            body: Body::default(),
        };
        Letter { seq: 5, message, content }
    }

    fn rendered(style: Style, content: Content) -> Vec<u8> {
        let mut out = Vec::new();
        render(style, &letter_of("bob", &[], content), &mut out).unwrap();
        out
    }

    fn short(style: Style, body: &'static [u8]) -> Vec<u8> {
        rendered(style, Content::Memory(body.into()))
    }

    /// The same by the shortest way, with all of it at once.
    fn simple(style: Style, body: &[u8]) -> Vec<u8> {
        let ends = body.ends_with(b"\n");
        match style {
            Style::Raw => body.to_vec(),
            Style::Null => [body, b"\0"].concat(),
            Style::Lines => [body, if ends { b"" } else { b"\n" }].concat(),
            Style::Json => {
                let line = String::from_utf8(short(Style::Json, b"")).unwrap();
                let mut value: Value = serde_json::from_str(&line).unwrap();
                value["size"] = body.len().into();
                match str::from_utf8(body) {
                    Ok(text) => value["body"] = text.into(),
                    Err(_) => {
                        value.as_object_mut().unwrap().remove("body");
                        value["body_b64"] = BASE64.encode(body).into();
                    }
                }
                format!("{}\n", json(&value)).into_bytes()
            }
            Style::Terminal { .. } if is_odd(body) => {
                let (time, size) = (clock::local(1_700_000_000_123), grouped(body.len() as u64));
                format!("{time} alice: {size} bytes, not text: use --raw > FILE\n").into_bytes()
            }
            Style::Terminal { .. } => {
                let text = String::from_utf8_lossy(body);
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let mut line = format!("{} alice:", clock::local(1_700_000_000_123));
                match text.contains('\n') {
                    _ if text.is_empty() => {}
                    false => line += &format!(" {}", visible(text)),
                    true => visible(text).split('\n').for_each(|text| {
                        let indent = if text.is_empty() { "" } else { "    " };
                        line += &format!("\n{indent}{text}");
                    }),
                }
                (line + "\n").into_bytes()
            }
        }
    }

    /// More than a third of the beginning of a body that is not very short is no text.
    fn is_odd(body: &[u8]) -> bool {
        let text = String::from_utf8_lossy(&body[..body.len().min(PIECE_LEN)]);
        let is_control = |c: &char| c.is_control() && !"\t\n\r\u{1b}\u{8}\u{c}".contains(*c);
        let odd = text.chars().filter(|c| *c == '\u{fffd}' || is_control(c)).count();
        body.len() >= 64 && odd > text.chars().count() / 3
    }

    const TERMINAL: Style = Style::Terminal { color: false, folds: false };
    const STYLES: [Style; 5] = [TERMINAL, Style::Lines, Style::Null, Style::Raw, Style::Json];

    #[test]
    fn a_newline_is_added_where_there_is_none() {
        assert_eq!(short(Style::Lines, b""), b"\n");
        assert_eq!(short(Style::Lines, b"a"), b"a\n");
        assert_eq!(short(Style::Lines, b"a\n"), b"a\n");
        assert_eq!(short(Style::Raw, b"a"), b"a");
        assert_eq!(short(Style::Null, b"a"), b"a\0");
    }

    #[test]
    fn a_message_that_is_all_title_is_a_line_too() {
        let made = |style, body: &[u8]| {
            let mut out = Vec::new();
            render(style, &letter("bob", &[("title", "a\nb")], body), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(made(Style::Lines, b""), "a\u{240a}b\n");
        assert_eq!(made(Style::Lines, b"\n"), "\n", "a body of a newline is not empty");
        assert_eq!(made(Style::Lines, b"x"), "x\n");
        assert_eq!((made(Style::Raw, b""), made(Style::Null, b"")), (String::new(), "\0".into()));
    }

    /// Bytes with much that matters where they are cut.
    pub(in crate::cli) fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let bit = prop::sample::select(vec![
            &b"a"[..],
            b"\n",
            b"\x1b",
            b"\"",
            b"\xff",
            b"\xc3",
            b"\xe2\x82",
            b"\xf0\x9f\x98",
            "ä\u{9b}€😀".as_bytes(),
        ]);
        let text =
            prop::collection::vec(prop::sample::select(vec!["a", "ä", "€", "😀", "\n"]), 0..20);
        let text = text.prop_map(|text| text.concat().into_bytes());
        prop::strategy::Union::new([
            prop::collection::vec(bit, 0..20).prop_map(|bits| bits.concat()).boxed(),
            text.boxed(),
        ])
    }

    pub(in crate::cli) fn cut(body: &[u8], lengths: &[usize]) -> Vec<io::Result<Bytes>> {
        let (mut pieces, mut rest) = (vec![], body);
        for length in lengths.iter().cycle() {
            let (piece, more) = rest.split_at(rest.len().min(*length));
            pieces.push(Ok(Bytes::copy_from_slice(piece)));
            rest = more;
            if rest.is_empty() {
                return pieces;
            }
        }
        pieces
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn where_it_is_cut_does_not_matter(
            body in bodies(),
            lengths in prop::collection::vec(1..6_usize, 1..6),
        ) {
            let pieces = || cut(&body, &lengths).into_iter();
            let lossy: String = characters(pieces())
                .map(|text| String::from_utf8_lossy(&text.unwrap()).into_owned())
                .collect();
            prop_assert_eq!(lossy, String::from_utf8_lossy(&body));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_long_body_is_rendered_like_a_short_one(
            filler in prop::sample::select(vec!["a", "ä", "€", "\u{1b}"]),
            times in repeats(),
            seam in bodies(),
            end in bodies(),
            on_disk in any::<bool>(),
        ) {
            let body =
                [filler.repeat(times).as_bytes(), &seam, filler.repeat(times).as_bytes(), &end]
                    .concat();
            let content = if on_disk {
                let mut spool = Spool::new();
                spool.push(&body).unwrap();
                spool.finish().unwrap()
            } else {
                Content::Memory(body.clone().into())
            };
            for style in STYLES {
                let (long, whole) = (rendered(style, content.clone()), simple(style, &body));
                prop_assert_eq!(long == whole, true, "{:?}, {} bytes", style, body.len());
            }
        }
    }

    /// So that what follows lies where a piece ends.
    fn repeats() -> impl Strategy<Value = usize> {
        let near = (0..20_usize).prop_map(|less| PIECE_LEN - less);
        prop::strategy::Union::new([Just(0).boxed(), near.boxed(), (0..600_000_usize).boxed()])
    }
}
