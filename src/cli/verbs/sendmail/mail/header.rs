//! The header of a mail or of a MIME part: its fields, and where the body begins.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::{Message, MessageParser};

/// Fields that mark a block as the header of a mail. A block without any of them is output that
/// only resembles a header: `Failed: 1`, `http://example.org is down`.
const OF_MAIL: &[&str] = &[
    "apparently-to",
    "auto-submitted",
    "authentication-results",
    "bcc",
    "cc",
    "delivered-to",
    "dkim-signature",
    "envelope-to",
    "errors-to",
    "from",
    "importance",
    "in-reply-to",
    "message-id",
    "mime-version",
    "precedence",
    "received",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
    "user-agent",
];
const OF_MAIL_PREFIXES: &[&str] = &["x-", "content-", "resent-", "list-", "arc-"];
/// The character set assumed for header bytes that are not UTF-8.
const OLD_CHARSET: &[u8] = b"windows-1252";

/// The header of a mail or of a part.
#[derive(Debug, Default)]
pub(crate) struct Header {
    fields: Vec<HeaderField>,
    /// Offset of the body in the input, in bytes.
    body_at: usize,
    /// True when an empty line ends the header.
    is_ended: bool,
}

#[derive(Debug)]
struct HeaderField {
    /// The name in lower case.
    name: String,
    /// The value, with its line ends kept except for the last one.
    value: String,
}

/// A line of a header, classified.
enum HeaderLine<'a> {
    Blank,
    Field { name: String, value: &'a [u8] },
    Continued(&'a [u8]),
    Text,
}

impl Header {
    /// Parses the header at the beginning of `bytes`, if there is one. An empty line ends it, or
    /// else the first line that is not a field of a mail.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let start = start(bytes);
        let mut header = Self::default();
        // Offsets of the fields.
        let mut places = Vec::new();
        let mut at = start;
        header.is_ended = loop {
            let (line, next) = line(bytes, at);
            match read(line) {
                _ if next == at => break false,
                HeaderLine::Field { name, value } => {
                    places.push(at);
                    header.fields.push(HeaderField { name, value: text(value) });
                }
                HeaderLine::Continued(value) => {
                    let Some(field) = header.fields.last_mut() else { break false };
                    field.value.push_str("\n ");
                    field.value.push_str(&text(value));
                }
                HeaderLine::Blank => {
                    at = next;
                    break true;
                }
                HeaderLine::Text => break false,
            }
            at = next;
        };
        while !header.is_ended && header.fields.last().is_some_and(|field| !is_of_mail(&field.name))
        {
            header.fields.pop();
            at = places.pop().unwrap_or(start);
        }
        header.body_at = at;
        header.fields.iter().any(|field| is_of_mail(&field.name)).then_some(header)
    }

    /// Returns the input after the header.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.body_at..]
    }

    /// True when an empty line ends the header.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// The value of the first field with this name, not decoded.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.trim())
    }

    /// The decoded subject. One that cannot be decoded stays encoded.
    pub(crate) fn subject(&self) -> Option<String> {
        let raw = self.value("subject")?.replace("\n ", " ");
        let decoded = |text: &str| {
            let value = text.to_owned();
            let field = HeaderField { name: "subject".into(), value };
            let header = Self { fields: vec![field], ..Self::default() };
            header.extract_from(&["subject"], |message| message.subject().map(str::to_owned))
        };
        let is_clear = |text: &String| !text.contains(char::REPLACEMENT_CHARACTER);
        // Some mailers split an encoded word within a character.
        let words = [raw.clone(), joined(&raw)];
        let subject = words.iter().find_map(|words| decoded(words).filter(is_clear));
        subject.or(Some(raw)).filter(|subject| !subject.is_empty())
    }

    /// Parses the fields of these names with `mail_parser`, and returns the result of `extract`.
    /// Returns the default if the parser fails or panics.
    pub(crate) fn extract_from<T: Default>(
        &self,
        names: &[&str],
        extract: impl Fn(&Message<'_>) -> T,
    ) -> T {
        let wanted = self.fields.iter().filter(|field| names.contains(&field.name.as_str()));
        let lines = wanted.map(|HeaderField { name, value }| format!("{name}: {value}\n"));
        let block = lines.collect::<String>() + "\n";
        // The library promises not to panic, and has broken that before; the mail must not be lost.
        let parse =
            || MessageParser::default().parse(block.as_bytes()).map(|message| extract(&message));
        catch_unwind(AssertUnwindSafe(parse)).ok().flatten().unwrap_or_default()
    }
}

