//! MIME parts of a mail, and their readable text.
//!
//! Nothing of a broken mail is lost: text with an invalid encoding stays unchanged, and so does a
//! multipart without recognizable parts.

use std::borrow::Cow;

use mail_parser::{ContentType, Message, MimeHeaders};

use crate::cli::limits::MIME_DEPTH_MAX;
use crate::cli::limits::MIME_PARTS_MAX;
use crate::cli::verbs::sendmail::mail::header::{Header, line};
use crate::cli::verbs::sendmail::mail::{decode, html};
use crate::text::units::grouped;

/// Header fields that describe a part.
const ABOUT_PART: &[&str] = &["content-type", "content-disposition"];

/// The readable text of a mail or a part.
#[derive(Debug, Default)]
pub(crate) struct MimeText {
    text: Vec<u8>,
    /// A line for each part that is left out because it is not text.
    left_out: Vec<String>,
    is_html: bool,
}

/// The description of a part by its header.
#[derive(Debug, Default)]
struct PartKind {
    main: String,
    sub: String,
    boundary: Option<String>,
    charset: String,
    name: Option<String>,
    transfer: String,
}

/// The parts of a multipart, and the text around them.
struct Split<'a> {
    before: &'a [u8],
    parts: Vec<&'a [u8]>,
    after: &'a [u8],
}

/// Extracts the text of the body that follows `header`.
pub(crate) fn read(header: &Header, body: &[u8]) -> MimeText {
    read_part(&mut Nesting::default(), &PartKind::from_header(header), body)
}

/// Counters that bound the work on one mail.
#[derive(Default)]
struct Nesting {
    /// Depth of the current part.
    depth: usize,
    /// Number of parts so far.
    parts: usize,
}

/// Reads a part of any kind.
fn read_part(nesting: &mut Nesting, kind: &PartKind, body: &[u8]) -> MimeText {
    nesting.parts += 1;
    if nesting.depth >= MIME_DEPTH_MAX || nesting.parts > MIME_PARTS_MAX {
        return MimeText::raw(body);
    }
    nesting.depth += 1;
    let content = match (kind.main.as_str(), kind.sub.as_str()) {
        ("multipart", _) => read_multipart(nesting, kind, body),
        ("message", "rfc822" | "global" | "news") => read_mail(nesting, &kind.decoded(body)),
        _ => kind.leaf(body, nesting.depth > 1),
    };
    nesting.depth -= 1;
    content
}

/// Reads the parts of a multipart, and the text around them.
fn read_multipart(nesting: &mut Nesting, kind: &PartKind, body: &[u8]) -> MimeText {
    let Some(split) = split(body, kind.boundary.as_deref()) else { return MimeText::raw(body) };
    let mut content = MimeText::default();
    // A preamble that mentions MIME is a note to readers without it. Any other is kept: its writer
    // meant it as text.
    if !split.before.windows(4).any(|word| word.eq_ignore_ascii_case(b"mime")) {
        content.append(MimeText::raw(split.before));
    }
    let parts: Vec<(PartKind, MimeText)> =
        split.parts.iter().map(|part| read_section(nesting, part, kind.sub == "digest")).collect();
    if kind.sub == "alternative" {
        content.append(best(parts));
    } else {
        parts.into_iter().for_each(|(_, part)| content.append(part));
    }
    content.append(MimeText::raw(split.after));
    content
}

/// Reads one section of a multipart, with its header if it has one.
fn read_section(nesting: &mut Nesting, part: &[u8], is_mail: bool) -> (PartKind, MimeText) {
    let (first, next) = line(part, 0);
    let header = if first.is_empty() { None } else { Header::parse(part) };
    let body = match &header {
        Some(header) => header.body(part),
        None if first.is_empty() => &part[next..],
        None => part,
    };
    let mut kind = header.as_ref().map(PartKind::from_header).unwrap_or_default();
    if is_mail && kind.main.is_empty() {
        (kind.main, kind.sub) = ("message".into(), "rfc822".into());
    }
    let content = read_part(nesting, &kind, body);
    (kind, content)
}

