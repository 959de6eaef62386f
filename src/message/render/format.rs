//! The value of `--format`: a line with fields of a message in it. Field letters with the same
//! meaning are those of mosquitto_sub(1).

use std::io::{self, Write};
use std::str::FromStr;

use data_encoding::{Encoding, HEXLOWER, HEXUPPER};

use crate::clock;
use crate::message::known_headers::letters;
use crate::message::received::Received;
use crate::message::render::{json, people};
use crate::text::visible::one_line;
use crate::wire::Target;

/// A parsed format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(FormatField),
    Header(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormatField {
    Body,
    BodyHex,
    BodyHexUpper,
    Size,
    From,
    To,
    Room,
    Id,
    Seq,
    Time,
    UnixTime,
    Json,
    Headers,
}

/// Field letters.
const FIELDS: &[(char, FormatField)] = &[
    ('p', FormatField::Body),
    ('x', FormatField::BodyHex),
    ('X', FormatField::BodyHexUpper),
    ('l', FormatField::Size),
    ('s', FormatField::From),
    ('t', FormatField::To),
    ('g', FormatField::Room),
    ('m', FormatField::Id),
    ('n', FormatField::Seq),
    ('I', FormatField::Time),
    ('U', FormatField::UnixTime),
    ('j', FormatField::Json),
    ('P', FormatField::Headers),
];
const ESCAPES: &[(char, char)] = &[
    ('n', '\n'),
    ('t', '\t'),
    ('r', '\r'),
    ('0', '\0'),
    ('a', '\x07'),
    ('e', '\x1b'),
    ('v', '\x0b'),
    ('\\', '\\'),
];

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let part = match c {
                '\\' => {
                    plain.push(escaped(chars.next())?);
                    continue;
                }
                '%' => match chars.next() {
                    Some('{') => Part::Header(braced(&mut chars)?),
                    Some(letter) if letter != '%' => field(letter)?,
                    Some(percent) => {
                        plain.push(percent);
                        continue;
                    }
                    None => return Err("it ends in a %; write %% for one".into()),
                },
                _ => {
                    plain.push(c);
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_))) {
            return Err("no field of a message is in it, such as %p for the body".into());
        }
        parts.extend((!plain.is_empty()).then_some(Part::Text(plain)));
        Ok(Self(parts))
    }
}

fn escaped(letter: Option<char>) -> Result<char, String> {
    let Some(letter) = letter else { return Err(r"it ends in a \; write \\ for one".into()) };
    let known = ESCAPES.iter().find(|(of, _)| *of == letter);
    known.map(|(_, means)| *means).ok_or_else(|| {
        let known: Vec<String> = ESCAPES.iter().map(|(of, _)| format!("\\{of}")).collect();
        format!("there is no \\{letter}; there are {}", known.join(" "))
    })
}

fn braced(chars: &mut impl Iterator<Item = char>) -> Result<String, String> {
    let mut name = String::new();
    for c in chars {
        match c {
            '}' if !name.is_empty() => return Ok(name.to_ascii_lowercase()),
            '}' => break,
            c => name.push(c),
        }
    }
    Err("a header is written %{NAME}".into())
}

fn field(letter: char) -> Result<Part, String> {
    if let Some((_, field)) = FIELDS.iter().find(|(of, _)| *of == letter) {
        return Ok(Part::Field(*field));
    }
    let header = letters().find(|(_, header)| header.letter == letter);
    header.map(|(name, _)| Part::Header(name.to_owned())).ok_or_else(|| {
        let fields = FIELDS.iter().map(|(of, _)| *of);
        let known = fields.chain(letters().map(|(_, header)| header.letter));
        let known: Vec<String> = known.map(|of| format!("%{of}")).collect();
        format!("there is no field %{letter}; there are {} %{{NAME}} %%", known.join(" "))
    })
}

impl Format {
    /// Writes a message in this format. With `shows` the output goes to a terminal and gets no
    /// control characters of the body. Headers never contain any, since they are written on one
    /// line.
    pub(crate) fn write(
        &self,
        received: &Received,
        shows: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => out.write_all(text.as_bytes()),
            Part::Header(name) => out.write_all(line(received.header(name)).as_bytes()),
            Part::Field(field) => write(*field, received, shows, out),
        })
    }
}