/// Joins adjacent encoded words of the same charset and encoding (RFC 2047, section 2).
fn joined(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        let kind = |word: &str| {
            let end = word.match_indices('?').nth(2)?.0;
            (word.starts_with("=?") && word.ends_with("?=") && word.len() > end + 2).then_some(end)
        };
        if let (Some(end), Some(last)) = (kind(word), words.last_mut())
            && last.get(..=end).is_some_and(|start| start.eq_ignore_ascii_case(&word[..=end]))
            && !last.ends_with("=?=")
        {
            last.truncate(last.len() - 2);
            last.push_str(&word[end + 1..]);
        } else {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}

/// Finds the offset of the first field, after any byte order mark, empty lines, and the `From `
/// line of an mbox.
fn start(bytes: &[u8]) -> usize {
    let mut at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    loop {
        let (text, next) = line(bytes, at);
        match text.trim_ascii() {
            [] if next > at => at = next,
            _ if text.starts_with(b"From ") || text.starts_with(b">From ") => return next,
            _ => return at,
        }
    }
}

/// The line at `at` without its end, and the offset of the next one.
pub(crate) fn line(bytes: &[u8], at: usize) -> (&[u8], usize) {
    let rest = &bytes[at..];
    let next = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
    let line = &rest[..next];
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    (line.strip_suffix(b"\r").unwrap_or(line), at + next)
}

fn read(line: &[u8]) -> HeaderLine<'_> {
    match line {
        _ if line.trim_ascii().is_empty() => HeaderLine::Blank,
        [b' ' | b'\t', value @ ..] => HeaderLine::Continued(value),
        _ => match line.iter().position(|&byte| byte == b':').map(|at| line.split_at(at)) {
            Some((name, value)) if is_name(name.trim_ascii_end()) => {
                let name = String::from_utf8_lossy(name.trim_ascii_end()).to_ascii_lowercase();
                HeaderLine::Field { name, value: &value[1..] }
            }
            _ => HeaderLine::Text,
        },
    }
}

/// True for a valid field name (RFC 5322, section 3.6.8).
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

