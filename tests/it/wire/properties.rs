//! What holds for the decoder whatever arrives and however it is cut.

use proptest::collection::vec;
use proptest::prelude::*;
use qmsg::wire::{
    BUNDLE_MAX, Body, Bundle, FRAME_LEN_MAX, FromClient, FromServer, HEADERS_LEN_MAX, HEADERS_MAX,
    Headers, JoinCode, Malformed, Message, MsgId, NAME_LEN_MAX, Others, PART_LEN_MAX, RoomName,
    SPANS_MAX, Seq, Span, Target, TooManyHeaders, UserId, part_len,
};

use super::{BODY_LEN_MAX, Pinned, decode, decode_all_ways, encoded, first_of, id};

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
    let long = (any::<u8>(), 0..4 * PART_LEN_MAX).prop_map(|(byte, len)| vec![byte; len]);
    let edge = (1..4usize, 0..3usize).prop_map(|(n, d)| vec![7; n * PART_LEN_MAX + d - 1]);
    let bytes = prop_oneof![6 => vec(any::<u8>(), 0..99), 1 => long, 1 => edge];
    bytes.prop_map(|bytes| Body(bytes.into()))
}

/// A body as it travels: its size, its first part, the others.
fn any_parts() -> impl Strategy<Value = (u64, Body, Vec<Body>)> {
    any_body().prop_map(|body| {
        let size = body.len() as u64;
        let mut parts = body.0.chunks(PART_LEN_MAX).map(|part| body.0.slice_ref(part)).map(Body);
        (size, parts.next().unwrap_or_default(), parts.collect())
    })
}

/// What a message can have behind it.
fn any_others(size: u64) -> impl Strategy<Value = Others> {
    let room = (PART_LEN_MAX as u64).saturating_sub(size) as usize;
    let count = if size > PART_LEN_MAX as u64 { 0 } else { 9 };
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
            FromClient::Pass { id, to, headers, size, body, others }
        } else {
            FromClient::Send { id, to, headers, size, body, others }
        };
        let mut frames = vec![head];
        frames.extend(parts.into_iter().map(FromClient::Part));
        if cut && frames.len() > 1 {
            frames.pop();
            frames.push(FromClient::Cut);
        }
        frames
    })
}

/// Any frame without a body: those may come between the parts of one.
fn any_other() -> impl Strategy<Value = FromClient> {
    let code = proptest::option::of(any::<[u8; 16]>().prop_map(JoinCode));
    prop_oneof![
        (any_user(), any::<bool>(), code).prop_map(|(id, claim, code)| FromClient::Hello {
            id,
            claim,
            code
        }),
        (any::<u32>(), any::<u64>()).prop_map(|(messages, bytes)| FromClient::Attach {
            messages,
            bytes,
            start: qmsg::wire::Start::Unprocessed,
            share: false
        }),
        vec(any_span(), 0..50).prop_map(FromClient::Processed),
        any_room().prop_map(FromClient::Enter),
        any_room().prop_map(FromClient::Leave),
        any::<u32>().prop_map(|count| FromClient::Took { count }),
        any::<u32>().prop_map(|parts| FromClient::More { parts }),
    ]
}

fn any_deliver() -> impl Strategy<Value = Vec<FromServer>> {
    let numbers = (any::<Seq>(), any::<u64>());
    (numbers, any_id(), any_user(), any_target(), any_headers(), any_bundle()).prop_map(
        |((seq, time_ms), id, from, to, headers, ((size, body, parts), others))| {
            let first = Message { id, from, to, time_ms, headers, size, body };
            let head = Bundle { first, others };
            let parts = parts.into_iter().map(FromServer::Part);
            std::iter::once(FromServer::deliver(seq, &head)).chain(parts).collect()
        },
    )
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
    fn deliveries_come_back_as_sent(messages in vec(any_deliver(), 1..5), cuts in cuts()) {
        let frames = messages.concat();
        let stream = encoded(&frames);
        prop_assert!(split(&stream).iter().all(|f| f.len() <= PREFIX_LEN + FRAME_LEN_MAX));
        prop_assert!(decode_all_ways(&stream, &cuts) == (frames, None, true));
    }

    /// A body that lacks a part, or has one of another length, is noticed where that shows.
    #[test]
    fn a_body_is_whole_or_an_error(
        size in PART_LEN_MAX as u64 + 1..5 * PART_LEN_MAX as u64,
        at in any::<prop::sample::Index>(),
        len in prop_oneof![Just(None), (0..PART_LEN_MAX + 9).prop_map(Some)],
    ) {
        let first = first_of(size);
        let mut left = size - first.len() as u64;
        let mut parts = vec![];
        while left > 0 {
            parts.push(part_len(left));
            left -= part_len(left) as u64;
        }
        let at = at.index(parts.len());
        let right = parts[at];
        match len {
            Some(len) => parts[at] = len,
            None => drop(parts.remove(at)),
        }
        let mut frames = vec![FromClient::head(size)];
        frames.extend(parts.into_iter().map(|len| FromClient::Part(Body(vec![0; len].into()))));
        frames.push(FromClient::head(3));
        let (_, error, _) = decode::<FromClient>([&encoded(&frames)[..]]);
        let wrong = len != Some(right);
        prop_assert_eq!(error, wrong.then_some(Malformed::Part));
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
    let ones = vec![Body(vec![b'a'; PART_LEN_MAX / BUNDLE_MAX].into()); BUNDLE_MAX];
    let first = Message { size: ones[0].len() as u64, body: ones[0].clone(), ..message };
    let most = Bundle { first, others: ones[1..].iter().collect() };
    let frames = [FromServer::deliver(u64::MAX, &most)];
    let stream = encoded(&frames);
    assert!(split(&stream).iter().all(|frame| frame.len() <= PREFIX_LEN + FRAME_LEN_MAX));
    assert_eq!(decode([&stream[..]]), (frames.to_vec(), None, true));
    let processed = [FromClient::Processed(vec![Span::one(u64::MAX - 1); SPANS_MAX])];
    assert_eq!(decode([&encoded(&processed)[..]]), (processed.to_vec(), None, true));
}
