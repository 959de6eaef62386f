//! A message that was received, with its body apart.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::message::content::Content;
use crate::wire::{Message, Seq};

/// Bytes of a body that are rendered at a time.
pub(crate) const PIECE_LEN: usize = 48 << 10;

/// A message to be printed, with its body apart.
#[derive(Debug)]
pub(crate) struct Received {
    seq: Seq,
    message: Message,
    content: Content,
}

impl Received {
    pub(crate) fn new(seq: Seq, message: Message, content: Content) -> Self {
        Self { seq, message, content }
    }

    /// The sequence number by which the message is acknowledged; 0 of one that is not stored.
    pub(crate) fn seq(&self) -> Seq {
        self.seq
    }

    /// The message, without its body.
    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// The body.
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// True if the server does not store the message.
    pub(crate) fn is_volatile(&self) -> bool {
        self.seq == 0
    }

    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.message, name)
    }

    pub(crate) fn pieces(&self, range: Range<u64>) -> impl Iterator<Item = io::Result<Bytes>> {
        self.content.pieces(range, PIECE_LEN)
    }

    /// All of the body.
    pub(crate) fn whole(&self) -> impl Iterator<Item = io::Result<Bytes>> {
        self.pieces(0..self.content.size())
    }

    pub(crate) fn ends_a_line(&self) -> io::Result<bool> {
        let last = self.content.read(self.content.size().saturating_sub(1), 1)?;
        Ok(&last[..] == b"\n")
    }
}

/// The value of a message's header, by its name in lower case.
pub(crate) fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    message.headers.iter().find(|(of, _)| *of == name).map(|(_, value)| value)
}

/// The same bytes, cut so that no piece ends within a character.
pub(crate) fn characters(
    pieces: impl Iterator<Item = io::Result<Bytes>>,
) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut begun = Vec::new();
    pieces.map(Some).chain([None]).map(move |piece| {
        let mut bytes = std::mem::take(&mut begun);
        if let Some(piece) = piece {
            bytes.extend_from_slice(&piece?);
            begun = bytes.split_off(bytes.len() - begun_len(&bytes));
        }
        Ok(bytes)
    })
}

/// Length of the character at the end that more bytes could complete.
fn begun_len(bytes: &[u8]) -> usize {
    let is_begun = |length: &usize| {
        let error = str::from_utf8(&bytes[bytes.len() - length..]).err();
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    // A character has at most four bytes.
    (1..=bytes.len().min(3)).find(is_begun).unwrap_or(0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
pub(crate) mod tests {
    use std::io;

    use bytes::Bytes;
    use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert_eq, proptest};

    use super::{Received, characters};
    use crate::message::content::Content;
    use crate::wire::{Body, Envelope, Headers, Message, MsgId};

    /// A letter from alice with a short body.
    pub(crate) fn letter(to: &str, headers: &[(&str, &str)], body: &[u8]) -> Received {
        letter_of(to, headers, Content::Memory(Bytes::copy_from_slice(body)))
    }

    pub(crate) fn letter_of(to: &str, headers: &[(&str, &str)], content: Content) -> Received {
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let message = Message {
            from: "alice".parse().unwrap(),
            time_ms: 1_700_000_000_123,
            envelope: Envelope {
                id: MsgId::new(1_700_000_000_000, [7; 10]),
                to: to.parse().unwrap(),
                headers: Headers::new(pairs.collect()).unwrap(),
                size: content.size(),
                body: Body::default(),
            },
        };
        Received::new(5, message, content)
    }

    /// Bytes with much that matters where they are cut.
    pub(crate) fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let bit = prop::sample::select(vec![
            &b"a"[..],
            b"\n",
            b"\x1b",
            b"\"",
            b"\xff",
            b"\xc3",
            b"\xe2\x82",
            b"\xf0\x9f\x98",
            "ä\u{9b}€😀".as_bytes(),
        ]);
        let text =
            prop::collection::vec(prop::sample::select(vec!["a", "ä", "€", "😀", "\n"]), 0..20);
        let text = text.prop_map(|text| text.concat().into_bytes());
        prop::strategy::Union::new([
            prop::collection::vec(bit, 0..20).prop_map(|bits| bits.concat()).boxed(),
            text.boxed(),
        ])
    }

    pub(crate) fn cut(body: &[u8], lengths: &[usize]) -> Vec<io::Result<Bytes>> {
        let (mut pieces, mut rest) = (vec![], body);
        for length in lengths.iter().cycle() {
            let (piece, more) = rest.split_at(rest.len().min(*length));
            pieces.push(Ok(Bytes::copy_from_slice(piece)));
            rest = more;
            if rest.is_empty() {
                return pieces;
            }
        }
        pieces
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn where_it_is_cut_does_not_matter(
            body in bodies(),
            lengths in prop::collection::vec(1..6_usize, 1..6),
        ) {
            let pieces = || cut(&body, &lengths).into_iter();
            let lossy: String = characters(pieces())
                .map(|text| String::from_utf8_lossy(&text.unwrap()).into_owned())
                .collect();
            prop_assert_eq!(lossy, String::from_utf8_lossy(&body));
        }
    }
}