fn is_of_mail(name: &str) -> bool {
    OF_MAIL.contains(&name) || OF_MAIL_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Converts header bytes to text. NUL becomes a space, since some readers would end the text there.
fn text(bytes: &[u8]) -> String {
    let text = match (std::str::from_utf8(bytes), charset_decoder(OLD_CHARSET)) {
        (Ok(text), _) => text.to_owned(),
        (Err(_), Some(decode)) => decode(bytes),
        (Err(_), None) => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.replace(['\0', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::Header;

    /// Parses a header and returns the names of its fields, and the body.
    fn split(text: &str) -> Option<(String, &str)> {
        let header = Header::parse(text.as_bytes())?;
        let names: Vec<&str> = header.fields.iter().map(|field| field.name.as_str()).collect();
        Some((names.join(" "), &text[header.body_at..]))
    }

    #[test]
    fn a_header_ends_where_the_text_begins() {
        for (text, names, body) in [
            ("To: a\nSubject: b\n\nx\n", "to subject", "x\n"),
            ("To: a\r\nX-Y : b\r\n\r\nx\r\n", "to x-y", "x\r\n"),
            ("Subject: b\n folded\n\tagain\n\nx", "subject", "x"),
            ("Subject: b\nx\ny: z\n\nw", "subject", "x\ny: z\n\nw"),
            ("Subject: b\nweb1 is down: no\n", "subject", "web1 is down: no\n"),
            ("Subject: b\n \nx", "subject", "x"),
            ("Subject: b", "subject", ""),
            ("Subject: b\n\n\nx", "subject", "\nx"),
            // Fields not followed by an empty line.
            ("Subject: b\nHost: db1\nDisk: 91 %\n", "subject", "Host: db1\nDisk: 91 %\n"),
            (
                "Subject: b\nHost: db1\nTo: c\nDisk: 91 %\nfull\n",
                "subject host to",
                "Disk: 91 %\nfull\n",
            ),
            ("Subject: b\nHost: db1\n\nx", "subject host", "x"),
            // Lines that may precede a header.
            ("\n\r\nTo: a\n\nx", "to", "x"),
            ("\u{feff}To: a\n\nx", "to", "x"),
            ("From root Mon Nov 30\nTo: a\n\nx", "to", "x"),
        ] {
            assert_eq!(split(text), Some((names.to_owned(), body)), "{text:?}");
        }
    }

    #[test]
    fn subjects_are_decoded_or_as_they_came() {
        for (subject, wanted) in [
            ("disk full", "disk full"),
            ("  a  b\n c", "a  b c"),
            ("=?utf-8?q?gr=C3=BC=C3=9Fe?=\n fold", "grüße fold"),
            ("=?UTF-8?B?4pqg77iP?= full", "⚠\u{fe0f} full"),
            ("=?iso-8859-1?Q?=FC?= =?utf-8?q?=C3=9F?=", "üß"),
            ("=?utf-8?Q?gr=C3?= =?UTF-8?q?=BC=C3=9Fe?=", "grüße"),
            ("=?utf-8?B?Z3LD?=\n =?utf-8?B?vMOfZQ==?=", "grüße"),
            ("=?x-unknown?q?gr=FC?=", "=?x-unknown?q?gr=FC?="),
            ("=?x-unknown?q?plain?=", "plain"),
            ("=?utf-8?q?=FC?=", "=?utf-8?q?=FC?="),
            ("=?utf-8?q?not ended", "=?utf-8?q?not ended"),
            ("=?utf-8?x?odd?=", "=?utf-8?x?odd?="),
            ("=?", "=?"),
            ("nul\0 and tab", "nul  and tab"),
        ] {
            let header = Header::parse(format!("Subject: {subject}\n\n").as_bytes());
            let got = header.and_then(|header| header.subject());
            assert_eq!(got.as_deref(), Some(wanted), "{subject:?}");
        }
        let header = Header::parse(b"Subject: gr\xfc\xdfe\n\n").unwrap_or_default();
        assert_eq!(header.subject().as_deref(), Some("grüße"), "the likeliest set");
        let header = Header::parse(b"To: a\nSubject:\n\n").unwrap_or_default();
        assert_eq!(header.subject(), None);
    }

    #[test]
    fn output_of_programs_is_no_header() {
        for text in [
            "",
            "\n",
            "\n\nx",
            "a b:\n",
            ":\n",
            " indented: x\n",
            "ä: x\n",
            "Mon Nov 30 12:00:00 UTC 2026\nall good\n",
            "12:00:00 up 3 days\n",
            "[    1.234] usb 1-1: device not accepted\n",
            "http://shop.example.org is down\n",
            "Failed: 1\nTotal: 5 GB\n\ntail of the log\n",
            "Date: today\nHost: db1\n\nx\n",
            "no colon\nTo: a\n\nx",
            "From what I see, the disk is full.\n",
            "From here on: nothing\n",
        ] {
            assert_eq!(split(text), None, "{text:?}");
        }
    }
}
