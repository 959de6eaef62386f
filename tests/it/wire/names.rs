//! Names, ids, pins, headers and close codes: their texts, and the texts of their errors.

use std::error::Error;

use qmsg::wire::{
    BadMsgId, BadName, BadPin, CloseCode, Features, FromClient, HEADERS_LEN_MAX, HEADERS_MAX,
    Headers, JoinCode, Malformed, MsgId, NAME_LEN_MAX, Pin, RoomName, Target, TooManyHeaders,
    UserId,
};

use super::lines;
use super::samples::{body, headers, id, room, user};

#[test]
fn names_parse_to_their_canonical_spelling() {
    let longest = "a".repeat(NAME_LEN_MAX);
    for (text, canonical) in [
        ("alice", "alice"),
        ("ALICE", "alice"),
        ("0", "0"),
        ("all", "all"),
        ("Ops@Example.org", "ops@example.org"),
        ("db-01.cron", "db-01.cron"),
        ("a._+@-", "a._+@-"),
        (&longest, &longest),
        ("@ops", "@ops"),
        ("@OPS@Example.org", "@ops@example.org"),
        ("@all", "@all"),
        ("@ALL", "@all"),
        ("@alle", "@alle"),
    ] {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(target.clone()), "display and back");
        let kind = match (&target, canonical) {
            (Target::User(id), _) => id.as_str() == canonical && *id == user(text),
            (Target::Room(name), _) => *name == room(&text[1..]) && name.to_string() == canonical,
            (Target::All, canonical) => canonical == "@all",
        };
        assert!(kind, "{text}: {target:?}");
    }
}

#[test]
fn bad_names_are_refused_with_the_reason() {
    use BadName::*;
    let too_long = "a".repeat(NAME_LEN_MAX + 1);
    for (text, reason) in [
        ("", Empty),
        (&*too_long, TooLong),
        ("-a", Start),
        (".a", Start),
        ("_", Start),
        ("a b", Character(' ')),
        ("a\n", Character('\n')),
        ("a\0", Character('\0')),
        ("a/b", Character('/')),
        ("a,b", Character(',')),
        ("#ops", Character('#')),
        ("älg", Character('ä')),
        // Folds to `k` outside ASCII; names are never folded that far.
        ("\u{212a}", Character('\u{212a}')),
    ] {
        assert_eq!(text.parse::<UserId>(), Err(reason), "{text:?}");
        assert_eq!(text.parse::<RoomName>(), Err(reason), "@{text:?}");
        assert_eq!(format!("@{text}").parse::<Target>(), Err(reason), "@{text:?}");
    }
    assert_eq!("@ops".parse::<UserId>(), Err(Start));
    assert_eq!("@@ops".parse::<Target>(), Err(Start));
    for all in ["all", "ALL", "All"] {
        assert_eq!(all.parse::<RoomName>(), Err(Reserved));
    }
}

#[test]
fn an_id_carries_its_time_and_sorts_by_it() {
    const LAST_MS: u64 = (1 << 48) - 1;
    for unix_ms in [0, 1, 1_700_000_000_000, LAST_MS] {
        let made = MsgId::new(unix_ms, [0xff; 10]);
        assert_eq!(made.unix_ms(), unix_ms);
        assert_eq!(MsgId::from_bytes(*made.as_bytes()), made);
        assert!(unix_ms == LAST_MS || made < MsgId::new(unix_ms + 1, [0; 10]));
    }
    assert_eq!(id().to_string(), "018bcfe5-6800-7001-8203-040506070809");
    assert_ne!(MsgId::new(5, [0; 10]), MsgId::new(5, [1; 10]), "chance tells them apart");
}

#[test]
fn pins_are_written_one_way() {
    let zero = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(Pin([0; 32]).to_string(), zero);
    for byte in [0, 1, 0x7f, 0xff] {
        let pin = Pin([byte; 32]);
        assert_eq!(pin.to_string().parse(), Ok(pin));
    }
    let text = |from: &str, to: &str| zero.replacen(from, to, 1);
    for bad in [
        String::new(),
        text("SHA256:", ""),
        text("SHA256", "sha256"),
        text("SHA256", "SHA512"),
        text("6:", "6 :"),
        text(":A", ":"),
        text(":A", ":AA"),
        text(":A", ":-"),
        text(":", ": "),
        format!("{zero}="),
        format!("{zero}\n"),
        // The last character has two bits to spare; one spelling only.
        format!("{}B", &zero[..zero.len() - 1]),
    ] {
        assert_eq!(bad.parse::<Pin>(), Err(BadPin), "{bad:?}");
    }
}

