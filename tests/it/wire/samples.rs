//! The value of each vector: every frame, with its fields at their bounds.

use bytes::Bytes;
use qmsg::wire::{
    Body, Bundle, BundleRest, Envelope, Features, FromClient, FromServer, Headers, JoinCode,
    Message, MsgId, Note, ParkedKind, ParkedMessage, RecipientStatus, Refusal, RoomName, Session,
    Span, Start, Target, UserId, chunk_len,
};

use super::Pinned;

impl Pinned for FromClient {
    fn variant(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Send { .. } => "send",
            Self::Chunk(_) => "chunk",
            Self::Subscribe { .. } => "subscribe",
            Self::Ack(_) => "ack",
            Self::JoinRoom(_) => "joinroom",
            Self::LeaveRoom(_) => "leaveroom",
            Self::Volatile { .. } => "volatile",
            Self::AckVolatile { .. } => "ackvolatile",
            Self::AbortBody => "abortbody",
            Self::ChunkCredit { .. } => "chunkcredit",
            Self::Release(_) => "release",
            Self::Reply { .. } => "reply",
            Self::Reject { .. } => "reject",
            Self::Track { .. } => "track",
            Self::Untrack { .. } => "untrack",
            Self::Schedule { .. } => "schedule",
            Self::ListParked { .. } => "listparked",
            Self::TakeParked { .. } => "takeparked",
            Self::Pong { .. } => "pong",
            Self::Resume(_) => "resume",
        }
    }

    fn samples() -> Vec<Self> {
        let code = JoinCode(std::array::from_fn(|i| i as u8 + 1));
        let ops = "ops@example.org".parse().unwrap();
        vec![
            Self::Hello {
                id: user("alice"),
                claim: false,
                code: None,
                session: None,
                features: Features::default(),
            },
            Self::Hello {
                id: ops,
                claim: true,
                code: Some(code),
                session: None,
                features: Features::KNOWN,
            },
            Self::Hello {
                id: user("alice"),
                claim: false,
                code: None,
                session: Some(Session { client: 0x1234_5678_9abc_def0, link: 300 }),
                features: Features::from_bits(u64::MAX),
            },
            send("bob", &[("subject", "café")], b"hi\0\xff\n"),
            send("@db-01.cron", &[], b"."),
            send("@all", &[("a", ""), ("a", "b")], b""),
            Self::Chunk(body(b"def")),
            Self::Subscribe { messages: 1024, bytes: 4 << 20, start: Start::Unacked, share: false },
            Self::Ack(vec![Span::one(1), Span { first: 300, last: u64::MAX - 1 }]),
            Self::Ack(vec![]),
            Self::JoinRoom(room("ops")),
            Self::LeaveRoom(room("ops")),
            volatile(&[]),
            Self::AckVolatile { count: 300 },
            Self::AbortBody,
            Self::ChunkCredit { parts: 300 },
            bundle(send("bob", &[("a", "b")], b"hi")),
            bundle(send("bob", &[], b"")),
            volatile(&[b"", b"to"]),
            Self::Subscribe { messages: 1, bytes: 0, start: Start::Since(300), share: true },
            Self::Subscribe { messages: 1, bytes: 0, start: Start::After(id()), share: false },
            Self::Release(vec![Span::one(1), Span { first: 300, last: 302 }]),
            Self::Reply { seq: 300, reply: note(b"yes\0") },
            Self::Reject { seq: 300, attempts: 5, reason: note(b"exit code 65") },
            Self::Track { id: id(), to: Target::All, after: None },
            Self::Track { id: id(), to: Target::All, after: Some(user("bob")) },
            Self::Untrack { id: id() },
            Self::Schedule {
                due_ms: 1_700_000_000_123,
                envelope: envelope("@all", &[("a", "b")], b"hi"),
            },
            Self::ListParked { kind: ParkedKind::DeadLetters, after: 300 },
            Self::TakeParked { kind: ParkedKind::Scheduled, id: Some(id()), back: false },
            Self::TakeParked { kind: ParkedKind::DeadLetters, id: None, back: true },
            Self::Pong { number: 300 },
            Self::Resume(vec![Span::one(1), Span { first: 300, last: 302 }]),
        ]
    }

    fn head(size: u64) -> Self {
        let mut envelope = envelope("bob", &[], b"");
        (envelope.size, envelope.body) = (size, first_of(size));
        Self::Send { envelope, others: BundleRest::default() }
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
            Self::Deliver { bundle, .. } => match bundle.first.to {
                Target::User(_) => "deliver-user",
                Target::Room(_) => "deliver-room",
                Target::All => "deliver-all",
            },
            Self::Chunk(_) => "chunk",
            Self::AckRecorded { .. } => "ackrecorded",
            Self::CaughtUp => "caughtup",
            Self::AbortBody => "abortbody",
            Self::ChunkCredit { .. } => "chunkcredit",
            Self::Gap { .. } => "gap",
            Self::RoomJoined { .. } => "roomjoined",
            Self::RoomLeft { .. } => "roomleft",
            Self::RoomRefused { .. } => "roomrefused",
            Self::NoSuchRoom { .. } => "nosuchroom",
            Self::Volatile { .. } => "volatile",
            Self::VolatileSent { .. } => "volatilesent",
            Self::Ping { .. } => "ping",
            Self::TrackPage { .. } => "trackpage",
            Self::UnknownMessage { .. } => "unknownmessage",
            Self::TrackUpdate { .. } => "trackupdate",
            Self::Parked(_) => "parked",
            Self::ParkedEnd { .. } => "parkedend",
            Self::ParkedTaken { .. } => "parkedtaken",
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
            Self::Hello {
                time_ms,
                body_len_max: 1 << 20,
                sends_max,
                send_bytes_max,
                version,
                features: Features::KNOWN,
            },
            Self::Welcome { id: user("alice"), claimed: true },
            Self::Accepted { id: id(), count: 1, duplicate: false },
            Self::Accepted { id: id(), count: 300, duplicate: true },
        ];
        samples.extend(reasons.map(|why| Self::Refused { id: id(), count: 1, why }));
        samples.extend([
            deliver("bob", &[("subject", "café")], b"hi\0\xff\n"),
            deliver("@ops", &[], b"."),
            deliver("@all", &[], b""),
            Self::Chunk(body(b"def")),
            Self::AckRecorded { count: u32::MAX },
            Self::CaughtUp,
            Self::Gap { seq: 301, to: Target::Room(room.clone()), count: 7 },
            Self::RoomJoined { room: room.clone(), changed: true },
            Self::RoomLeft { room: room.clone(), changed: false },
            Self::RoomRefused { room },
            volatile_delivery(&[]),
            Self::VolatileSent {
                id: MsgId::new(1_700_000_000_000, [1; 10]),
                count: 1,
                readers: 300,
            },
            Self::AbortBody,
            Self::ChunkCredit { parts: 300 },
            Self::Refused { id: id(), count: u32::MAX, why: MailboxFull },
            delivery_of_several(),
            volatile_delivery(&[b"", b"to"]),
            Self::VolatileSent { id: id(), count: 1024, readers: 1 },
            Self::Ping { number: 300 },
            Self::TrackPage { id: id(), statuses: standings(), more: true },
            Self::UnknownMessage { id: id() },
            Self::TrackUpdate { id: id(), status: standings().remove(0) },
            Self::Parked(parked()),
            Self::ParkedEnd { kind: ParkedKind::DeadLetters, next: None },
            Self::ParkedEnd { kind: ParkedKind::Scheduled, next: Some(300) },
            Self::ParkedTaken { kind: ParkedKind::DeadLetters, id: Some(id()), count: 1 },
            Self::TrackPage { id: id(), statuses: vec![], more: false },
            Self::TrackUpdate { id: id(), status: standings().remove(3) },
            Self::ParkedTaken { kind: ParkedKind::Scheduled, id: None, count: 300 },
            Self::NoSuchRoom { room: self::room("ops") },
            Self::Refused { id: id(), count: 1, why: OtherKind },
        ]);
        samples
    }

    fn head(size: u64) -> Self {
        let mut message = message("bob", &[], b"");
        (message.size, message.body) = (size, first_of(size));
        message.time_ms = 1;
        Self::deliver(300, &message.into())
    }
}

