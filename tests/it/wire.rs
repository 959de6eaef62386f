//! The wire format: golden vectors that pin it, bytes that must be refused, and properties of the
//! decoder; then the names and numbers that frames are made of.

mod bundles;
mod names;
mod properties;

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use qmsg::wire::{
    Body, Bundle, Decoder, Drawer, Frame, FromClient, FromServer, Headers, JoinCode, Kept,
    Malformed, Message, MsgId, Note, Others, PART_LEN_MAX, Refusal, RoomName, Span, Standing,
    Start, Target, UserId, encode, part_len,
};
use serde::de::{Error as _, Visitor, value::Error as CapturedError};
use serde::forward_to_deserialize_any;

const CLIENT: &str = include_str!("../vectors/client.txt");
const SERVER: &str = include_str!("../vectors/server.txt");
const MALFORMED: &str = include_str!("../vectors/malformed.txt");
const BODY_LEN_MAX: u64 = 1 << 20;

/// What the vectors ask of a frame type, beyond what the codec does.
trait Pinned: Frame + PartialEq + Debug {
    /// The variant's name as the vectors spell it. The match behind it makes the compiler ask for a
    /// line here when a variant is added, and `vectors` then asks for its vector.
    fn variant(&self) -> &'static str;
    /// The value of each vector, in the order of the file.
    fn samples() -> Vec<Self>;
    /// A frame that announces a body of so many bytes and brings the first of them.
    fn head(size: u64) -> Self;
}

impl Pinned for FromClient {
    fn variant(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Send { .. } => "send",
            Self::Part(_) => "part",
            Self::Attach { .. } => "attach",
            Self::Processed(_) => "processed",
            Self::Enter(_) => "enter",
            Self::Leave(_) => "leave",
            Self::Pass { .. } => "pass",
            Self::Took { .. } => "took",
            Self::Cut => "cut",
            Self::More { .. } => "more",
            Self::Skipped(_) => "skipped",
            Self::Answered { .. } => "answered",
            Self::Rejected { .. } => "rejected",
            Self::Watch { .. } => "watch",
            Self::Unwatch { .. } => "unwatch",
            Self::Later { .. } => "later",
            Self::Look { .. } => "look",
            Self::Take { .. } => "take",
            Self::Pong { .. } => "pong",
        }
    }

    fn samples() -> Vec<Self> {
        let code = JoinCode(std::array::from_fn(|i| i as u8 + 1));
        let ops = "ops@example.org".parse().unwrap();
        vec![
            Self::Hello { id: user("alice"), claim: false, code: None },
            Self::Hello { id: ops, claim: true, code: Some(code) },
            send("bob", &[("subject", "café")], b"hi\0\xff\n"),
            send("@db-01.cron", &[], b"."),
            send("@all", &[("a", ""), ("a", "b")], b""),
            Self::Part(body(b"def")),
            Self::Attach {
                messages: 1024,
                bytes: 4 << 20,
                start: Start::Unprocessed,
                share: false,
            },
            Self::Processed(vec![Span::one(1), Span { first: 300, last: u64::MAX - 1 }]),
            Self::Processed(vec![]),
            Self::Enter(room("ops")),
            Self::Leave(room("ops")),
            pass(&[]),
            Self::Took { count: 300 },
            Self::Cut,
            Self::More { parts: 300 },
            bundle(send("bob", &[("a", "b")], b"hi")),
            bundle(send("bob", &[], b"")),
            pass(&[b"", b"to"]),
            Self::Attach { messages: 1, bytes: 0, start: Start::Since(300), share: true },
            Self::Attach { messages: 1, bytes: 0, start: Start::After(id()), share: false },
            Self::Skipped(vec![Span::one(1), Span { first: 300, last: 302 }]),
            Self::Answered { seq: 300, reply: note(b"yes\0") },
            Self::Rejected { seq: 300, attempts: 5, reason: note(b"exit code 65") },
            Self::Watch { id: id(), to: Target::All, after: None },
            Self::Watch { id: id(), to: Target::All, after: Some(user("bob")) },
            Self::Unwatch { id: id() },
            Self::Later {
                due_ms: 1_700_000_000_123,
                id: id(),
                to: Target::All,
                headers: Headers::new(vec![("a".into(), "b".into())]).unwrap(),
                body: body(b"hi"),
            },
            Self::Look { drawer: Drawer::Dead, after: 300 },
            Self::Take { drawer: Drawer::Later, id: Some(id()), back: false },
            Self::Take { drawer: Drawer::Dead, id: None, back: true },
            Self::Pong { number: 300 },
        ]
    }

    fn head(size: u64) -> Self {
        let (to, headers) = ("bob".parse().unwrap(), Headers::default());
        let others = Others::default();
        Self::Send { id: id(), to, headers, size, body: first_of(size), others }
    }
}