/// Reads an attached mail: its sender, date and subject, then its text.
fn read_mail(nesting: &mut Nesting, bytes: &[u8]) -> MimeText {
    let Some(header) = Header::parse(bytes) else { return MimeText::raw(bytes) };
    let mut content = MimeText::default();
    for (name, label) in [("from", "From"), ("date", "Date"), ("subject", "Subject")] {
        if let Some(value) = header.value(name) {
            let value = match name {
                "subject" => header.subject().unwrap_or_default(),
                _ => value.replace('\n', ""),
            };
            content.text.extend(format!("{label}: {value}\n").bytes());
        }
    }
    content.text.push(b'\n');
    content.append(read_part(nesting, &PartKind::from_header(&header), header.body(bytes)));
    content
}

/// Selects the most readable of alternative parts, and notes contents that only the others have.
fn best(parts: Vec<(PartKind, MimeText)>) -> MimeText {
    let has_text = |content: &MimeText| !decode::is_blank(&content.text);
    let plain = parts.iter().position(|(_, part)| has_text(part) && !part.is_html);
    let chosen = plain.or_else(|| parts.iter().position(|(_, part)| has_text(part)));
    let mut best = MimeText::default();
    for (at, (kind, mut part)) in parts.into_iter().enumerate() {
        let is_told = chosen.is_none_or(|chosen| chosen == at);
        if !is_told {
            let is_same = matches!(kind.sub.as_str(), "" | "plain" | "html" | "enriched");
            if !is_same && kind.main != "multipart" {
                part.left_out.push(kind.line(part.text.len()));
            }
            part.text.clear();
        }
        best.append(part);
    }
    best
}

impl MimeText {
    /// Text that is not decoded.
    fn raw(text: &[u8]) -> Self {
        Self { text: text.to_vec(), ..Self::default() }
    }

    /// The text, and the lines about omitted parts.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<String>) {
        (self.text, self.left_out)
    }

    /// Appends `next` on a new line.
    fn append(&mut self, mut next: Self) {
        self.left_out.append(&mut next.left_out);
        self.is_html |= next.is_html;
        if decode::is_blank(&next.text) {
            return;
        }
        if !self.text.is_empty() && !self.text.ends_with(b"\n") {
            self.text.push(b'\n');
        }
        self.text.append(&mut next.text);
    }
}

impl PartKind {
    fn from_header(header: &Header) -> Self {
        let mut kind = header.extract_from(ABOUT_PART, |message: &Message<'_>| {
            let Some(content_type) = message.content_type() else { return Self::default() };
            let text = |name| ContentType::attribute(content_type, name);
            Self {
                main: content_type.ctype().to_ascii_lowercase(),
                sub: content_type.subtype().unwrap_or_default().to_ascii_lowercase(),
                boundary: text("boundary").map(str::to_owned),
                charset: text("charset").unwrap_or_default().to_ascii_lowercase(),
                name: message.attachment_name().map(str::to_owned),
                transfer: String::new(),
            }
        });
        let transfer = header.value("content-transfer-encoding").unwrap_or_default();
        let transfer = transfer.split(['(', ';']).next().unwrap_or_default();
        kind.transfer = transfer.trim().to_ascii_lowercase();
        kind
    }

    fn decoded<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        match self.transfer.as_str() {
            "base64" => decode::base64(body),
            "quoted-printable" => decode::quoted_printable(body),
            _ => body.into(),
        }
    }

    /// Reads a part that is neither a multipart nor a mail.
    fn leaf(&self, body: &[u8], is_part: bool) -> MimeText {
        let bytes = self.decoded(body);
        let is_html = self.main == "text" && self.sub == "html";
        let is_text = self.main.is_empty() || self.main == "text";
        let is_seen = matches!(self.main.as_str(), "image" | "audio" | "video" | "font");
        if is_seen || !is_text && !decode::is_text(&bytes) {
            return MimeText { left_out: vec![self.line(bytes.len())], ..MimeText::default() };
        }
        let mut text = match decode::charset(&self.charset, &bytes) {
            text if is_html => {
                let readable = html::readable(&text);
                if readable.is_empty() { text.into_owned() } else { readable }
            }
            text => text.into_owned(),
        };
        if let Some(name) = self.name.as_ref().filter(|_| is_part && !decode::is_blank(&text)) {
            let title = format!("[{}]\n", decode::one_line(name));
            text.splice(0..0, title.bytes());
        }
        MimeText { text, left_out: Vec::new(), is_html }
    }

    /// The line that is shown in place of the part.
    fn line(&self, size: usize) -> String {
        let name = self.name.iter().map(|name| decode::one_line(name) + ", ").collect::<String>();
        let unit = if size == 1 { "byte" } else { "bytes" };
        let (main, sub) = (decode::one_line(&self.main), decode::one_line(&self.sub));
        format!("[left out: {name}{main}/{sub}, {} {unit}]", grouped(size as u64))
    }
}