fn note(bytes: &'static [u8]) -> Note {
    Note::new(body(bytes)).unwrap()
}

fn standings() -> Vec<RecipientStatus> {
    use qmsg::wire::DeliveryState::*;
    let standing = |state| RecipientStatus { user: user("bob"), state, time_ms: 300, note: None };
    let mut standings = [Accepted, Delivered, Gone, Rejected, Processed].map(standing).to_vec();
    standings[3].note = Some(note(b"no"));
    standings
}

fn parked() -> ParkedMessage {
    let mut message = message("@all", &[("a", "b")], b"hi");
    message.size = 1 << 20;
    ParkedMessage {
        kind: ParkedKind::DeadLetters,
        number: 300,
        at_ms: 1_700_000_000_124,
        attempts: 5,
        reason: note(b"exit code 65"),
        message,
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

/// The first chunk of a body of this size.
pub(super) fn first_of(size: u64) -> Body {
    Body(vec![b'a'; chunk_len(size)].into())
}

pub(super) fn id() -> MsgId {
    MsgId::new(1_700_000_000_000, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
}

pub(super) fn headers(pairs: &[(&str, &str)]) -> Headers {
    Headers::new(pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()).unwrap()
}

fn envelope(to: &str, pairs: &[(&str, &str)], bytes: &'static [u8]) -> Envelope {
    Envelope::new(id(), to.parse().unwrap(), headers(pairs), body(bytes))
}

fn message(to: &str, pairs: &[(&str, &str)], bytes: &'static [u8]) -> Message {
    let envelope = envelope(to, pairs, bytes);
    Message { from: user("alice"), time_ms: 1_700_000_000_123, envelope }
}

fn send(to: &str, pairs: &[(&str, &str)], bytes: &'static [u8]) -> FromClient {
    FromClient::Send { envelope: envelope(to, pairs, bytes), others: others(&[]) }
}

fn others(bodies: &[&'static [u8]]) -> BundleRest {
    bodies.iter().map(|bytes| body(bytes)).collect::<Vec<_>>().iter().collect()
}

/// The same sample as a bundle of three messages, one of them empty.
fn bundle(mut send: FromClient) -> FromClient {
    if let FromClient::Send { others: behind, .. } = &mut send {
        *behind = others(&[b"", b"to"]);
    }
    send
}

fn volatile(others: &[&'static [u8]]) -> FromClient {
    let mut envelope = envelope("@all", &[], b"hi");
    envelope.id = MsgId::new(1_700_000_000_000, [1; 10]);
    FromClient::Volatile { envelope, others: self::others(others) }
}

fn volatile_delivery(others: &[&'static [u8]]) -> FromServer {
    let mut first = message("bob", &[], b"hi");
    first.id = MsgId::new(1_700_000_000_000, [1; 10]);
    FromServer::Volatile(Bundle { first, others: self::others(others) })
}

fn delivery_of_several() -> FromServer {
    let first = message("@ops", &[], b"hi");
    FromServer::Deliver { seq: 300, bundle: Bundle { first, others: others(&[b"", b"to"]) } }
}

fn deliver(to: &str, pairs: &[(&str, &str)], bytes: &'static [u8]) -> FromServer {
    FromServer::deliver(300, &message(to, pairs, bytes).into())
}
