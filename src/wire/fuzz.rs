//! Fuzz targets (`tests/fuzz`): bytes as a peer could send them. Tests run them on inputs that the
//! fuzzer has found.

use std::fmt::Debug;

use bytes::BytesMut;

use super::{Decoder, Frame, FromClient, FromServer, Malformed, encode};

const BODY_LEN_MAX: u64 = 1 << 20;
const PIECES_MAX: usize = 7;

/// Checks that decoded frames encode to bytes that decode to the same frames.
pub fn decode(data: &[u8]) {
    check_round_trip::<FromClient>(data);
    check_round_trip::<FromServer>(data);
}

fn check_round_trip<F: Frame + PartialEq + Debug>(data: &[u8]) {
    let (frames, _) = decoded::<F>([data]);
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| encode(frame, &mut bytes));
    assert_eq!(decoded([&bytes[..]]), (frames, None));
}

/// Checks that the pieces in which a stream arrives make no difference. The first byte selects the
/// pieces.
pub fn pieces(data: &[u8]) {
    let Some((seed, data)) = data.split_first() else { return };
    check_cuts::<FromClient>(*seed, data);
    check_cuts::<FromServer>(*seed, data);
}

fn check_cuts<F: Frame + PartialEq + Debug>(seed: u8, data: &[u8]) {
    let (mut pieces, mut rest) = (Vec::new(), data);
    let mut len = usize::from(seed);
    while !rest.is_empty() {
        len = len * 5 % PIECES_MAX + 1;
        let (piece, more) = rest.split_at(len.min(rest.len()));
        pieces.push(piece);
        rest = more;
    }
    assert_eq!(decoded::<F>(pieces), decoded::<F>([data]));
}

/// The frames of a stream, and the error after them.
fn decoded<'a, F: Frame>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<F>, Option<Malformed>) {
    let (mut decoder, mut frames) = (Decoder::new(BODY_LEN_MAX), Vec::new());
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(wrong) => return (frames, Some(wrong)),
            }
        }
    }
    (frames, None)
}

/// Runs a target on each of its stored inputs.
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let inputs: Vec<_> = std::fs::read_dir(corpus.join(target)).unwrap().collect();
    assert!(inputs.len() >= 20, "{} inputs for {target}", inputs.len());
    for input in inputs {
        run(&std::fs::read(input.unwrap().path()).unwrap());
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_found_is_run_again() {
        super::replay("decode", super::decode);
        super::replay("pieces", super::pieces);
    }
}
