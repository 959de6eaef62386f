//! Strategies of proptest for names, messages and frames.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qmsg::wire::{
    Body, Bundle, BundleRest, CHUNK_LEN_MAX, DeliveryState, Envelope, Features, FromClient,
    FromServer, Headers, JoinCode, Message, MsgId, NOTE_LEN_MAX, Note, ParkedKind, ParkedMessage,
    RecipientStatus, RoomName, STATUSES_MAX, Seq, Session, Span, Start, Target, UserId,
};

fn any_user() -> impl Strategy<Value = UserId> {
    "[a-z0-9][a-z0-9._+@-]{0,127}".prop_map(|name| name.parse().unwrap())
}

fn any_room() -> impl Strategy<Value = RoomName> {
    "[a-z0-9][a-z0-9._+@-]{0,127}".prop_filter_map("@all", |name| name.parse().ok())
}

fn any_target() -> impl Strategy<Value = Target> {
    let user = any_user().prop_map(Target::User);
    prop_oneof![user, any_room().prop_map(Target::Room), Just(Target::All)]
}

fn any_id() -> impl Strategy<Value = MsgId> {
    any::<[u8; 16]>().prop_map(MsgId::from_bytes)
}

fn any_headers() -> impl Strategy<Value = Headers> {
    vec((any::<String>(), any::<String>()), 0..4).prop_map(|pairs| Headers::new(pairs).unwrap())
}

/// Bodies: most are short, some need up to four chunks, some end where a chunk does.
fn any_body() -> impl Strategy<Value = Body> {
    let long = (any::<u8>(), 0..4 * CHUNK_LEN_MAX).prop_map(|(byte, len)| vec![byte; len]);
    let edge = (1..4usize, 0..3usize).prop_map(|(n, d)| vec![7; n * CHUNK_LEN_MAX + d - 1]);
    let bytes = prop_oneof![6 => vec(any::<u8>(), 0..99), 1 => long, 1 => edge];
    bytes.prop_map(|bytes| Body(bytes.into()))
}

/// A body as it travels: its size, its first chunk, the other chunks.
fn any_parts() -> impl Strategy<Value = (u64, Body, Vec<Body>)> {
    any_body().prop_map(|body| {
        let size = body.len() as u64;
        let mut parts = body.0.chunks(CHUNK_LEN_MAX).map(|part| body.0.slice_ref(part)).map(Body);
        (size, parts.next().unwrap_or_default(), parts.collect())
    })
}

/// The rest of a bundle whose first body has this size.
fn any_others(size: u64) -> impl Strategy<Value = BundleRest> {
    let room = (CHUNK_LEN_MAX as u64).saturating_sub(size) as usize;
    let count = if size > CHUNK_LEN_MAX as u64 { 0 } else { 9 };
    vec(vec(any::<u8>(), 0..=99.min(room / 9)), 0..=count).prop_map(|bodies| {
        let bodies: Vec<Body> = bodies.into_iter().map(|bytes| Body(bytes.into())).collect();
        bodies.iter().collect()
    })
}

/// A body as it travels, and the rest of its bundle.
fn any_bundle() -> impl Strategy<Value = ((u64, Body, Vec<Body>), BundleRest)> {
    any_parts().prop_flat_map(|parts| {
        let others = any_others(parts.0);
        (Just(parts), others)
    })
}

pub(super) fn any_span() -> impl Strategy<Value = Span> {
    (0..u64::MAX, 0..u64::MAX)
        .prop_map(|(one, other)| Span { first: one.min(other), last: one.max(other) })
}

/// The frames of a message; the last one may abort the body.
pub(super) fn any_send() -> impl Strategy<Value = Vec<FromClient>> {
    let of = (any_id(), any_target(), any_headers(), any_bundle(), any::<bool>(), any::<bool>());
    of.prop_map(|(id, to, headers, ((size, body, parts), others), volatile, cut)| {
        let envelope = Envelope { id, to, headers, size, body };
        let head = if volatile {
            FromClient::Volatile { envelope, others }
        } else {
            FromClient::Send { envelope, others }
        };
        let mut frames = vec![head];
        frames.extend(parts.into_iter().map(FromClient::Chunk));
        if cut && frames.len() > 1 {
            frames.pop();
            frames.push(FromClient::AbortBody);
        }
        frames
    })
}

/// Any frame without a body: it may come between the chunks of one.
pub(super) fn any_other() -> impl Strategy<Value = FromClient> {
    let code = option::of(any::<[u8; 16]>().prop_map(JoinCode));
    prop_oneof![
        (any_user(), any::<bool>(), code, option::of((any::<u64>(), any::<u32>()))).prop_map(
            |(id, claim, code, session)| {
                let session = session.map(|(client, link)| Session { client, link });
                FromClient::Hello { id, claim, code, session, features: Features::KNOWN }
            }
        ),
        (any::<u32>(), any::<u64>(), any_start(), any::<bool>()).prop_map(
            |(messages, bytes, start, share)| FromClient::Subscribe {
                messages,
                bytes,
                start,
                share
            }
        ),
        vec(any_span(), 0..50).prop_map(FromClient::Ack),
        any_room().prop_map(FromClient::JoinRoom),
        any_room().prop_map(FromClient::LeaveRoom),
        any::<u32>().prop_map(|count| FromClient::AckVolatile { count }),
        any::<u32>().prop_map(|parts| FromClient::ChunkCredit { parts }),
        any_verdict(),
        any_request(),
    ]
}

