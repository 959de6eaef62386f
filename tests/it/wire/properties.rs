//! Properties of the decoder for any input, divided into reads anywhere.

use proptest::collection::vec;
use proptest::prelude::*;
use qmsg::wire::{
    BUNDLE_MAX, Body, Bundle, CHUNK_LEN_MAX, DeliveryState, Envelope, FRAME_LEN_MAX, FromClient,
    FromServer, HEADERS_LEN_MAX, HEADERS_MAX, Headers, Malformed, Message, NAME_LEN_MAX,
    NOTE_LEN_MAX, Note, PARKED_LEN_MAX, ParkedKind, ParkedMessage, REASON_LEN_MAX, RecipientStatus,
    SPANS_MAX, STATUSES_MAX, Span, Target, TooManyHeaders, chunk_len,
};

use super::any::{any_deliver, any_news, any_other, any_send};
use super::samples::{first_of, id};
use super::{BODY_LEN_MAX, Pinned, decode, decode_all_ways, encoded};

const PREFIX_LEN: usize = 4;

pub(super) fn config(cases: u32) -> ProptestConfig {
    // A failure prints its input; a file of them beside the sources would have to be kept.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..20)
}

/// Splits a stream into frames, prefixes included.
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

    /// Decoding returns the encoded frames, those between the chunks of a body too.
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

    /// A missing chunk, or one of a wrong length, is an error at the first frame that reveals it.
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

    /// Frames with one wrong byte get further into the decoder than random bytes.
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

/// The decoder buffers less than one frame: a prefix over the limit is refused before the bytes
/// after it are kept, and after the last frame nothing is left.
#[test]
fn nothing_waits_behind_a_prefix_that_is_too_long() {
    for length in [FRAME_LEN_MAX as u32 + 1, u32::MAX] {
        let (frames, error, _) = decode::<FromClient>([&length.to_le_bytes()[..]]);
        // The highest bit marks an optional frame.
        let length = length & !(1 << 31);
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
    let envelope = Envelope { id: id(), to, headers, size, body };
    let message = Message { from, time_ms: u64::MAX, envelope };
    let frames = [FromServer::deliver(u64::MAX, &message.clone().into())];
    let stream = encoded(&frames);
    assert!(split(&stream).iter().all(|frame| frame.len() <= PREFIX_LEN + FRAME_LEN_MAX));
    assert_eq!(decode([&stream[..]]), (frames.to_vec(), None, false), "its parts are to come");
    let ones = vec![Body(vec![b'a'; CHUNK_LEN_MAX / BUNDLE_MAX].into()); BUNDLE_MAX];
    let mut first = message.clone();
    (first.size, first.body) = (ones[0].len() as u64, ones[0].clone());
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
    let mut parked = message;
    parked.size = u64::MAX;
    parked.body.0.truncate(PARKED_LEN_MAX);
    let parked = ParkedMessage {
        kind: ParkedKind::Scheduled,
        number: u64::MAX,
        at_ms: u64::MAX,
        attempts: u32::MAX,
        reason: Note::new(Body(vec![b'a'; REASON_LEN_MAX].into())).unwrap(),
        message: parked,
    };
    let frames =
        [FromServer::TrackPage { id, statuses: standings, more: true }, FromServer::Parked(parked)];
    let stream = encoded(&frames);
    assert!(split(&stream).iter().all(|frame| frame.len() <= PREFIX_LEN + FRAME_LEN_MAX));
    assert_eq!(decode([&stream[..]]), (frames.to_vec(), None, true));
}
