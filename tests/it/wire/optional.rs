//! Frames and features of versions that do not exist yet.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use qmsg::wire::{
    CHUNK_LEN_MAX, Decoder, FRAME_LEN_MAX, Feature, Features, Frame, FromClient, FromServer,
    Malformed, SKIPPED_MAX,
};

use super::{Pinned, decode, decode_all_ways, encoded, variants};

const OPTIONAL: u32 = 1 << 31;

/// A frame with this variant number, followed by these bytes.
fn raw(variant: u8, rest: &[u8], flag: u32) -> Vec<u8> {
    assert!(variant < 0x80, "a number of one byte");
    let length = 1 + rest.len() as u32;
    [&(length | flag).to_le_bytes()[..], &[variant], rest].concat()
}

fn skips_what_is_optional<F: Pinned>() {
    let next = F::VARIANTS as u8;
    let longest = vec![0; FRAME_LEN_MAX - 1];
    let frames = F::samples();
    let plain: Vec<_> = frames.iter().filter(|frame| !needs_body(*frame)).cloned().collect();
    for rest in [&[][..], b"later", &longest] {
        let unknown = raw(next, rest, OPTIONAL);
        let mut stream = BytesMut::new();
        for frame in &plain {
            stream.put_slice(&unknown);
            stream.put_slice(&encoded(std::slice::from_ref(frame)));
        }
        stream.put_slice(&unknown);
        assert!(decode([&stream[..]]) == (plain.clone(), None, true));
    }
    let required = decode::<F>([&raw(next, b"later", 0)[..]]);
    assert_eq!(required.1, Some(Malformed::Undecodable), "it has to be understood");
}

/// True for a chunk or an abort, which are valid only after the beginning of a body.
fn needs_body<F: Pinned>(frame: &F) -> bool {
    matches!(frame.variant(), "chunk" | "abortbody")
}

#[test]
fn unknown_optional_frames_are_skipped_and_others_are_not() {
    skips_what_is_optional::<FromClient>();
    skips_what_is_optional::<FromServer>();
}

#[test]
fn the_number_of_variants_is_the_codec_s() {
    assert_eq!(variants::<FromClient>().len() as u32, FromClient::VARIANTS);
    assert_eq!(variants::<FromServer>().len() as u32, FromServer::VARIANTS);
}

#[test]
fn unknown_frames_may_come_between_the_chunks_of_a_body() {
    let head = FromServer::head(CHUNK_LEN_MAX as u64 + 3);
    let rest = FromServer::Chunk(super::samples::body(b"abc"));
    let unknown = raw(FromServer::VARIANTS as u8, b"later", OPTIONAL);
    let stream = [
        &encoded(std::slice::from_ref(&head))[..],
        &unknown,
        &encoded(std::slice::from_ref(&rest)),
    ]
    .concat();
    assert!(decode_all_ways(&stream, &[]) == (vec![head, rest], None, true));
}

/// A side that sends unknown frames only is refused; each known frame restarts the count.
#[test]
fn unknown_frames_in_a_row_have_a_limit() {
    let unknown = raw(FromClient::VARIANTS as u8, b"", OPTIONAL);
    let most = unknown.repeat(SKIPPED_MAX as usize);
    let known = encoded(&[FromClient::ChunkCredit { parts: 1 }]);
    let stream = [&most[..], &known, &most, &known].concat();
    let (frames, error, _) = decode::<FromClient>([&stream[..]]);
    assert_eq!((frames.len(), error), (2, None));
    let stream = [&stream[..], &most, &unknown].concat();
    let (frames, error, _) = decode::<FromClient>([&stream[..]]);
    assert_eq!((frames.len(), error), (2, Some(Malformed::TooManyUnknown)));
}

/// An unknown frame takes no more memory than a known one.
#[test]
fn an_unknown_frame_is_no_longer_than_others() {
    let prefix = (FRAME_LEN_MAX as u32 + 1) | OPTIONAL;
    let mut decoder = Decoder::<FromClient>::new(1);
    decoder.push(&prefix.to_le_bytes());
    let too_long = Malformed::FrameTooLong(FRAME_LEN_MAX as u32 + 1);
    assert_eq!(decoder.next_frame(), Err(too_long));
}

/// Each feature has frames in both directions. The hub and the peer ask `feature` before they send
/// or accept a frame.
#[test]
fn frames_of_one_feature_go_together() {
    for feature in Feature::ALL {
        let client = FromClient::samples().iter().any(|frame| frame.feature() == Some(feature));
        let server = FromServer::samples().iter().any(|frame| frame.feature() == Some(feature));
        assert!(client && server, "{}", feature.name());
    }
}

proptest! {
    #![proptest_config(super::properties::config(200))]

    /// Bits of later versions are accepted and ignored.
    #[test]
    fn a_set_of_features_takes_any_bits(bits in any::<u64>()) {
        let features = Features::from_bits(bits);
        for feature in Feature::ALL {
            prop_assert_eq!(features.contains(feature), bits >> feature as u8 & 1 == 1);
        }
        let missing = Features::KNOWN.missing_in(features);
        prop_assert_eq!(missing.is_none(), bits & 0xf == 0xf);
        prop_assert_eq!(features.missing_in(Features::from_bits(u64::MAX)), None);
        let names = features.to_string().split(", ").filter(|name| !name.is_empty()).count();
        prop_assert_eq!(names as u32, (bits & 0xf).count_ones());
    }
}
