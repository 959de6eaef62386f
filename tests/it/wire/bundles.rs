//! Bundles, spans, and ids that follow one another.

use proptest::collection::vec;
use proptest::prelude::*;
use qmsg::wire::{
    BUNDLE_MAX, Body, Bundle, BundleRest, CHUNK_LEN_MAX, Decoder, Envelope, FromClient, FromServer,
    Headers, Malformed, Message, MsgId, MsgIds, SPANS_MAX, Span,
};

use super::any::any_span;
use super::properties::config;
use super::samples::{headers, id, user};
use super::{decode, encoded};

fn bundle_of(headers: Headers, bodies: &[Vec<u8>]) -> Bundle {
    let bodies: Vec<Body> = bodies.iter().map(|bytes| Body(bytes.clone().into())).collect();
    let (from, to) = (user("alice"), "@ops".parse().unwrap());
    let (size, body) = (bodies[0].len() as u64, bodies[0].clone());
    let first =
        Message { from, time_ms: 1, envelope: Envelope { id: id(), to, headers, size, body } };
    Bundle { first, others: bodies[1..].iter().collect() }
}

/// A bundle and, as single messages, what it holds.
fn any_bundle() -> impl Strategy<Value = (Bundle, Vec<Message>)> {
    let headers = prop_oneof![Just(headers(&[])), Just(headers(&[("type", "a"), ("b", "")]))];
    (headers, vec(vec(any::<u8>(), 0..30), 1..20)).prop_map(|(headers, bodies)| {
        let bundle = bundle_of(headers, &bodies);
        let alone = (0..).zip(bodies).map(|(at, bytes)| {
            let (id, size, body) = (id().plus(at), bytes.len() as u64, Body(bytes.into()));
            let mut message = bundle.first.clone();
            (message.id, message.size, message.body) = (id, size, body);
            message
        });
        let alone = alone.collect();
        (bundle, alone)
    })
}

/// An index of a message, and a number of messages from there on, at least one.
fn stretch(count: usize, at: prop::sample::Index, len: prop::sample::Index) -> (u64, u64) {
    let at = at.index(count);
    (at as u64, 1 + len.index(count - at) as u64)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn a_bundle_is_its_messages((bundle, alone) in any_bundle()) {
        prop_assert_eq!(bundle.count(), alone.len() as u64);
        prop_assert!(bundle.messages().eq(alone.iter().cloned()));
        let sum = |len: fn(&Message) -> u64| alone.iter().map(len).sum::<u64>();
        prop_assert_eq!(bundle.len_here(), sum(|message| message.len_here()));
        prop_assert_eq!(bundle.len_bytes(0, bundle.count()), sum(|message| message.len_bytes()));
    }

    #[test]
    fn a_slice_is_some_of_its_messages(
        (bundle, alone) in any_bundle(),
        (at, len) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let (at, count) = stretch(alone.len(), at, len);
        let some = &alone[at as usize..(at + count) as usize];
        let slice = bundle.slice(at, count);
        prop_assert!(slice.messages().eq(some.iter().cloned()));
        let bytes: u64 = some.iter().map(|message| message.len_bytes()).sum();
        prop_assert_eq!(bundle.len_bytes(at, count), bytes);
        prop_assert_eq!(bundle.weights().len_bytes(at, count), bytes);
        prop_assert_eq!(slice.len_bytes(0, count), bytes);
        // A slice of a slice, and its bytes on the wire.
        let last = slice.slice(count - 1, 1);
        prop_assert_eq!(&last.first, some.last().unwrap());
        prop_assert!(last.others.is_empty());
        let frames = [FromServer::deliver(7, &slice)];
        prop_assert_eq!(decode([&encoded(&frames)[..]]), (frames.to_vec(), None, true));
    }

    #[test]
    fn as_many_fit_as_there_is_room_for(
        (bundle, alone) in any_bundle(),
        at in any::<prop::sample::Index>(),
        (messages, bytes) in (0..25_u64, 0..400_u64),
    ) {
        let at = at.index(alone.len());
        let mut sum = 0;
        let fit = alone[at..].iter().take(messages as usize).take_while(|message| {
            sum += message.len_bytes();
            sum <= bytes
        });
        prop_assert_eq!(bundle.fitting(at as u64, messages, bytes), fit.count().max(1) as u64);
    }

    #[test]
    fn spans_come_back_as_sent(spans in vec(any_span(), 0..20)) {
        let frames = [FromClient::Ack(spans)];
        prop_assert_eq!(decode([&encoded(&frames)[..]]), (frames.to_vec(), None, true));
    }

    /// The ids after an id keep its time, differ from it, and return to it after 2^62 steps.
    #[test]
    fn ids_behind_an_id(random in any::<[u8; 10]>(), count in 1..u64::MAX >> 2, more in 1..9_u64) {
        let id = MsgId::new(1_700_000_000_000, random);
        let next = id.plus(count);
        prop_assert_ne!(next, id);
        prop_assert_eq!(next.unix_ms(), id.unix_ms());
        prop_assert_eq!(next.plus(more), id.plus(count + more));
        let same = |id: MsgId| (id.as_bytes()[6] >> 4, id.as_bytes()[8] >> 6);
        prop_assert_eq!(same(next), (7, 2), "version and variant stay");
        prop_assert_eq!(next.plus((1 << 62) - count), id, "and the counter wraps");
    }
}