#[test]
fn headers_keep_order_and_limits() {
    let pairs = |count, name: &str, value: &str| {
        Headers::new(vec![(String::from(name), String::from(value)); count])
    };
    assert!(pairs(HEADERS_MAX, "", "").is_ok());
    assert_eq!(pairs(HEADERS_MAX + 1, "", ""), Err(TooManyHeaders));
    assert!(pairs(1, "n", &"v".repeat(HEADERS_LEN_MAX - 1)).is_ok());
    assert_eq!(pairs(1, "n", &"v".repeat(HEADERS_LEN_MAX)), Err(TooManyHeaders));
    assert_eq!(pairs(1, &"n".repeat(HEADERS_LEN_MAX + 1), ""), Err(TooManyHeaders));
    let given = [("b", "2"), ("a", "é"), ("b", "1")];
    assert!(headers(&given).iter().eq(given), "order and repeats are the sender's");
    assert_eq!(headers(&given).len_bytes(), 7);
}

#[test]
fn close_codes_have_the_numbers_of_their_vectors() {
    let name = |code| match code {
        CloseCode::Done => "done",
        CloseCode::Stopping => "stopping",
        CloseCode::Malformed => "malformed",
        CloseCode::OutOfTurn => "out-of-turn",
        CloseCode::BodyTooLong => "body-too-long",
        CloseCode::OverLimit => "over-limit",
        CloseCode::TooSlow => "too-slow",
        CloseCode::Busy => "busy",
        CloseCode::IdTaken => "id-taken",
        CloseCode::NotJoined => "not-joined",
        CloseCode::TicketNeeded => "ticket-needed",
        CloseCode::TicketBad => "ticket-bad",
        CloseCode::DiskFull => "disk-full",
        CloseCode::TakenOver => "taken-over",
        CloseCode::IdReserved => "id-reserved",
    };
    let vectors: Vec<_> = lines(include_str!("../../vectors/close.txt")).collect();
    assert_eq!(vectors.len(), CloseCode::ALL.len());
    for (vector, code) in vectors.iter().zip(CloseCode::ALL) {
        assert_eq!(*vector, [name(code), &code.number().to_string()]);
        assert_eq!(CloseCode::from_number(code.number().into()), Some(code));
    }
    for unknown in [CloseCode::ALL.len() as u64, 1 << 32, u64::MAX] {
        assert_eq!(CloseCode::from_number(unknown), None);
    }
}

#[test]
fn debug_shows_neither_secrets_nor_bodies() {
    let hello = FromClient::Hello {
        id: user("alice"),
        claim: true,
        code: Some(JoinCode(*b"0123456789abcdef")),
        session: None,
        features: Features::KNOWN,
    };
    let shown = "Hello { id: alice, claim: true, code: Some(JoinCode(..)), session: None, \
        features: Features(15) }";
    assert_eq!(format!("{hello:?}"), shown);
    assert_eq!(format!("{:?}", body(b"secret")), "6 B");
}

/// Errors form a chain, which the command line prints as `what: cause`.
#[test]
fn errors_read_as_part_of_a_sentence() {
    let errors: Vec<(Box<dyn Error>, &str)> = vec![
        (BadName::Empty.into(), "it is empty"),
        (BadName::TooLong.into(), "it is longer than 128 bytes"),
        (BadName::Start.into(), "it must start with a letter or a digit"),
        (
            // Escaped, so that a terminal is safe from it.
            BadName::Character('\u{1b}').into(),
            r"'\u{1b}' is not allowed: ASCII letters, digits and . _ + @ - are",
        ),
        (BadName::Reserved.into(), "@all is everyone, not a room"),
        (BadPin.into(), "a pin is written SHA256: and 43 characters of base64"),
        (TooManyHeaders.into(), "more than 64 headers, or more than 8192 bytes of them"),
        (Malformed::FrameTooLong(u32::MAX).into(), "a frame of 4294967295 bytes"),
        (Malformed::Undecodable.into(), "a frame that cannot be decoded"),
        (Malformed::TooManyUnknown.into(), "too many unknown frames"),
        (Malformed::Chunk.into(), "a body out of order"),
        (Malformed::BodyTooLong(1 << 40).into(), "a body of 1099511627776 bytes"),
    ];
    for (error, text) in errors {
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none(), "{text}");
    }
}

#[test]
fn a_message_id_is_read_back_as_it_is_shown() {
    for id in [MsgId::new(1_700_000_000_000, [7; 10]), MsgId::keyed([0xff; 16])] {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }
    for text in
        ["", "1", "018bcfe5-6800-7707-8707-07070707070", "all", "g18bcfe5680077078707070707070707"]
    {
        assert_eq!(text.parse::<MsgId>(), Err(BadMsgId), "{text}");
    }
}