fn any_start() -> impl Strategy<Value = Start> {
    let (since, after) = (any::<u64>().prop_map(Start::Since), any_id().prop_map(Start::After));
    prop_oneof![Just(Start::Unacked), since, after]
}

/// Notes: most are short, some as long as allowed.
fn any_note() -> impl Strategy<Value = Note> {
    let long = any::<u8>().prop_map(|byte| vec![byte; NOTE_LEN_MAX]);
    let bytes = prop_oneof![9 => vec(any::<u8>(), 0..99), 1 => long];
    bytes.prop_map(|bytes| Note::new(Body(bytes.into())).unwrap())
}

fn any_verdict() -> impl Strategy<Value = FromClient> {
    prop_oneof![
        vec(any_span(), 0..50).prop_map(FromClient::Release),
        (any::<Seq>(), any_note()).prop_map(|(seq, reply)| FromClient::Reply { seq, reply }),
        (any::<Seq>(), any::<u32>(), any_note())
            .prop_map(|(seq, attempts, reason)| { FromClient::Reject { seq, attempts, reason } }),
        any::<u64>().prop_map(|number| FromClient::Pong { number }),
    ]
}

fn any_drawer() -> impl Strategy<Value = ParkedKind> {
    any::<bool>()
        .prop_map(|dead| if dead { ParkedKind::DeadLetters } else { ParkedKind::Scheduled })
}

fn any_request() -> impl Strategy<Value = FromClient> {
    let later = (any::<u64>(), any_id(), any_target(), any_headers(), vec(any::<u8>(), 0..99));
    prop_oneof![
        (any_id(), any_target(), option::of(any_user()))
            .prop_map(|(id, to, after)| FromClient::Track { id, to, after }),
        any_id().prop_map(|id| FromClient::Untrack { id }),
        later.prop_map(|(due_ms, id, to, headers, body)| {
            let envelope = Envelope::new(id, to, headers, Body(body.into()));
            FromClient::Schedule { due_ms, envelope }
        }),
        (any_drawer(), any::<u64>())
            .prop_map(|(drawer, after)| FromClient::ListParked { kind: drawer, after }),
        (any_drawer(), option::of(any_id()), any::<bool>())
            .prop_map(|(drawer, id, back)| FromClient::TakeParked { kind: drawer, id, back }),
    ]
}

pub(super) fn any_deliver() -> impl Strategy<Value = Vec<FromServer>> {
    let numbers = (any::<Seq>(), any::<u64>());
    (numbers, any_id(), any_user(), any_target(), any_headers(), any_bundle()).prop_map(
        |((seq, time_ms), id, from, to, headers, ((size, body, parts), others))| {
            let envelope = Envelope { id, to, headers, size, body };
            let first = Message { from, time_ms, envelope };
            let head = Bundle { first, others };
            let parts = parts.into_iter().map(FromServer::Chunk);
            std::iter::once(FromServer::deliver(seq, &head)).chain(parts).collect()
        },
    )
}

fn any_standing() -> impl Strategy<Value = RecipientStatus> {
    const STATES: [DeliveryState; 5] = [
        DeliveryState::Accepted,
        DeliveryState::Delivered,
        DeliveryState::Gone,
        DeliveryState::Rejected,
        DeliveryState::Processed,
    ];
    let note = option::of(vec(any::<u8>(), 0..30));
    (any_user(), 0..STATES.len(), any::<u64>(), note).prop_map(|(user, state, time_ms, note)| {
        let note = note.map(|bytes| Note::new(Body(bytes.into())).unwrap());
        RecipientStatus { user, state: STATES[state], time_ms, note }
    })
}

fn any_parked() -> impl Strategy<Value = ParkedMessage> {
    let names = (any_drawer(), any_id(), any_user(), any_target());
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>());
    let rest = (any_note(), any_headers(), vec(any::<u8>(), 0..99));
    (names, numbers, rest).prop_map(|(names, numbers, (reason, headers, body))| {
        let (drawer, id, from, to) = names;
        let (number, time_ms, at_ms, attempts, size) = numbers;
        let envelope = Envelope { id, to, headers, size, body: Body(body.into()) };
        let message = Message { from, time_ms, envelope };
        ParkedMessage { kind: drawer, number, at_ms, attempts, reason, message }
    })
}

/// Frames of a server about tracked and parked messages.
pub(super) fn any_news() -> impl Strategy<Value = FromServer> {
    prop_oneof![
        any::<u64>().prop_map(|number| FromServer::Ping { number }),
        (any_id(), vec(any_standing(), 0..=STATUSES_MAX), any::<bool>()).prop_map(
            |(id, standings, more)| FromServer::TrackPage { id, statuses: standings, more }
        ),
        any_id().prop_map(|id| FromServer::UnknownMessage { id }),
        (any_id(), any_standing())
            .prop_map(|(id, standing)| FromServer::TrackUpdate { id, status: standing }),
        any_parked().prop_map(FromServer::Parked),
        (any_drawer(), option::of(any::<u64>()))
            .prop_map(|(drawer, next)| FromServer::ParkedEnd { kind: drawer, next }),
        (any_drawer(), option::of(any_id()), any::<u64>())
            .prop_map(|(drawer, id, count)| FromServer::ParkedTaken { kind: drawer, id, count }),
    ]
}