#[test]
fn ids_of_a_millisecond_follow_one_another() {
    let mut ids = MsgIds::default();
    let mut asked = 0;
    let mut next = |unix_ms| {
        ids.next_id(unix_ms, || {
            asked += 1;
            [asked; 10]
        })
    };
    let first = next(5);
    assert_eq!(first, MsgId::new(5, [1; 10]));
    assert_eq!([next(5), next(5)], [first.plus(1), first.plus(2)]);
    let later = next(6);
    assert_eq!((later, next(6)), (MsgId::new(6, [2; 10]), later.plus(1)));
    assert_eq!(next(5), MsgId::new(5, [3; 10]), "a clock that was put back repeats nothing");
    assert_eq!(asked, 3);
}

#[test]
fn spans_count_what_they_have() {
    assert_eq!(Span::one(7), Span::starting_at(7, 1));
    assert_eq!(Span::starting_at(7, 3), Span { first: 7, last: 9 });
    assert_eq!((Span::one(7).count(), Span::starting_at(7, 3).count()), (1, 3));
    assert_eq!(Span { first: 0, last: u64::MAX - 1 }.count(), u64::MAX);
}

#[test]
fn bundles_have_limits() {
    let sends = |count: usize, len: usize| {
        let bundle = bundle_of(headers(&[]), &vec![vec![7; len]; count]);
        let stream = encoded(&[FromServer::deliver(1, &bundle)]);
        decode::<FromServer>([&stream[..]]).1
    };
    assert_eq!(sends(BUNDLE_MAX, 0), None);
    assert_eq!(sends(BUNDLE_MAX + 1, 0), Some(Malformed::Undecodable), "in number");
    assert_eq!(sends(2, CHUNK_LEN_MAX / 2), None);
    assert_eq!(sends(2, CHUNK_LEN_MAX / 2 + 1), Some(Malformed::Chunk), "in bytes");
    assert_eq!(sends(1, CHUNK_LEN_MAX), None);
    let report = |count: usize| {
        let stream = encoded(&[FromClient::Ack(vec![Span::one(1); count])]);
        decode::<FromClient>([&stream[..]]).1
    };
    assert_eq!(report(SPANS_MAX), None);
    assert_eq!(report(SPANS_MAX + 1), Some(Malformed::Undecodable));
}

/// A long body has no rest of a bundle, however many bytes that has.
#[test]
fn nothing_is_behind_a_long_body() {
    let first = bundle_of(headers(&[]), &[vec![7; CHUNK_LEN_MAX]]).first;
    for others in [vec![vec![]], vec![vec![7; 9]]] {
        let bodies: Vec<Body> = others.into_iter().map(|bytes| Body(bytes.into())).collect();
        let others: BundleRest = bodies.iter().collect();
        let size = CHUNK_LEN_MAX as u64 + 5;
        let mut bundle = Bundle { first: first.clone(), others };
        bundle.first.size = size;
        let stream = encoded(&[FromServer::deliver(1, &bundle)]);
        assert_eq!(decode::<FromServer>([&stream[..]]).1, Some(Malformed::Chunk));
    }
}

#[test]
fn no_body_of_a_bundle_is_longer_than_is_allowed() {
    let long = |len| Some(Malformed::BodyTooLong(len));
    let cases = [([10, 10, 10], None), ([11, 0, 0], long(11)), ([0, 10, 12], long(12))];
    for (lengths, error) in cases {
        let bundle = bundle_of(headers(&[]), &lengths.map(|len| vec![7; len]));
        let mut decoder = Decoder::<FromServer>::new(10);
        decoder.push(&encoded(&[FromServer::deliver(1, &bundle)]));
        assert_eq!(decoder.next_frame().err(), error, "{lengths:?}");
    }
}
