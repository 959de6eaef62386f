//! JSON objects of `--json`, one per line. The body is rendered in pieces, so a long one needs no
//! more memory than a short one.

use std::io;

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Map, Value};

use crate::clock;
use crate::message::received::{PIECE_LEN, Received, characters};
use crate::text::json::json;
use crate::wire::{Headers, Target};

/// Base64 encodes three bytes as four characters, so pieces of a multiple of three can be encoded
/// one by one.
const _: () = assert!(PIECE_LEN.is_multiple_of(3));

type JsonPiece = io::Result<Bytes>;

/// Renders a message as an object without a trailing newline: the body first, then the other fields
/// in alphabetical order. Handlers get the number of the attempt.
pub(crate) fn object(received: &Received, attempt: Option<u32>) -> impl Iterator<Item = JsonPiece> {
    let body: Box<dyn Iterator<Item = JsonPiece> + Send> = match is_text(received.whole()) {
        Ok(true) => {
            let begin = Ok(Bytes::from_static(b"{\"body\":\""));
            Box::new([begin].into_iter().chain(characters(received.whole()).map(quoted)))
        }
        Ok(false) => {
            let begin = Ok(Bytes::from_static(b"{\"body_b64\":\""));
            let encoded = received.whole().map(|bytes| Ok(BASE64.encode(&bytes?).into()));
            Box::new([begin].into_iter().chain(encoded))
        }
        Err(error) => Box::new([Err(error)].into_iter()),
    };
    let mut others = fields(received);
    others.extend(attempt.map(|attempt| ("attempt".to_owned(), attempt.into())));
    let end = format!("\",{}", &json(&Value::Object(others))[1..]);
    body.chain([Ok(end.into())])
}

/// Renders text as the inside of a JSON string.
fn quoted(text: io::Result<Vec<u8>>) -> JsonPiece {
    let quoted = json(&Value::from(String::from_utf8_lossy(&text?)));
    let end = quoted.len() - 1;
    Ok(Bytes::from(quoted).slice(1..end))
}

/// Builds the documented fields of `--json` except for the body.
fn fields(received: &Received) -> Map<String, Value> {
    let message = received.message();
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("id", message.id.to_string().into());
    // A volatile message is not stored and has no seq.
    put("seq", if received.is_volatile() { Value::Null } else { received.seq().into() });
    put("time", clock::rfc3339(message.time_ms).into());
    put("from", message.from.to_string().into());
    put("to", message.to.to_string().into());
    if let Target::Room(room) = &message.to {
        put("room", room.to_string().into());
    }
    put("headers", headers(&message.headers));
    put("size", received.content().size().into());
    object
}

/// Renders headers as an object.
pub(crate) fn headers(headers: &Headers) -> Value {
    Value::Object(headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// True when the whole body is valid UTF-8.
fn is_text(pieces: impl Iterator<Item = JsonPiece>) -> io::Result<bool> {
    for bytes in characters(pieces) {
        if str::from_utf8(&bytes?).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};
    use serde_json::Value;

    use super::{is_text, object};
    use crate::message::received::tests::{bodies, cut, letter};
    use crate::text::json::json;

    fn line(to: &str, headers: &[(&str, &str)], body: &[u8], attempt: Option<u32>) -> String {
        let pieces: Result<Vec<_>, _> = object(&letter(to, headers, body), attempt).collect();
        String::from_utf8(pieces.unwrap().concat()).unwrap()
    }

    #[test]
    fn json_is_lossless() {
        let text = line("bob", &[], b"a\"\x1b\x7f\xc2\x9b", None);
        assert!(!text.chars().any(char::is_control), "{text}");
        assert_eq!(
            text,
            "{\"body\":\"a\\\"\\u001b\\u007f\\u009b\",\"from\":\"alice\",\"headers\":{},\
             \"id\":\"018bcfe5-6800-7707-8707-070707070707\",\"seq\":5,\"size\":6,\
             \"time\":\"2023-11-14T22:13:20.123Z\",\"to\":\"bob\"}"
        );
        let value: Value = serde_json::from_str(&line("bob", &[], b"\xff\0", None)).unwrap();
        assert_eq!(value["body_b64"], "/wA=");
        assert!(value.get("body").is_none());
        assert_eq!(json(&"\u{85}".into()), "\"\\u0085\"");
        let hidden = "a\u{202e}\u{2028}\u{e0041}😀";
        let text = json(&hidden.into());
        assert_eq!(text, "\"a\\u202e\\u2028\\udb40\\udc41😀\"");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), hidden);
    }

    #[test]
    fn what_is_new_stands_behind_the_body() {
        let text = line("@ops", &[("title", "a\"b")], b"", Some(3));
        assert!(text.starts_with("{\"body\":\"\",\"attempt\":3,\"from\""), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["room"], &value["headers"]["title"]), (&"@ops".into(), &"a\"b".into()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn where_it_is_cut_does_not_matter(
            body in bodies(),
            lengths in prop::collection::vec(1..6_usize, 1..6),
        ) {
            let text = is_text(cut(&body, &lengths).into_iter()).unwrap();
            prop_assert_eq!(text, str::from_utf8(&body).is_ok());
        }
    }
}