impl Pinned for FromServer {
    fn variant(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Welcome { .. } => "welcome",
            Self::Accepted { .. } => "accepted",
            Self::Refused { why, .. } => match why {
                Refusal::UnknownTarget => "refused-unknown-target",
                Refusal::MailboxFull => "refused-mailbox-full",
                Refusal::DiskFull => "refused-disk-full",
                Refusal::IdTooOld => "refused-id-too-old",
                Refusal::IdInFuture => "refused-id-in-future",
                Refusal::BodyTooLong { .. } => "refused-body-too-long",
            },
            Self::Deliver { to, .. } => match to {
                Target::User(_) => "deliver-user",
                Target::Room(_) => "deliver-room",
                Target::All => "deliver-all",
            },
            Self::Part(_) => "part",
            Self::Settled { .. } => "settled",
            Self::CaughtUp => "caughtup",
            Self::Cut => "cut",
            Self::More { .. } => "more",
            Self::Lost { .. } => "lost",
            Self::Entered { .. } => "entered",
            Self::Left { .. } => "left",
            Self::RoomRefused { .. } => "roomrefused",
            Self::Pass { .. } => "pass",
            Self::Passed { .. } => "passed",
            Self::Ping { .. } => "ping",
            Self::Watched { .. } => "watched",
            Self::NotThere { .. } => "notthere",
            Self::Stands { .. } => "stands",
            Self::Kept(_) => "kept",
            Self::Looked { .. } => "looked",
            Self::Taken { .. } => "taken",
        }
    }

    fn samples() -> Vec<Self> {
        use Refusal::*;
        let (time_ms, version, room) = (1_700_000_000_123, "qmsg 0.1.0".into(), room("ops"));
        let (sends_max, send_bytes_max) = (1024, 4 << 20);
        let reasons = [
            UnknownTarget,
            MailboxFull,
            DiskFull,
            IdTooOld,
            IdInFuture,
            BodyTooLong { max: 1 << 20 },
        ];
        let mut samples = vec![
            Self::Hello { time_ms, body_len_max: 1 << 20, sends_max, send_bytes_max, version },
            Self::Welcome { id: user("alice"), claimed: true },
            Self::Accepted { id: id(), count: 1, duplicate: false },
            Self::Accepted { id: id(), count: 300, duplicate: true },
        ];
        samples.extend(reasons.map(|why| Self::Refused { id: id(), count: 1, why }));
        samples.extend([
            deliver("bob", &[("subject", "café")], b"hi\0\xff\n"),
            deliver("@ops", &[], b"."),
            deliver("@all", &[], b""),
            Self::Part(body(b"def")),
            Self::Settled { count: u32::MAX },
            Self::CaughtUp,
            Self::Lost { seq: 301, to: Target::Room(room.clone()), count: 7 },
            Self::Entered { room: room.clone(), changed: true },
            Self::Left { room: room.clone(), changed: false },
            Self::RoomRefused { room },
            passed_on(&[]),
            Self::Passed { id: MsgId::new(1_700_000_000_000, [1; 10]), count: 1, readers: 300 },
            Self::Cut,
            Self::More { parts: 300 },
            Self::Refused { id: id(), count: u32::MAX, why: MailboxFull },
            Self::deliver(300, &deliver_all("@ops", &[b"hi", b"", b"to"])),
            passed_on(&[b"", b"to"]),
            Self::Passed { id: id(), count: 1024, readers: 1 },
            Self::Ping { number: 300 },
            Self::Watched { id: id(), standings: standings(), more: true },
            Self::NotThere { id: id() },
            Self::Stands { id: id(), standing: standings().remove(0) },
            Self::Kept(kept()),
            Self::Looked { drawer: Drawer::Dead, next: None },
            Self::Looked { drawer: Drawer::Later, next: Some(300) },
            Self::Taken { drawer: Drawer::Dead, id: Some(id()), count: 1 },
        ]);
        samples
    }

    fn head(size: u64) -> Self {
        let (from, to, headers) = (user("alice"), "bob".parse().unwrap(), Headers::default());
        let body = first_of(size);
        let message = Message { id: id(), from, to, time_ms: 1, headers, size, body };
        Self::deliver(300, &message.into())
    }
}

