//! What holds for the decoder whatever arrives and however it is cut.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qmsg::wire::{
    BUNDLE_MAX, Body, Bundle, CHUNK_LEN_MAX, DeliveryState, FRAME_LEN_MAX, FromClient, FromServer,
    HEADERS_LEN_MAX, HEADERS_MAX, Headers, JoinCode, Kept, Malformed, Message, MsgId, NAME_LEN_MAX,
    NOTE_LEN_MAX, Note, Others, PARKED_LEN_MAX, ParkedKind, REASON_LEN_MAX, RecipientStatus,
    RoomName, SPANS_MAX, STATUSES_MAX, Seq, Session, Span, Start, Target, TooManyHeaders, UserId,
    chunk_len,
};

use super::samples::{first_of, id};
use super::{BODY_LEN_MAX, Pinned, decode, decode_all_ways, encoded};

const PREFIX_LEN: usize = 4;

pub(super) fn config(cases: u32) -> ProptestConfig {
    // A failure prints its input; a file of them beside the sources would have to be kept.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

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

/// Mostly short ones, some that need up to four parts, some that end where a part does.
fn any_body() -> impl Strategy<Value = Body> {
    let long = (any::<u8>(), 0..4 * CHUNK_LEN_MAX).prop_map(|(byte, len)| vec![byte; len]);
    let edge = (1..4usize, 0..3usize).prop_map(|(n, d)| vec![7; n * CHUNK_LEN_MAX + d - 1]);
    let bytes = prop_oneof![6 => vec(any::<u8>(), 0..99), 1 => long, 1 => edge];
    bytes.prop_map(|bytes| Body(bytes.into()))
}

/// A body as it travels: its size, its first part, the others.
fn any_parts() -> impl Strategy<Value = (u64, Body, Vec<Body>)> {
    any_body().prop_map(|body| {
        let size = body.len() as u64;
        let mut parts = body.0.chunks(CHUNK_LEN_MAX).map(|part| body.0.slice_ref(part)).map(Body);
        (size, parts.next().unwrap_or_default(), parts.collect())
    })
}

/// What a message can have behind it.
fn any_others(size: u64) -> impl Strategy<Value = Others> {
    let room = (CHUNK_LEN_MAX as u64).saturating_sub(size) as usize;
    let count = if size > CHUNK_LEN_MAX as u64 { 0 } else { 9 };
    vec(vec(any::<u8>(), 0..=99.min(room / 9)), 0..=count).prop_map(|bodies| {
        let bodies: Vec<Body> = bodies.into_iter().map(|bytes| Body(bytes.into())).collect();
        bodies.iter().collect()
    })
}

/// A body as it travels, and what is behind it.
fn any_bundle() -> impl Strategy<Value = ((u64, Body, Vec<Body>), Others)> {
    any_parts().prop_flat_map(|parts| {
        let others = any_others(parts.0);
        (Just(parts), others)
    })
}

pub(super) fn any_span() -> impl Strategy<Value = Span> {
    (0..u64::MAX, 0..u64::MAX)
        .prop_map(|(one, other)| Span { first: one.min(other), last: one.max(other) })
}

/// The frames of a message; the last part may be one that ends it early.
fn any_send() -> impl Strategy<Value = Vec<FromClient>> {
    let of = (any_id(), any_target(), any_headers(), any_bundle(), any::<bool>(), any::<bool>());
    of.prop_map(|(id, to, headers, ((size, body, parts), others), volatile, cut)| {
        let head = if volatile {
            FromClient::Volatile { id, to, headers, size, body, others }
        } else {
            FromClient::Send { id, to, headers, size, body, others }
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

/// Any frame without a body: those may come between the parts of one.
fn any_other() -> impl Strategy<Value = FromClient> {
    let code = option::of(any::<[u8; 16]>().prop_map(JoinCode));
    prop_oneof![
        (any_user(), any::<bool>(), code, option::of((any::<u64>(), any::<u32>()))).prop_map(
            |(id, claim, code, session)| {
                let session = session.map(|(client, link)| Session { client, link });
                FromClient::Hello { id, claim, code, session }
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

/// Mostly short ones, some as long as can be.
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
            FromClient::Schedule { due_ms, id, to, headers, body: Body(body.into()) }
        }),
        (any_drawer(), any::<u64>())
            .prop_map(|(drawer, after)| FromClient::ListParked { drawer, after }),
        (any_drawer(), option::of(any_id()), any::<bool>())
            .prop_map(|(drawer, id, back)| FromClient::TakeParked { drawer, id, back }),
    ]
}

fn any_deliver() -> impl Strategy<Value = Vec<FromServer>> {
    let numbers = (any::<Seq>(), any::<u64>());
    (numbers, any_id(), any_user(), any_target(), any_headers(), any_bundle()).prop_map(
        |((seq, time_ms), id, from, to, headers, ((size, body, parts), others))| {
            let first = Message { id, from, to, time_ms, headers, size, body };
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

fn any_kept() -> impl Strategy<Value = Kept> {
    let names = (any_drawer(), any_id(), any_user(), any_target());
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>());
    let rest = (any_note(), any_headers(), vec(any::<u8>(), 0..99));
    (names, numbers, rest).prop_map(|(names, numbers, (reason, headers, body))| {
        let (drawer, id, from, to) = names;
        let (number, time_ms, at_ms, attempts, size) = numbers;
        let body = Body(body.into());
        Kept { drawer, number, id, from, to, time_ms, at_ms, attempts, reason, headers, size, body }
    })
}

/// What a server says of levels and drawers.
fn any_news() -> impl Strategy<Value = FromServer> {
    prop_oneof![
        any::<u64>().prop_map(|number| FromServer::Ping { number }),
        (any_id(), vec(any_standing(), 0..=STATUSES_MAX), any::<bool>())
            .prop_map(|(id, standings, more)| FromServer::TrackPage { id, standings, more }),
        any_id().prop_map(|id| FromServer::UnknownMessage { id }),
        (any_id(), any_standing())
            .prop_map(|(id, standing)| FromServer::TrackUpdate { id, standing }),
        any_kept().prop_map(FromServer::Parked),
        (any_drawer(), option::of(any::<u64>()))
            .prop_map(|(drawer, next)| FromServer::ParkedEnd { drawer, next }),
        (any_drawer(), option::of(any_id()), any::<u64>())
            .prop_map(|(drawer, id, count)| FromServer::ParkedTaken { drawer, id, count }),
    ]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..20)
}

/// The single frames of a stream, prefixes included.
fn split(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = vec![];
    while let Some(prefix) = stream.first_chunk::<PREFIX_LEN>() {
        let (frame, rest) = stream.split_at(PREFIX_LEN + u32::from_le_bytes(*prefix) as usize);
        frames.push(frame);
        stream = rest;
    }
    frames
}

proptest! {
    #![proptest_config(config(60))]

    /// Frames come out as they went in, those between the parts of a body too.
    #[test]
    fn sequences_survive_any_cut(
        sends in vec((any_send(), vec(any_other(), 0..5)), 1..5),
        cuts in cuts(),
    ) {
        let mut frames = vec![];
        for (send, others) in sends {
            let mut others = others.into_iter();
            for frame in send {
                frames.push(frame);
                frames.extend(others.next());
            }
        }
        prop_assert!(decode_all_ways(&encoded(&frames), &cuts) == (frames, None, true));
    }

    #[test]
    fn deliveries_come_back_as_sent(
        messages in vec((any_deliver(), vec(any_news(), 0..3)), 1..5),
        cuts in cuts(),
    ) {
        let mut frames = vec![];
        for (message, news) in messages {
            let mut news = news.into_iter();
            for frame in message {
                frames.push(frame);
                frames.extend(news.next());
            }
        }
        let stream = encoded(&frames);
        prop_assert!(split(&stream).iter().all(|f| f.len() <= PREFIX_LEN + FRAME_LEN_MAX));
        prop_assert!(decode_all_ways(&stream, &cuts) == (frames, None, true));
    }

    /// A body that lacks a part, or has one of another length, is noticed where that shows.
    #[test]
    fn a_body_is_whole_or_an_error(
        size in CHUNK_LEN_MAX as u64 + 1..5 * CHUNK_LEN_MAX as u64,
        at in any::<prop::sample::Index>(),
        len in prop_oneof![Just(None), (0..CHUNK_LEN_MAX + 9).prop_map(Some)],
    ) {
        let first = first_of(size);
        let mut left = size - first.len() as u64;
        let mut parts = vec![];
        while left > 0 {
            parts.push(chunk_len(left));
            left -= chunk_len(left) as u64;
        }
        let at = at.index(parts.len());
        let right = parts[at];
        match len {
            Some(len) => parts[at] = len,
            None => drop(parts.remove(at)),
        }
        let mut frames = vec![FromClient::head(size)];
        frames.extend(parts.into_iter().map(|len| FromClient::Chunk(Body(vec![0; len].into()))));
        frames.push(FromClient::head(3));
        let (_, error, _) = decode::<FromClient>([&encoded(&frames)[..]]);
        let wrong = len != Some(right);
        prop_assert_eq!(error, wrong.then_some(Malformed::Chunk));
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn any_bytes_are_frames_or_an_error(
        frames in vec(vec(any::<u8>(), 0..40), 0..6),
        tail in vec(any::<u8>(), 0..20),
        cuts in cuts(),
    ) {
        let mut stream = vec![];
        for value in frames {
            stream.extend_from_slice(&(value.len() as u32).to_le_bytes());
            stream.extend_from_slice(&value);
        }
        stream.extend_from_slice(&tail);
        decode_all_ways::<FromClient>(&stream, &cuts);
        decode_all_ways::<FromServer>(&stream, &cuts);
    }

    /// Near misses get further into the decoder than noise does.
    #[test]
    fn a_changed_byte_is_a_frame_or_an_error(
        sample in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cuts in cuts(),
    ) {
        let mut client = encoded(&[sample.get(&FromClient::samples()).clone()]);
        let mut server = encoded(&[sample.get(&FromServer::samples()).clone()]);
        let (in_client, in_server) = (at.index(client.len()), at.index(server.len()));
        client[in_client] = byte;
        server[in_server] = byte;
        decode_all_ways::<FromClient>(&client, &cuts);
        decode_all_ways::<FromServer>(&server, &cuts);
    }
}

/// Together with "at a boundary once the last frame is out" this bounds what is buffered: whatever
/// waits is shorter than its own prefix says, and that is refused before one byte more is kept.
#[test]
fn nothing_waits_behind_a_prefix_that_is_too_long() {
    for length in [FRAME_LEN_MAX as u32 + 1, u32::MAX] {
        let (frames, error, _) = decode::<FromClient>([&length.to_le_bytes()[..]]);
        assert_eq!((frames, error), (vec![], Some(Malformed::FrameTooLong(length))));
    }
    let most = FRAME_LEN_MAX as u32;
    assert_eq!(decode::<FromClient>([&most.to_le_bytes()[..]]), (vec![], None, false));
}

#[test]
fn the_largest_of_everything_fits_a_frame() {
    let name = "n".repeat(NAME_LEN_MAX);
    let mut pairs = vec![("h".repeat(64), "v".repeat(64)); HEADERS_MAX];
    let headers = Headers::new(pairs.clone()).unwrap();
    assert_eq!(headers.len_bytes(), HEADERS_LEN_MAX);
    pairs[0].0.push('h');
    assert_eq!(Headers::new(pairs), Err(TooManyHeaders));
    let (size, body) = (BODY_LEN_MAX, first_of(BODY_LEN_MAX));
    let (to, from) = (Target::Room(name.parse().unwrap()), name.parse().unwrap());
    let message = Message { id: id(), from, to, time_ms: u64::MAX, headers, size, body };
    let frames = [FromServer::deliver(u64::MAX, &message.clone().into())];
    let stream = encoded(&frames);
    assert!(split(&stream).iter().all(|frame| frame.len() <= PREFIX_LEN + FRAME_LEN_MAX));
    assert_eq!(decode([&stream[..]]), (frames.to_vec(), None, false), "its parts are to come");
    let ones = vec![Body(vec![b'a'; CHUNK_LEN_MAX / BUNDLE_MAX].into()); BUNDLE_MAX];
    let first = Message { size: ones[0].len() as u64, body: ones[0].clone(), ..message.clone() };
    let most = Bundle { first, others: ones[1..].iter().collect() };
    let frames = [FromServer::deliver(u64::MAX, &most)];
    let stream = encoded(&frames);
    assert!(split(&stream).iter().all(|frame| frame.len() <= PREFIX_LEN + FRAME_LEN_MAX));
    assert_eq!(decode([&stream[..]]), (frames.to_vec(), None, true));
    let processed = [FromClient::Ack(vec![Span::one(u64::MAX - 1); SPANS_MAX])];
    assert_eq!(decode([&encoded(&processed)[..]]), (processed.to_vec(), None, true));
    let note = Note::new(Body(vec![b'a'; NOTE_LEN_MAX].into())).unwrap();
    let (user, id) = (name.parse().unwrap(), id());
    let standing = RecipientStatus {
        user,
        state: DeliveryState::Rejected,
        time_ms: u64::MAX,
        note: Some(note),
    };
    let bare = RecipientStatus { note: None, ..standing.clone() };
    let mut standings = vec![bare; STATUSES_MAX - 1];
    standings.push(standing);
    let kept = Kept {
        drawer: ParkedKind::Scheduled,
        number: u64::MAX,
        id,
        from: name.parse().unwrap(),
        to: Target::Room(name.parse().unwrap()),
        time_ms: u64::MAX,
        at_ms: u64::MAX,
        attempts: u32::MAX,
        reason: Note::new(Body(vec![b'a'; REASON_LEN_MAX].into())).unwrap(),
        headers: message.headers,
        size: u64::MAX,
        body: Body(vec![b'a'; PARKED_LEN_MAX].into()),
    };
    let frames = [FromServer::TrackPage { id, standings, more: true }, FromServer::Parked(kept)];
    let stream = encoded(&frames);
    assert!(split(&stream).iter().all(|frame| frame.len() <= PREFIX_LEN + FRAME_LEN_MAX));
    assert_eq!(decode([&stream[..]]), (frames.to_vec(), None, true));
}
