//! Parked messages as they are listed: dead letters and scheduled messages.

use data_encoding::BASE64;
use serde_json::Value;

use crate::clock;
use crate::message::limits::SUMMARY_CHARS_MAX;
use crate::message::render::json::headers;
use crate::text::visible::one_line;
use crate::wire::Kept;

/// Summarizes a message: its title, or the first line of its body that is not blank.
pub(crate) fn gist(kept: &Kept) -> String {
    let title = kept.headers.iter().find(|(name, _)| *name == "title");
    let text = match (title, body(kept)) {
        (Some((_, title)), _) => title,
        (None, Ok(text)) => text,
        (None, Err(_)) => "(no text)",
    };
    let text = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    one_line(text.trim()).chars().take(SUMMARY_CHARS_MAX).collect()
}

/// JSON fields that dead letters and scheduled messages share.
pub(crate) fn fields(kept: &Kept) -> Vec<(&'static str, Value)> {
    vec![
        match body(kept) {
            Ok(text) => ("body", text.into()),
            Err(bytes) => ("body_b64", BASE64.encode(bytes).into()),
        },
        ("id", kept.id.to_string().into()),
        ("to", kept.to.to_string().into()),
        ("time", clock::rfc3339(kept.time_ms).into()),
        ("headers", headers(&kept.headers)),
        ("size", kept.size.into()),
        ("cut", is_cut(kept).into()),
    ]
}

/// True when only the beginning of the body is here.
fn is_cut(kept: &Kept) -> bool {
    (kept.body.len() as u64) < kept.size
}

/// The available part of the body, if it is text. A character that was cut in half at the end is
/// left out.
fn body(kept: &Kept) -> Result<&str, &[u8]> {
    let bytes = &kept.body.0[..];
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if is_cut(kept) && error.error_len().is_none() => {
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
    use crate::wire::{Body, Headers, Kept, MsgId, Note, ParkedKind};

    pub(crate) fn kept(to: &str, body: &'static [u8], size: u64, headers: &[(&str, &str)]) -> Kept {
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Kept {
            drawer: ParkedKind::DeadLetters,
            number: 1,
            id: MsgId::new(1_700_000_000_000, [7; 10]),
            from: "alice".parse().unwrap(),
            to: to.parse().unwrap(),
            time_ms: 1_700_000_000_123,
            at_ms: 1_700_000_005_000,
            attempts: 5,
            reason: Note::new(Body(b"exit code 1"[..].into())).unwrap(),
            headers: Headers::new(pairs.collect()).unwrap(),
            size,
            body: Body(body.into()),
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
            assert_eq!(gist(&kept("bob", body, size, headers)), wanted);
        }
    }

    #[test]
    fn what_was_cut_says_so() {
        let fields = |body, size| {
            fields(&kept("bob", body, size, &[])).into_iter().collect::<BTreeMap<_, Value>>()
        };
        let whole = fields(b"a", 1);
        assert_eq!((&whole["body"], &whole["cut"]), (&"a".into(), &false.into()));
        let cut = fields(b"\xe2\x82\xac\xe2\x82", 9);
        assert_eq!((&cut["body"], &cut["cut"]), (&"\u{20ac}".into(), &true.into()));
        assert_eq!(fields(b"\xe2\x82", 2)["body_b64"], "4oI=");
    }
}