fn note(bytes: &'static [u8]) -> Note {
    Note::new(body(bytes)).unwrap()
}

fn standings() -> Vec<Standing> {
    use qmsg::wire::State::*;
    let standing = |state| Standing { user: user("bob"), state, time_ms: 300, note: None };
    let mut standings = [Accepted, Delivered, Gone, Refused, Processed].map(standing).to_vec();
    standings[3].note = Some(note(b"no"));
    standings
}

fn kept() -> Kept {
    Kept {
        drawer: Drawer::Dead,
        number: 300,
        id: id(),
        from: user("alice"),
        to: Target::All,
        time_ms: 1_700_000_000_123,
        at_ms: 1_700_000_000_124,
        attempts: 5,
        reason: note(b"exit code 65"),
        headers: Headers::new(vec![("a".into(), "b".into())]).unwrap(),
        size: 1 << 20,
        body: body(b"hi"),
    }
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}

fn body(bytes: &'static [u8]) -> Body {
    Body(Bytes::from_static(bytes))
}

/// The first part of a body of so many bytes.
fn first_of(size: u64) -> Body {
    Body(vec![b'a'; part_len(size)].into())
}

fn id() -> MsgId {
    MsgId::new(1_700_000_000_000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    Headers::new(pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()).unwrap()
}

fn send(to: &str, pairs: &[(&str, &str)], bytes: &'static [u8]) -> FromClient {
    let (to, headers, size) = (to.parse().unwrap(), headers(pairs), bytes.len() as u64);
    FromClient::Send { id: id(), to, headers, size, body: body(bytes), others: others(&[]) }
}

fn others(bodies: &[&'static [u8]]) -> Others {
    bodies.iter().map(|bytes| body(bytes)).collect::<Vec<_>>().iter().collect()
}

/// A sample with others behind it, one of them empty.
fn bundle(mut send: FromClient) -> FromClient {
    if let FromClient::Send { others: behind, .. } = &mut send {
        *behind = others(&[b"", b"to"]);
    }
    send
}

fn pass(behind: &[&'static [u8]]) -> FromClient {
    FromClient::Pass {
        id: MsgId::new(1_700_000_000_000, [1; 10]),
        to: Target::All,
        headers: Headers::default(),
        size: 2,
        body: body(b"hi"),
        others: others(behind),
    }
}

fn passed_on(behind: &[&'static [u8]]) -> FromServer {
    let first = Message {
        id: MsgId::new(1_700_000_000_000, [1; 10]),
        from: user("alice"),
        to: Target::User(user("bob")),
        time_ms: 1_700_000_000_123,
        headers: Headers::default(),
        size: 2,
        body: body(b"hi"),
    };
    FromServer::pass(&Bundle { first, others: others(behind) })
}

fn deliver_all(to: &str, bodies: &[&'static [u8]]) -> Bundle {
    let FromServer::Deliver { id, from, to, time_ms, headers, size, body, .. } =
        deliver(to, &[], bodies[0])
    else {
        panic!("a delivery");
    };
    let first = Message { id, from, to, time_ms, headers, size, body };
    Bundle { first, others: others(&bodies[1..]) }
}

fn deliver(to: &str, pairs: &[(&str, &str)], bytes: &'static [u8]) -> FromServer {
    let (from, to, headers) = (user("alice"), to.parse().unwrap(), headers(pairs));
    let time_ms = 1_700_000_000_123;
    let size = bytes.len() as u64;
    let message = Message { id: id(), from, to, time_ms, headers, size, body: body(bytes) };
    FromServer::deliver(300, &message.into())
}

/// The names of an enum's variants in their order, which is their number on the wire.
fn variants<F: Frame>() -> Vec<String> {
    struct Names;
    impl<'de> serde::Deserializer<'de> for Names {
        type Error = CapturedError;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CapturedError> {
            Err(CapturedError::custom("not an enum"))
        }
        fn deserialize_enum<V: Visitor<'de>>(
            self,
            _: &'static str,
            variants: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, CapturedError> {
            Err(CapturedError::custom(variants.join(" ").to_lowercase()))
        }
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
        }
    }
    let captured = F::deserialize(Names).map(drop).unwrap_err().to_string();
    captured.split(' ').map(String::from).collect()
}

/// Lines of a vector file as words.
fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

/// Reads `0a0b` and, for runs, `0a*300`.
fn unhex(words: &[&str]) -> Vec<u8> {
    let decode = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
    let word = |word: &&str| match word.split_once('*') {
        Some((hex, count)) => decode(hex).repeat(count.parse().unwrap()),
        None => decode(word),
    };
    words.iter().flat_map(word).collect()
}

fn encoded<F: Frame>(frames: &[F]) -> BytesMut {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut out));
    out
}

/// What one decoder makes of a stream: all frames, the error that ended it, whether it may end.
fn decode<'a, F: Frame>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<F>, Option<Malformed>, bool) {
    let (mut decoder, mut frames) = (Decoder::new(BODY_LEN_MAX), vec![]);
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error), false),
            }
        }
    }
    (frames, None, decoder.is_at_boundary())
}

