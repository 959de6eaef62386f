//! HTML tags and character entities, well-formed or not.

use crate::cli::limits::ENTITY_LEN_MAX;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::add_html_token;

pub(crate) struct Tag<'a> {
    /// The name in lower case; empty for a declaration.
    pub(crate) name: String,
    pub(crate) closes: bool,
    attributes: &'a [u8],
}

/// Parses the tag at the beginning of `bytes`, and returns its length. `<root@host>` and `a < b`
/// are not tags.
pub(crate) fn tag(bytes: &[u8]) -> Option<(Tag<'_>, usize)> {
    let inner = &bytes[1..];
    // Declarations and processing instructions.
    if matches!(inner.first(), Some(b'!' | b'?')) {
        let end = inner.iter().position(|&byte| byte == b'>')?;
        let tag = Tag { name: String::new(), closes: false, attributes: &[] };
        return Some((tag, end + 2));
    }
    let closes = inner.first() == Some(&b'/');
    let start = 1 + usize::from(closes);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_');
    let name = &bytes[start..];
    let name = &name[..name.iter().position(|byte| !is_name(byte))?];
    let attributes = &bytes[start + name.len()..];
    let is_tag = name.first().is_some_and(u8::is_ascii_alphabetic)
        && matches!(attributes[0], b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n');
    if !is_tag {
        return None;
    }
    let end = end(attributes)?;
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let length = start + name.len() + end + 1;
    Some((Tag { name, closes, attributes: &attributes[..end] }, length))
}

/// Finds the `>` that ends a tag: the first outside of quotes, or the first of all if a quote is
/// not closed.
fn end(attributes: &[u8]) -> Option<usize> {
    let (mut quote, mut first) = (None, None);
    for (at, &byte) in attributes.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if attributes[..at].trim_ascii_end().ends_with(b"=") => {
                quote = Some(byte);
            }
            (Some(open), _) if open == byte => quote = None,
            (Some(_), b'>') => first = first.or(Some(at)),
            _ => {}
        }
    }
    first
}

/// The value of an attribute, with entities decoded.
pub(crate) fn attribute(tag: &Tag<'_>, name: &str) -> Option<String> {
    let mut rest = tag.attributes;
    loop {
        let at = find(rest, name.as_bytes())?;
        let before = at.checked_sub(1).map(|at| rest[at]);
        let is_start = before.is_some_and(|byte| b" \t\r\n\"'/".contains(&byte));
        rest = &rest[at + name.len()..];
        match rest.trim_ascii_start().strip_prefix(b"=") {
            Some(value) if is_start => return Some(plain(quoted(value.trim_ascii_start()))),
            _ => {}
        }
    }
}

/// Parses the attribute value at the beginning, without its quotes.
fn quoted(value: &[u8]) -> &[u8] {
    let (value, end) = match value {
        [quote @ (b'"' | b'\''), rest @ ..] => (rest, rest.iter().position(|byte| byte == quote)),
        _ => (value, value.iter().position(u8::is_ascii_whitespace)),
    };
    &value[..end.unwrap_or(value.len())]
}

/// Decodes the entities of an attribute value.
fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = entity(rest.as_bytes()).map_or(1, <[u8]>::len);
        match length {
            1 => out.push('&'),
            _ => out.push_str(&character(&rest.as_bytes()[..length])),
        }
        rest = &rest[length..];
    }
    out + rest
}

/// Parses the entity at the beginning of `text`, from `&` to `;`.
pub(crate) fn entity(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().take(ENTITY_LEN_MAX).position(|&byte| byte == b';')?;
    let name = &text[1..end];
    let name = name.strip_prefix(b"#").unwrap_or(name);
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric);
    is_name.then(|| &text[..=end])
}

/// Decodes an entity. An unknown one is returned unchanged.
pub(crate) fn character(entity: &[u8]) -> String {
    let text = String::from_utf8_lossy(entity);
    let number = text.trim_start_matches("&#").trim_end_matches(';');
    // Browsers read these numbers as windows-1252, in which they are printable.
    if let (Ok(byte @ 128..=159), Some(decode)) =
        (number.parse::<u8>(), charset_decoder(b"windows-1252"))
    {
        return decode(&[byte]);
    }
    let mut out = String::new();
    add_html_token(&mut out, entity, false);
    out
}

/// Finds `what` in `bytes`, ignoring ASCII case.
pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}