/// Splits a multipart at its boundary. `None` if no boundary is found.
fn split<'a>(body: &'a [u8], boundary: Option<&'a str>) -> Option<Split<'a>> {
    let boundary = match boundary {
        Some(boundary) => boundary.trim_end().as_bytes(),
        None => guess(body)?,
    };
    let mut split = Split { before: body, parts: Vec::new(), after: &[] };
    // Start of the part that is still open.
    let (mut start, mut at) = (None, 0);
    while at < body.len() {
        let (text, next) = line(body, at);
        let rest = text.strip_prefix(b"--").and_then(|text| text.strip_prefix(boundary));
        let rest = rest.map(<[u8]>::trim_ascii_end);
        if let Some(rest @ (b"" | b"--")) = rest {
            match start {
                Some(start) => split.parts.push(without_line_end(&body[start..at])),
                None => split.before = &body[..at],
            }
            start = Some(next);
            if rest == b"--" {
                split.after = &body[next..];
                return Some(split);
            }
        }
        at = next;
    }
    // The multipart is truncated: its last part ends with the body.
    split.parts.push(&body[start?..]);
    Some(split)
}

/// Strips the line end before a delimiter, which belongs to the delimiter.
fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

/// Guesses the boundary of a multipart whose header does not name it: the first line that begins
/// like a delimiter and is followed by a part's header.
fn guess(body: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while at < body.len() {
        let (text, next) = line(body, at);
        let (after, _) = line(body, next);
        let is_header = after.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
        match text.strip_prefix(b"--") {
            Some(boundary) if is_header && !boundary.is_empty() => return Some(boundary),
            _ => at = next,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Header, read};

    /// The text, and the lines about omitted parts.
    fn shown(mail: &str) -> (String, Vec<String>) {
        let header = Header::parse(mail.as_bytes()).unwrap_or_else(|| panic!("{mail}"));
        let content = read(&header, header.body(mail.as_bytes()));
        (String::from_utf8_lossy(&content.text).into_owned(), content.left_out)
    }

    fn of(kind: &str, body: &str) -> String {
        format!("Content-Type: {kind}\n\n{body}")
    }

    #[test]
    fn parts_are_read_as_far_as_they_can_be() {
        let mixed = |body: &str| of("multipart/mixed; boundary=\"b c\"", body);
        let untold = |body: &str| of("multipart/mixed", body);
        let alternative = |body: &str| of("multipart/alternative;\n boundary=b", body);
        let digest = |body: &str| of("multipart/digest; boundary=b", body);
        for (mail, text) in [
            (mixed("--b c\n\none\n--b c  \n\n\ntwo\n\n--b c--\n"), "one\n\ntwo\n"),
            // Truncated, without a beginning, without an end, with text around the parts.
            (mixed("--b c\nContent-Type: text/plain\n\none\ntw"), "one\ntw"),
            (mixed("--b c\nContent-Type: text/plain\n"), ""),
            (mixed("one\ntwo\n"), "one\ntwo\n"),
            (mixed("--other\n\none\n"), "--other\n\none\n"),
            (mixed("This is a MIME message.\n--b c\n\none\n--b c--\n"), "one"),
            (mixed("Note:\n--b c\n\none\n--b c--\nlist footer\n"), "Note:\none\nlist footer\n"),
            // A part whose header is missing or not terminated.
            (mixed("--b c\none: 1\ntwo\n--b c--\n"), "one: 1\ntwo"),
            (mixed("--b c\nContent-Type: text/plain\none\n--b c--\n"), "one"),
            (mixed("--b c\n\nTo: do\n--b c--\n"), "To: do"),
            (untold("--x\nContent-Type: text/html\n\n<b>1</b>\n--x--\n"), "1\n"),
            (untold("--x\n1\n"), "--x\n1\n"),
            // The same text as several alternatives.
            (alternative("--b\nContent-Type: text/html\n\n<p>h</p>\n--b\n\np\n--b--\n"), "p"),
            (alternative("--b\n\n \n--b\nContent-Type: text/html\n\n<p>h</p>\n--b--\n"), "h\n"),
            // A mail in a mail, and in a digest.
            (
                of("message/rfc822", "From: a@b\nX-Y: z\nSubject: =?utf-8?q?=C3=BC?=\n\nin"),
                "From: a@b\nSubject: ü\n\nin",
            ),
            (
                digest("--b\n\nSubject: s\n\n1\n--b\n\nContent-Type: text/html\n\n<i>2</i>\n"),
                "Subject: s\n\n1\n\n2\n",
            ),
            // Unknown types and encodings.
            (of("x-y/z\nContent-Transfer-Encoding: x-rot13", "grkg\n"), "grkg\n"),
            (of("application/json", "{\"a\": 1}\n"), "{\"a\": 1}\n"),
            (of(";;;", "x\n"), "x\n"),
            (of("text", "x\n"), "x\n"),
            (of("text/html", "<style>x</style>"), "<style>x</style>"),
        ] {
            assert_eq!(shown(&mail), (text.to_owned(), vec![]), "{mail}");
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let related =
            "--d\nContent-Type: text/html\n\nhtml\n--d\nContent-Type: image/png\n\n.\n--d--";
        let alternative = format!(
            "--c\n\nplain\n--c\n{}\n--c\n{}\n--c--",
            of("multipart/related; boundary=d", related),
            of("text/calendar", "x")
        );
        let parts = [
            of(
                "application/x-tar; name=\"a\u{7}.tar\"\nContent-Transfer-Encoding: base64",
                "AAECAw==",
            ),
            of("text/x-log\nContent-Disposition: attachment; filename=full.log", "line"),
            of("multipart/alternative; boundary=c", &alternative),
        ];
        let parts = parts.map(|part| format!("--b\n{part}\n")).concat();
        let (text, left_out) = shown(&of("multipart/mixed; boundary=b", &(parts + "--b--\n")));
        assert_eq!(text, "[full.log]\nline\nplain");
        let wanted = [
            "[left out: a .tar, application/x-tar, 4 bytes]",
            "[left out: image/png, 1 byte]",
            "[left out: text/calendar, 1 byte]",
        ];
        assert_eq!(left_out, wanted);
    }

    #[test]
    fn what_is_within_itself_has_an_end() {
        let deep = "Content-Type: message/rfc822\n\n".repeat(2000) + "end";
        assert!(shown(&deep).0.ends_with("end"));
        let many = of("multipart/mixed; boundary=b", &"--b\n\nyes\n".repeat(5000));
        assert_eq!(shown(&many).0.matches("yes").count(), 5000);
    }
}