/// Decodes whole, byte by byte and in `cuts`, which must agree.
fn decode_all_ways<F: Pinned>(bytes: &[u8], cuts: &[usize]) -> (Vec<F>, Option<Malformed>, bool) {
    let whole = decode([bytes]);
    assert!(whole == decode(bytes.chunks(1)), "byte by byte as whole");
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    assert!(whole == decode(starts.zip(&cuts).map(|(from, &to)| &bytes[from..to])), "cut as whole");
    whole
}

fn check_vectors<F: Pinned>(text: &str) {
    let variants = variants::<F>();
    let samples = F::samples();
    assert_eq!(lines(text).count(), samples.len());
    let mut missing: BTreeSet<_> = variants.iter().map(String::as_str).collect();
    for (line, sample) in lines(text).zip(&samples) {
        let (name, bytes) = (line[0], unhex(&line[1..]));
        let variant = name.split('-').next().unwrap();
        assert!(name.starts_with(sample.variant()), "{name}: {sample:?}");
        assert_eq!(variants[usize::from(bytes[4])], variant, "{name}: its number");
        missing.remove(variant);
        assert_eq!(encoded(std::slice::from_ref(sample)), bytes, "{name}");
        // A part and the end of a body need one that is under way: there is its head.
        let before = match variant {
            "part" | "cut" => vec![F::head(PART_LEN_MAX as u64 + 3)],
            _ => vec![],
        };
        let head = encoded(&before);
        let expected = [&before[..], std::slice::from_ref(sample)].concat();
        let bytes = [&head[..], &bytes].concat();
        assert!(decode_all_ways(&bytes, &[]) == (expected, None, true), "{name}");
        for end in head.len() + 1..bytes.len() {
            let (frames, error, may_end) = decode::<F>([&bytes[..end]]);
            assert_eq!(
                (frames.len(), error, may_end),
                (before.len(), None, false),
                "{name}, {end}"
            );
        }
    }
    assert!(missing.is_empty(), "variants without a vector: {missing:?}");
}

#[test]
fn vectors() {
    check_vectors::<FromClient>(CLIENT);
    check_vectors::<FromServer>(SERVER);
}

fn kind(error: Malformed) -> &'static str {
    match error {
        Malformed::FrameTooLong(_) => "frame-too-long",
        Malformed::Undecodable => "undecodable",
        Malformed::Part => "part",
        Malformed::BodyTooLong(_) => "body-too-long",
    }
}

fn check_malformed<F: Pinned>(direction: &str) {
    let mine = || lines(MALFORMED).filter(|line| line[0] == direction);
    for line in mine() {
        // In front of a part that is wrong there are frames that are not.
        let (frames, error, _) = decode_all_ways::<F>(&unhex(&line[3..]), &[]);
        assert_eq!(error.map(kind), Some(line[2]), "{}", line[1]);
        assert!(frames.is_empty() || line.len() > 4, "{}", line[1]);
    }
    for variant in variants::<F>() {
        let count = mine().filter(|line| line[1].split('/').next() == Some(&variant)).count();
        assert!(count >= 3, "{direction} {variant} has {count} malformed vectors");
    }
}

#[test]
fn malformed() {
    check_malformed::<FromClient>("client");
    check_malformed::<FromServer>("server");
}
