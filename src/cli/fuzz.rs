//! Entry points for fuzzers, with the checks to run on each input. Tests replay what fuzzers found.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use bytes::Bytes;
use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::cli::verbs::sendmail::run;
use crate::message::content::Content;
use crate::message::received::Received;
use crate::message::render::format;
use crate::message::render::style::{Style, render};
use crate::profile::address::{JoinTicket, ServerAddress};
use crate::text::{units, when};
use crate::wire::{Envelope, Headers, Message, MsgId, Pin, Target, UserId};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Names, addresses, tickets, sizes and times: a value that parses is printed so that it parses to
/// the same value.
pub fn names(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    same::<UserId>(&text);
    same::<Target>(&text);
    same::<MsgId>(&text);
    same::<Pin>(&text);
    same::<ServerAddress>(&text);
    same::<JoinTicket>(&text);
    let _ = units::user(&text);
    let _ = units::targets(&text);
    let _ = units::size(&text);
    if let Ok(time) = units::duration(&text) {
        let _ = when::after(u64::MAX / 2, time);
    }
    if let Ok(when) = when::when(&text) {
        let _ = when.unix_ms(&NOW.to_zoned_datetime(TimeZone::UTC));
    }
}

fn same<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().ok(), Some(value), "{text}");
    }
}

/// Mail on stdin: its headers can be sent, and its body is not much longer than the mail.
pub fn mail(data: &[u8]) {
    run::fuzz(data);
}

/// A format, a NUL, a title, a NUL and a body: nothing printed steers a terminal, and `--json`
/// keeps the body unchanged.
pub fn format(data: &[u8]) {
    let mut parts = data.splitn(3, |&byte| byte == 0);
    let [format, title, body] =
        [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
    let Some(letter) = letter(title, body) else { return };
    let text = |out: Vec<u8>| String::from_utf8(out).unwrap_or_else(|why| panic!("{why}"));
    let is_safe = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    let format = String::from_utf8_lossy(format);
    if let Some(out) = format::fuzz(&format, &letter)
        && !format.contains('\\')
        && is_safe(&format)
    {
        assert!(is_safe(&text(out)), "{format}");
    }
    let shown = |style| {
        let mut out = Vec::new();
        assert!(render(style, &letter, &mut out).is_ok());
        out
    };
    assert!(is_safe(&text(shown(Style::Terminal { color: false, folds: false }))));
    assert_eq!(shown(Style::Raw), body);
    let json = text(shown(Style::Json));
    assert!(is_safe(&json) && json.matches('\n').count() == 1);
    let Ok(object) = serde_json::from_str::<Value>(&json) else { panic!("{json}") };
    let plain = object["body"].as_str().map(|text| text.as_bytes().to_vec());
    let encoded = object["body_b64"].as_str().and_then(|text| BASE64.decode(text.as_bytes()).ok());
    assert_eq!(plain.xor(encoded).as_deref(), Some(body));
}

fn letter(title: &[u8], body: &[u8]) -> Option<Received> {
    let title = String::from_utf8_lossy(title).into_owned();
    let headers = Headers::new(vec![("title".into(), title)]).ok()?;
    let content = Content::Memory(Bytes::copy_from_slice(body));
    let message = Message {
        from: "alice".parse().ok()?,
        time_ms: 1_700_000_000_123,
        envelope: Envelope {
            id: MsgId::new(1, [7; 10]),
            to: "@ops".parse().ok()?,
            headers,
            size: content.size(),
            body: crate::wire::Body::default(),
        },
    };
    Some(Received::new(5, message, content))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_found_is_run_again() {
        crate::wire::fuzz::replay("names", super::names);
        crate::wire::fuzz::replay("mail", super::mail);
        crate::wire::fuzz::replay("format", super::format);
    }
}
