//! What goes to stdout, and the only place that writes there. stdout is data: messages, objects,
//! a ticket.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};
use clap::ValueEnum;
use data_encoding::BASE64;
use serde_json::{Map, Value};

use crate::wire::{Message, Seq, Target};

use super::clock;

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// For people: time, sender, target, text.
    Terminal { color: bool },
    /// The body, and a newline where it ends in none.
    Lines,
    /// The body, and a NUL.
    Null,
    /// The body.
    Raw,
    /// An object a line.
    Json,
}

/// When colours are used on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// On a terminal, even if `NO_COLOR` is set
    Always,
    /// Nowhere
    Never,
}

impl Color {
    /// Whether to colour what goes to stdout.
    pub(super) fn is_on(self) -> bool {
        match self {
            Self::Auto => {
                is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
            }
            Self::Always => true,
            Self::Never => false,
        }
    }
}

/// Whether a person is looking at stdout.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Appends a message as it is to be printed.
pub(super) fn render(style: Style, seq: Seq, message: &Message, out: &mut Vec<u8>) {
    let body = &message.body.0;
    match style {
        Style::Terminal { color } => out.extend_from_slice(for_people(message, color).as_bytes()),
        Style::Raw => out.extend_from_slice(body),
        Style::Null => {
            out.extend_from_slice(body);
            out.push(0);
        }
        Style::Lines => {
            out.extend_from_slice(body);
            if body.last() != Some(&b'\n') {
                out.push(b'\n');
            }
        }
        Style::Json => {
            out.extend_from_slice(json(&Value::Object(as_object(seq, message))).as_bytes());
            out.push(b'\n');
        }
    }
}

/// Writes rendered messages and sees them off.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Prints a line of data. A reader that has gone is no error.
pub(super) fn line(text: &str) -> Result<()> {
    match write(format!("{text}\n").as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("stdout cannot be written")
        }
        _ => Ok(()),
    }
}

/// Prints a JSON object, its fields in alphabetical order.
pub(super) fn object(fields: &[(&str, Value)]) -> Result<()> {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    line(&json(&Value::Object(fields.collect())))
}

/// The documented fields of `--json`.
fn as_object(seq: Seq, message: &Message) -> Map<String, Value> {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("id", message.id.to_string().into());
    // Not in the store, so without a place there.
    put("seq", if seq == 0 { Value::Null } else { seq.into() });
    put("time", clock::rfc3339(message.time_ms).into());
    put("from", message.from.to_string().into());
    put("to", message.to.to_string().into());
    if let Target::Room(room) = &message.to {
        put("room", room.to_string().into());
    }
    let headers = message.headers.iter().map(|(name, value)| (name.to_owned(), value.into()));
    put("headers", Value::Object(headers.collect()));
    put("size", message.body.len().into());
    match std::str::from_utf8(&message.body.0) {
        Ok(text) => put("body", text.into()),
        Err(_) => put("body_b64", BASE64.encode(&message.body.0).into()),
    };
    object
}

/// JSON on one line, without a byte that a terminal would act on: JSON itself leaves DEL and the
/// C1 controls as they are.
fn json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_control() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

fn for_people(message: &Message, color: bool) -> String {
    let (dim, bold, plain) = if color { ("\x1b[2m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let to = match &message.to {
        Target::User(_) => String::new(),
        group => format!(" {group}"),
    };
    let time = clock::local(message.time_ms);
    let text = visible(&String::from_utf8_lossy(&message.body.0));
    let gap = if text.contains('\n') { "\n" } else { " " };
    format!("{dim}{time}{plain} {bold}{}{plain}{to}:{gap}{text}\n", message.from)
}

/// Text that no terminal takes for a command: control characters become their pictures, and
/// characters that turn the direction of writing are marked. One newline at the end goes.
fn visible(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let picture = |c: char| match c {
        '\n' | '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => c,
    };
    text.chars().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::{Style, json, render, visible};
    use crate::wire::{Body, Headers, Message, MsgId, Target, UserId};

    fn message(body: &'static [u8]) -> Message {
        let user = |id: &str| -> UserId { id.parse().unwrap_or_else(|why| panic!("{why}")) };
        Message {
            id: MsgId::new(1_700_000_000_000, [7; 10]),
            from: user("alice"),
            to: Target::User(user("bob")),
            time_ms: 1_700_000_000_123,
            headers: Headers::default(),
            size: body.len() as u64,
            body: Body(body.into()),
        }
    }

    fn rendered(style: Style, body: &'static [u8]) -> Vec<u8> {
        let mut out = Vec::new();
        render(style, 5, &message(body), &mut out);
        out
    }

    #[test]
    fn a_newline_is_added_where_there_is_none() {
        assert_eq!(rendered(Style::Lines, b""), b"\n");
        assert_eq!(rendered(Style::Lines, b"a"), b"a\n");
        assert_eq!(rendered(Style::Lines, b"a\n"), b"a\n");
        assert_eq!(rendered(Style::Raw, b"a"), b"a");
        assert_eq!(rendered(Style::Null, b"a"), b"a\0");
    }

    #[test]
    fn json_is_lossless() {
        let text =
            String::from_utf8(rendered(Style::Json, b"a\"\x1b\x7f\xc2\x9b")).unwrap_or_default();
        assert!(!text.trim_end().chars().any(char::is_control), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(value["body"], "a\"\u{1b}\u{7f}\u{9b}");
        assert_eq!(value["time"], "2023-11-14T22:13:20.123Z");
        assert_eq!(value["to"], "bob");
        let value: serde_json::Value =
            serde_json::from_slice(&rendered(Style::Json, b"\xff\0")).unwrap_or_default();
        assert_eq!(value["body_b64"], "/wA=");
        assert!(value.get("body").is_none());
        assert_eq!(json(&"\u{85}".into()), "\"\\u0085\"");
    }

    #[test]
    fn a_terminal_gets_no_controls() {
        assert_eq!(visible("a\tb\x1b[2Jc\x07\r\n\x7f\u{9b}\u{202e}x\n"), "a\tb␛[2Jc␇␍\n␡��x");
        let text = rendered(Style::Terminal { color: false }, b"\x1b]0;x\x07\xff");
        let text = String::from_utf8(text).unwrap_or_default();
        assert!(!text.trim_end().chars().any(char::is_control), "{text:?}");
    }
}
