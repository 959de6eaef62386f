//! The wire format: golden vectors that pin it, bytes that must be refused, and properties of the
//! decoder; then the names and numbers that frames are made of.

mod any;
mod bundles;
mod names;
mod optional;
mod properties;
mod samples;

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::BytesMut;
use qmsg::wire::{CHUNK_LEN_MAX, Decoder, Frame, FromClient, FromServer, Malformed, encode};
use serde::de::{Error as _, Visitor, value::Error as CapturedError};
use serde::forward_to_deserialize_any;

const CLIENT: &str = include_str!("../vectors/client.txt");
const SERVER: &str = include_str!("../vectors/server.txt");
const MALFORMED: &str = include_str!("../vectors/malformed.txt");
const BODY_LEN_MAX: u64 = 1 << 20;

/// A frame type with golden vectors.
trait Pinned: Frame + PartialEq + Debug {
    /// The variant's name in the vectors. Its exhaustive match makes the compiler ask for a line
    /// here when a variant is added, and the test `vectors` then asks for its vector.
    fn variant(&self) -> &'static str;
    /// The value of each vector, in the order of the file.
    fn samples() -> Vec<Self>;
    /// A frame that announces a body of this size and holds its first chunk.
    fn head(size: u64) -> Self;
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
pub(crate) fn unhex(words: &[&str]) -> Vec<u8> {
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

/// Decodes a stream. Returns all frames, the error that ended it, and whether it may end here.
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

/// Decodes a stream in one piece, byte by byte, and divided at `cuts`; the results must agree.
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
            "chunk" | "abortbody" => vec![F::head(CHUNK_LEN_MAX as u64 + 3)],
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
        Malformed::Chunk => "chunk",
        Malformed::BodyTooLong(_) => "body-too-long",
        Malformed::TooManyUnknown => "too-many-unknown",
    }
}

/// Malformed frames of clients: name, reason and bytes.
pub(crate) fn malformed_of_clients() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines = lines(MALFORMED).filter(|line| line[0] == "client");
    lines.map(|line| (line[1], line[2], unhex(&line[3..]))).collect()
}

fn check_malformed<F: Pinned>(direction: &str) {
    let mine = || lines(MALFORMED).filter(|line| line[0] == direction);
    for line in mine() {
        // In front of a part that is wrong there are frames that are not.
        let (frames, error, _) = decode_all_ways::<F>(&unhex(&line[3..]), &[]);
        assert_eq!(error.map(kind), Some(line[2]), "{}", line[1]);
        assert!(frames.is_empty() || line.len() > 4, "{}", line[1]);
    }
    // A number that is in use would be refused for another reason.
    let next = mine().find(|line| line[1] == "frame/next-variant").unwrap();
    assert_eq!(unhex(&next[3..])[4..], [variants::<F>().len() as u8], "{direction}");
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
