//! Environment variables that describe a message to its handler.

use crate::clock;
use crate::message::known_headers;
use crate::message::received::Received;
use crate::message::render::json::headers;
use crate::text::json::json;
use crate::wire::Target;

/// Prefix of the names of all variables. Inherited ones are removed, so that a handler sees only
/// those of its own message.
pub(crate) const PREFIX: &str = "QMSG_MSG_";

/// Returns names and values. An absent field has no variable.
pub(crate) fn variables(letter: &Received, attempt: u32) -> Vec<(String, String)> {
    let message = letter.message();
    let room = match &message.to {
        Target::Room(room) => Some(room.to_string()),
        Target::User(_) | Target::All => None,
    };
    let seq = (!letter.is_volatile()).then(|| letter.seq().to_string());
    let known = [
        ("ID", Some(message.id.to_string())),
        ("FROM", Some(message.from.to_string())),
        ("TO", Some(message.to.to_string())),
        ("ROOM", room),
        ("TIME", Some(clock::rfc3339(message.time_ms))),
        ("SEQ", seq),
        ("ATTEMPT", Some(attempt.to_string())),
        ("SIZE", Some(letter.content().size().to_string())),
        ("HEADERS", Some(json(&headers(&message.headers)))),
    ];
    // A variable cannot hold a NUL.
    let given = |name| letter.header(name).map(|value| value.replace('\0', "\u{fffd}"));
    let given = known_headers::variables().map(|(name, end)| (end, given(name)));
    let all = known.into_iter().chain(given);
    all.filter_map(|(end, value)| Some((format!("{PREFIX}{end}"), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Received, variables};
    use crate::message::received::tests::letter;

    #[test]
    fn a_variable_for_each_thing_that_is_known() {
        let given = [("title", "a\0b\n$(c)"), ("tags", "x,y"), ("other", "\"")];
        let letter = letter("@ops", &given, b"\xff\0");
        let shown = |letter: &_, attempt| {
            let all = variables(letter, attempt).into_iter();
            all.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let id = "QMSG_MSG_ID=018bcfe5-6800-7707-8707-070707070707";
        let headers = r#"QMSG_MSG_HEADERS={"other":"\"","tags":"x,y","title":"a\u0000b\n$(c)"}"#;
        let wanted = [
            id,
            "QMSG_MSG_FROM=alice",
            "QMSG_MSG_TO=@ops",
            "QMSG_MSG_ROOM=@ops",
            "QMSG_MSG_TIME=2023-11-14T22:13:20.123Z",
            "QMSG_MSG_SEQ=5",
            "QMSG_MSG_ATTEMPT=3",
            "QMSG_MSG_SIZE=2",
            headers,
            "QMSG_MSG_TITLE=a\u{fffd}b\n$(c)",
            "QMSG_MSG_TAGS=x,y",
        ];
        assert_eq!(shown(&letter, 3), wanted);
        let mut message = letter.message().clone();
        message.to = "bob".parse().unwrap_or_else(|why| panic!("{why}"));
        let letter = Received::new(0, message, letter.content().clone());
        let all = shown(&letter, 1);
        assert!(all.contains(&"QMSG_MSG_TO=bob".to_owned()));
        assert!(!all.iter().any(|one| one.contains("_ROOM=") || one.contains("_SEQ=")), "{all:?}");
    }
}
