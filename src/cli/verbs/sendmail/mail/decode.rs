//! Decoding of transfer encodings and character sets.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;

/// Character sets whose bytes are kept: ASCII and UTF-8.
const PLAIN: &[&str] = &["", "utf-8", "utf8", "us-ascii", "ascii", "ansi_x3.4-1968"];

/// True when the text is only white space.
pub(crate) fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

/// True when bytes of an unknown type are readable: UTF-8 without control characters, except white
/// space and escape.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let is_shown = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_shown))
}

pub(crate) fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

/// Converts text to UTF-8. Bytes stay unchanged if the character set is unknown, or if more than a
/// quarter of them is not valid in it.
pub(crate) fn charset<'a>(name: &str, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    if PLAIN.contains(&name) {
        return bytes.into();
    }
    let Some(decode) = charset_decoder(name.as_bytes()) else { return bytes.into() };
    let text = decode(bytes);
    let unreadable = text.chars().filter(|&c| c == char::REPLACEMENT_CHARACTER).count();
    match unreadable * 4 > text.chars().count() || text.is_empty() {
        true => bytes.into(),
        false => text.into_bytes().into(),
    }
}

/// Decodes lines of base64. From the first line that is not base64 on, the text stays unchanged.
pub(crate) fn base64(text: &[u8]) -> Cow<'_, [u8]> {
    let is_base64 = |line: &[u8]| {
        line.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/= \t\r\n".contains(byte))
    };
    let lines = text.split_inclusive(|&byte| byte == b'\n').take_while(|line| is_base64(line));
    let (encoded, rest) = text.split_at(lines.map(<[u8]>::len).sum());
    let digits = encoded.iter().filter(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte));
    // A single word may consist of base64 letters, but rarely has a valid length.
    let is_whole = encoded.contains(&b'=') || digits.count() % 4 == 0;
    match base64_decode(encoded) {
        Some(bytes) if is_whole || std::str::from_utf8(&bytes).is_ok() => {
            [&bytes, rest].concat().into()
        }
        _ => text.into(),
    }
}

/// Decodes quoted-printable; invalid escapes stay unchanged.
pub(crate) fn quoted_printable(text: &[u8]) -> Cow<'_, [u8]> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'=') {
        bytes.extend(&rest[..at]);
        rest = &rest[at + 1..];
        // A soft line break: the line continues.
        let blanks = rest.iter().take_while(|byte| b" \t\r".contains(byte)).count();
        if rest[blanks..].starts_with(b"\n") {
            rest = &rest[blanks + 1..];
            continue;
        }
        match rest {
            [] => {}
            [high, low, tail @ ..] => match quoted_printable_decode_char(*high, *low) {
                Some(byte) => {
                    bytes.push(byte);
                    rest = tail;
                }
                None => bytes.push(b'='),
            },
            _ => bytes.push(b'='),
        }
    }
    bytes.extend(rest);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::{base64, charset, is_text, quoted_printable};

    #[test]
    fn encodings_that_are_broken_lose_nothing() {
        for (text, wanted) in [
            ("SGVsbG8sIHdvcmxkIQ==\n", "Hello, world!"),
            ("SGVs\r\nbG8s\r\nIHdvcmxkIQ\r\n", "Hello, world!"),
            ("SGVsbG8=\n-- \nlist footer\n", "Hello-- \nlist footer\n"),
            ("SGVsbG8sIHdvcm", "Hello, wor"),
            ("disk full on db1\n", "disk full on db1\n"),
            ("hello\n", "hello\n"),
            ("", ""),
            ("====", ""),
        ] {
            let got = base64(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), wanted, "{text:?}");
        }
        for (text, wanted) in [
            ("gr=C3=BC=c3=9fe =\nand=20more\n", "grüße and more\n"),
            ("a = b, 100 %=\r\n=3D", "a = b, 100 %="),
            ("50=% =ZZ =2", "50=% =ZZ =2"),
            ("soft =  \nend=", "soft end"),
            ("", ""),
        ] {
            let got = quoted_printable(text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&got), wanted, "{text:?}");
        }
    }

    #[test]
    fn characters_of_other_sets() {
        let bytes: &[u8] = b"gr\xfc\xdfe";
        for set in ["", "us-ascii", "utf-8", "unknown-8bit", "x-unknown", "binary", "ibm437", "%"] {
            assert_eq!(&charset(set, bytes)[..], bytes, "{set}");
        }
        for set in ["iso-8859-1", "windows-1252", "iso-8859-15"] {
            assert_eq!(String::from_utf8_lossy(&charset(set, bytes)), "grüße", "{set}");
        }
        assert_eq!(&charset("iso-2022-kr", bytes)[..], bytes, "known, but not how to read it");
        assert_eq!(&charset("utf-16be", b"\0a\0b")[..], b"ab");
    }

    #[test]
    fn text_is_what_people_can_read() {
        for (bytes, wanted) in [
            (&b"{\"a\": 1}\r\n\t\x1b[1m"[..], true),
            ("ü".as_bytes(), true),
            (b"GIF89a\0", false),
            (b"\xff\xd8", false),
            (b"", true),
        ] {
            assert_eq!(is_text(bytes), wanted, "{bytes:?}");
        }
    }
}