fn write(
    field: FormatField,
    received: &Received,
    shows: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let message = received.message();
    match field {
        FormatField::Body if shows => people::body(received, out),
        FormatField::Body => received.whole().try_for_each(|piece| out.write_all(&piece?)),
        FormatField::BodyHex => hex(&HEXLOWER, received, out),
        FormatField::BodyHexUpper => hex(&HEXUPPER, received, out),
        FormatField::Size => write!(out, "{}", received.content().size()),
        FormatField::From => write!(out, "{}", message.from),
        FormatField::To => write!(out, "{}", message.to),
        FormatField::Room => match &message.to {
            Target::Room(room) => write!(out, "{room}"),
            Target::User(_) | Target::All => Ok(()),
        },
        FormatField::Id => write!(out, "{}", message.id),
        FormatField::Seq if received.is_volatile() => Ok(()),
        FormatField::Seq => write!(out, "{}", received.seq()),
        FormatField::Time => out.write_all(clock::rfc3339(message.time_ms).as_bytes()),
        FormatField::UnixTime => {
            write!(out, "{}.{:03}", message.time_ms / 1000, message.time_ms % 1000)
        }
        FormatField::Json => {
            json::object(received, None).try_for_each(|piece| out.write_all(&piece?))
        }
        FormatField::Headers => {
            let pairs = message.headers.iter().map(|(name, value)| format!("{name}:{value}"));
            out.write_all(line(Some(&pairs.collect::<Vec<_>>().join(" "))).as_bytes())
        }
    }
}

fn hex(encoding: &Encoding, received: &Received, out: &mut impl Write) -> io::Result<()> {
    received.whole().try_for_each(|piece| out.write_all(encoding.encode(&piece?).as_bytes()))
}

/// Renders a header value on one line.
fn line(value: Option<&str>) -> String {
    one_line(value.unwrap_or_default())
}

/// Renders a message for a terminal; `None` if the format does not parse.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(format: &str, received: &Received) -> Option<Vec<u8>> {
    let (format, mut out) = (format.parse::<Format>().ok()?, Vec::new());
    format.write(received, true, &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::{FIELDS, Format, letters};
    use crate::message::received::tests::letter;

    /// Renders a message to @ops.
    fn made(format: &str, body: &'static [u8], shows: bool) -> Vec<u8> {
        let headers = [("title", "Disk\n91 %"), ("priority", "4"), ("x-a", "b")];
        let letter = letter("@ops", &headers, body);
        let mut out = Vec::new();
        format.parse::<Format>().unwrap().write(&letter, shows, &mut out).unwrap();
        out
    }

    #[test]
    fn fields_are_filled_in() {
        let id = "018bcfe5-6800-7707-8707-070707070707";
        for (format, wanted) in [
            ("plain%p", "plaina\n\u{fffd}"),
            ("%p", "a\n\u{fffd}"),
            ("%x %X", "610aff 610AFF"),
            ("%l", "3"),
            ("%s>%t", "alice>@ops"),
            ("%g", "@ops"),
            ("%m", id),
            ("#%n", "#5"),
            ("%I", "2023-11-14T22:13:20.123Z"),
            ("%U", "1700000000.123"),
            ("[%T]", "[Disk\u{240a}91 %]"),
            ("%u%{priority}%{PRIORITY}", "444"),
            ("<%C%E%D%{none}>", "<>"),
            ("%P", "title:Disk\u{240a}91 % priority:4 x-a:b"),
            (r"%s\t%l\n\\\0\e[1m%%p", "alice\t3\n\\\0\u{1b}[1m%p"),
            ("ä%p%%", "äa\n\u{fffd}%"),
        ] {
            let made = made(format, b"a\n\xff", false);
            assert_eq!(String::from_utf8_lossy(&made), wanted, "{format}");
        }
        assert_eq!(made("%p", b"a\n\xff\0", false), b"a\n\xff\0", "byte for byte");
        let json = String::from_utf8(made("%j", b"a", false)).unwrap();
        assert!(json.starts_with(r#"{"body":"a","from":"alice""#) && json.ends_with('}'), "{json}");
    }

    #[test]
    fn a_terminal_gets_no_controls_of_a_message() {
        let made = String::from_utf8(made(r"\e[1m%p%T", b"\x1b[2J", true)).unwrap();
        assert_eq!(made, "\u{1b}[1m\u{241b}[2JDisk\u{240a}91 %");
    }

    #[test]
    fn what_is_no_field_is_named() {
        for (format, why) in [
            ("%q", "there is no field %q; there are %p %x"),
            ("a %z b", "no field %z"),
            ("% p", "no field % ;"),
            ("%ä", "no field %ä"),
            ("100%", "ends in a %"),
            (r"\q", r"there is no \q; there are \n \t"),
            ("a\\", r"ends in a \"),
            ("%{title", "a header is written %{NAME}"),
            ("%{}", "a header is written %{NAME}"),
            ("", "no field of a message"),
            ("{body}", "no field of a message"),
            ("100%%", "no field of a message"),
        ] {
            let error = format.parse::<Format>().unwrap_err();
            assert!(error.contains(why), "{format}: {error}");
        }
    }

    #[test]
    fn a_letter_means_one_thing() {
        let fields = FIELDS.iter().map(|(letter, _)| *letter);
        let letters: Vec<char> = fields.chain(letters().map(|(_, header)| header.letter)).collect();
        for letter in &letters {
            assert_eq!(letters.iter().filter(|other| *other == letter).count(), 1, "{letter}");
        }
    }
}
