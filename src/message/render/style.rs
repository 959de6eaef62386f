//! Printing of messages. The body is rendered in pieces, so a long one needs no more memory than a
//! short one.

use std::io::{self, Write};

use anyhow::Result;

use crate::message::known_headers::TITLE;
use crate::message::received::Received;
use crate::message::render::{json, people};
use crate::terminal::print::{self, out, written};
use crate::text::visible::one_line;

/// A form in which messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people: time, sender, target and text. With `folds`, lines are wrapped to the width of
    /// the terminal.
    Terminal { color: bool, folds: bool },
    /// The body with a trailing newline; for an empty body, the title.
    Lines,
    /// The body with a trailing NUL.
    Null,
    /// The body alone.
    Raw,
    /// A JSON object on one line.
    Json,
}

/// Writes a message in this style.
pub(crate) fn render(style: Style, received: &Received, out: &mut impl Write) -> io::Result<()> {
    match style {
        Style::Terminal { color, folds } => {
            return people::show(received, color, folds.then(print::width), out);
        }
        Style::Json => {
            json::object(received, None).try_for_each(|piece| out.write_all(&piece?))?;
            return out.write_all(b"\n");
        }
        Style::Lines if received.content().size() == 0 => {
            // The title may be the whole message.
            out.write_all(one_line(received.header(TITLE).unwrap_or_default()).as_bytes())?;
        }
        Style::Raw | Style::Lines | Style::Null => copy(received, out)?,
    }
    match style {
        Style::Null => out.write_all(b"\0"),
        Style::Lines if !received.ends_a_line()? => out.write_all(b"\n"),
        _ => Ok(()),
    }
}

fn copy(received: &Received, out: &mut impl Write) -> io::Result<()> {
    received.whole().try_for_each(|piece| out.write_all(&piece?))
}

/// Prints a reply.
pub(crate) fn reply(style: Style, reply: &Received) -> Result<()> {
    let mut out = out();
    written(render(style, reply, &mut out).and_then(|()| out.flush()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use data_encoding::BASE64;
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert_eq, proptest};
    use serde_json::Value;

    use super::{Style, render};
    use crate::clock;
    use crate::message::content::{BodyBuffer, Content};
    use crate::message::received::PIECE_LEN;
    use crate::message::received::tests::{bodies, letter, letter_of};
    use crate::text::json::json;
    use crate::text::units::grouped;
    use crate::text::visible::visible;

    fn rendered(style: Style, content: Content) -> Vec<u8> {
        let mut out = Vec::new();
        render(style, &letter_of("bob", &[], content), &mut out).unwrap();
        out
    }

    fn short(style: Style, body: &'static [u8]) -> Vec<u8> {
        rendered(style, Content::Memory(body.into()))
    }

    /// A simpler implementation to compare with, which holds the whole body in memory.
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

    /// Control characters in more than a third of the beginning make a body binary, unless it is
    /// very short.
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
                let mut spool = BodyBuffer::new();
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

    /// Lengths of filler that put the text behind it near the end of a piece.
    fn repeats() -> impl Strategy<Value = usize> {
        let near = (0..20_usize).prop_map(|less| PIECE_LEN - less);
        prop::strategy::Union::new([Just(0).boxed(), near.boxed(), (0..600_000_usize).boxed()])
    }
}
