//! Parked messages as they are listed: dead letters and scheduled messages.

use data_encoding::BASE64;
use serde_json::Value;

use crate::clock;
use crate::message::known_headers::TITLE;
use crate::message::limits::SUMMARY_CHARS_MAX;
use crate::message::render::json::headers;
use crate::text::visible::one_line;
use crate::wire::ParkedMessage;

/// Summarizes a message: its title, or the first line of its body that is not blank.
pub(crate) fn gist(parked: &ParkedMessage) -> String {
    let title = parked.message.headers.iter().find(|(name, _)| *name == TITLE);
    let text = match (title, body(parked)) {
        (Some((_, title)), _) => title,
        (None, Ok(text)) => text,
        (None, Err(_)) => "(no text)",
    };
    let text = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    one_line(text.trim()).chars().take(SUMMARY_CHARS_MAX).collect()
}

/// JSON fields that dead letters and scheduled messages share.
pub(crate) fn fields(parked: &ParkedMessage) -> Vec<(&'static str, Value)> {
    vec![
        match body(parked) {
            Ok(text) => ("body", text.into()),
            Err(bytes) => ("body_b64", BASE64.encode(bytes).into()),
        },
        ("id", parked.message.id.to_string().into()),
        ("to", parked.message.to.to_string().into()),
        ("time", clock::rfc3339(parked.message.time_ms).into()),
        ("headers", headers(&parked.message.headers)),
        ("size", parked.message.size.into()),
        ("cut", is_cut(parked).into()),
    ]
}

/// True when only the beginning of the body is here.
fn is_cut(parked: &ParkedMessage) -> bool {
    parked.message.is_long()
}

/// The available part of the body, if it is text. A character that was cut in half at the end is
/// left out.
fn body(parked: &ParkedMessage) -> Result<&str, &[u8]> {
    let bytes = &parked.message.body.0[..];
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if is_cut(parked) && error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).map_err(|_| bytes)
        }
        Err(_) => Err(bytes),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::{fields, gist};
    use crate::wire::{Body, Envelope, Headers, Message, MsgId, Note, ParkedKind, ParkedMessage};

    pub(crate) fn parked(
        to: &str,
        body: &'static [u8],
        size: u64,
        headers: &[(&str, &str)],
    ) -> ParkedMessage {
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        ParkedMessage {
            kind: ParkedKind::DeadLetters,
            number: 1,
            at_ms: 1_700_000_005_000,
            attempts: 5,
            reason: Note::new(Body(b"exit code 1"[..].into())).unwrap(),
            message: Message {
                from: "alice".parse().unwrap(),
                time_ms: 1_700_000_000_123,
                envelope: Envelope {
                    id: MsgId::new(1_700_000_000_000, [7; 10]),
                    to: to.parse().unwrap(),
                    headers: Headers::new(pairs.collect()).unwrap(),
                    size,
                    body: Body(body.into()),
                },
            },
        }
    }

    #[test]
    fn a_few_words_say_what_it_is_about() {
        let long = vec![b'x'; 100].leak();
        for (body, size, headers, wanted) in [
            (&b"\n  disk full\nreally"[..], 20, &[][..], "disk full"),
            (b"x", 1, &[("title", "a\x1b[2J\nb")], "a\u{241b}[2J"),
            (b"\xff", 1, &[], "(no text)"),
            (b"\xff", 1, &[("title", "t")], "t"),
            (b"", 0, &[], ""),
            (b"\xe2\x82\xac\xe2\x82", 9, &[], "\u{20ac}"),
            (long, 100, &[], &"x".repeat(60)),
        ] {
            assert_eq!(gist(&parked("bob", body, size, headers)), wanted);
        }
    }

    #[test]
    fn what_was_cut_says_so() {
        let fields = |body, size| {
            fields(&parked("bob", body, size, &[])).into_iter().collect::<BTreeMap<_, Value>>()
        };
        let whole = fields(b"a", 1);
        assert_eq!((&whole["body"], &whole["cut"]), (&"a".into(), &false.into()));
        let cut = fields(b"\xe2\x82\xac\xe2\x82", 9);
        assert_eq!((&cut["body"], &cut["cut"]), (&"\u{20ac}".into(), &true.into()));
        assert_eq!(fields(b"\xe2\x82", 2)["body_b64"], "4oI=");
    }
}
