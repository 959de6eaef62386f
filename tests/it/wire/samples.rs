//! The value of each vector: every kind of frame, with the edges of what is in it.

use bytes::Bytes;
use qmsg::wire::{
    Body, Bundle, Drawer, FromClient, FromServer, Headers, JoinCode, Kept, Message, MsgId, Note,
    Others, Refusal, RoomName, Session, Span, Standing, Start, Target, UserId, part_len,
};

use super::Pinned;

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
            Self::Holds(_) => "holds",
        }
    }

    fn samples() -> Vec<Self> {
        let code = JoinCode(std::array::from_fn(|i| i as u8 + 1));
        let ops = "ops@example.org".parse().unwrap();
        vec![
            Self::Hello { id: user("alice"), claim: false, code: None, session: None },
            Self::Hello { id: ops, claim: true, code: Some(code), session: None },
            Self::Hello {
                id: user("alice"),
                claim: false,
                code: None,
                session: Some(Session { client: 0x1234_5678_9abc_def0, link: 300 }),
            },
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
            Self::Holds(vec![Span::one(1), Span { first: 300, last: 302 }]),
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
                Refusal::OtherKind => "refused-other-kind",
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
            Self::NoSuchRoom { .. } => "nosuchroom",
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
            Self::Watched { id: id(), standings: vec![], more: false },
            Self::Stands { id: id(), standing: standings().remove(3) },
            Self::Taken { drawer: Drawer::Later, id: None, count: 300 },
            Self::NoSuchRoom { room: self::room("ops") },
            Self::Refused { id: id(), count: 1, why: OtherKind },
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

pub(super) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(super) fn room(name: &str) -> RoomName {
    name.parse().unwrap()
}

pub(super) fn body(bytes: &'static [u8]) -> Body {
    Body(Bytes::from_static(bytes))
}

/// The first part of a body of so many bytes.
pub(super) fn first_of(size: u64) -> Body {
    Body(vec![b'a'; part_len(size)].into())
}

pub(super) fn id() -> MsgId {
    MsgId::new(1_700_000_000_000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
}

pub(super) fn headers(pairs: &[(&str, &str)]) -> Headers {
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
