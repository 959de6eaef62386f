//! Frames in a stream of bytes: a length prefix and a postcard value; and the order of chunks.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bundle::BundleRest;
use super::limits::{CHUNK_LEN_MAX, FRAME_LEN_MAX, SKIPPED_MAX};
use super::message::Envelope;

const PREFIX_LEN: usize = 4;
/// The bit of a length prefix that marks an optional frame.
const OPTIONAL: u32 = 1 << 31;

/// A frame type whose long bodies travel in chunks.
pub trait Frame: Clone + Serialize + DeserializeOwned {
    /// Number of variants. A frame with this number or a higher one is unknown to this version.
    const VARIANTS: u32;

    /// The part of a body that the frame holds.
    fn body_part(&self) -> BodyPart;

    /// True for a frame that an older receiver may ignore: one that needs no answer and holds no
    /// part of a body.
    fn is_optional(&self) -> bool {
        false
    }
}

/// The part of a body that a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// No part.
    None,
    /// The first chunk: `len` bytes of `size`.
    Head {
        /// Bytes of the whole body.
        size: u64,
        /// Bytes of the first chunk.
        len: usize,
        /// Bytes of the other bodies of a bundle. If there are any, the first body is whole.
        behind: Option<usize>,
        /// Bytes of the longest of the other bodies.
        longest: u64,
    },
    /// The next chunk, of this many bytes.
    Chunk(usize),
    /// An early end.
    Abort,
}

impl BodyPart {
    /// The part in a frame that begins a message or a bundle.
    pub(super) fn head(first: &Envelope, others: &BundleRest) -> Self {
        let (size, len) = (first.size, first.body.len());
        Self::Head { size, len, behind: others.behind(), longest: others.longest().max(size) }
    }
}

/// Bytes of the next chunk of a body of which `left` bytes remain.
pub fn chunk_len(left: u64) -> usize {
    left.min(CHUNK_LEN_MAX as u64) as usize
}

/// An error in the bytes of a link, which cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length prefix above [`FRAME_LEN_MAX`].
    #[error("a frame of {0} bytes")]
    FrameTooLong(u32),
    /// More than [`SKIPPED_MAX`] optional frames in a row that are unknown here.
    #[error("too many unknown frames")]
    TooManyUnknown,
    /// Bytes that are no frame, or bytes left over after it.
    #[error("a frame that cannot be decoded")]
    Undecodable,
    /// A chunk or an end that belongs to no body, a chunk of a wrong length, or a body that begins
    /// before the last one is whole.
    #[error("a body out of order")]
    Chunk,
    /// A body announced with more bytes than are allowed here.
    #[error("a body of {0} bytes")]
    BodyTooLong(u64),
}

/// Order of bodies on a link in one direction: one at a time, in chunks of full length except the
/// last, until the body is whole or ends early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyOrder {
    /// Bytes still missing of the body under way.
    left: u64,
}

impl BodyOrder {
    /// Takes the part of a body that a frame holds. Returns `false` if it may not come now.
    pub fn admit(&mut self, piece: BodyPart) -> bool {
        let part_len_max = CHUNK_LEN_MAX as u64;
        let len = match piece {
            BodyPart::None => return true,
            BodyPart::Head { size, len, behind, .. }
                if self.left == 0
                    && len == chunk_len(size)
                    && behind.is_none_or(|len| size.saturating_add(len as u64) <= part_len_max) =>
            {
                self.left = size;
                len
            }
            BodyPart::Chunk(len) if self.left > 0 && len == chunk_len(self.left) => len,
            BodyPart::Abort if self.left > 0 => return std::mem::take(&mut self.left) > 0,
            BodyPart::Head { .. } | BodyPart::Chunk(_) | BodyPart::Abort => return false,
        };
        self.left -= len as u64;
        true
    }

    /// True while a body is under way.
    pub fn is_partial(&self) -> bool {
        self.left > 0
    }
}

/// Appends `frame` to `out`. The chunks of a long body are frames of their own.
pub fn encode<F: Frame>(frame: &F, out: &mut BytesMut) {
    struct Sink<'a>(&'a mut BytesMut);
    impl postcard::ser_flavors::Flavor for Sink<'_> {
        type Output = ();
        fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
            self.0.put_u8(byte);
            Ok(())
        }
        fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
            self.0.put_slice(bytes);
            Ok(())
        }
        fn finalize(self) -> postcard::Result<()> {
            Ok(())
        }
    }
    if let BodyPart::Head { size, len, .. } = frame.body_part() {
        debug_assert_eq!(len, chunk_len(size), "a head with the first part");
    }
    let start = out.len();
    out.reserve(len_hint(frame.body_part()));
    out.put_u32_le(0);
    // postcard refuses only maps and sequences of unknown length, which our types do not have, and
    // the sink takes everything.
    let written = postcard::serialize_with_flavor(frame, Sink(out));
    debug_assert!(written.is_ok(), "a frame serialises");
    let length = out.len() - start - PREFIX_LEN;
    debug_assert!(length <= FRAME_LEN_MAX, "limits of names, headers and parts add up");
    let flag = if frame.is_optional() { OPTIONAL } else { 0 };
    out[start..start + PREFIX_LEN].copy_from_slice(&(length as u32 | flag).to_le_bytes());
}

/// Approximate bytes of a frame with this part of a body, so that its buffer grows once.
fn len_hint(piece: BodyPart) -> usize {
    const NAMES_AND_NUMBERS: usize = 256;
    NAMES_AND_NUMBERS
        + match piece {
            // The length of each other body precedes it.
            BodyPart::Head { len, behind, .. } => len + behind.map_or(0, |len| len + len / 8),
            BodyPart::Chunk(len) => len,
            BodyPart::None | BodyPart::Abort => return 0,
        }
}

/// Turns a stream, cut at any place, into frames, and checks the order of their bodies.
///
/// Holds at most one frame and the bytes of the last push, and grows only with bytes that have
/// arrived. Long bodies come out as they arrive: a head, then chunks, with other frames in between.
pub struct Decoder<F> {
    buffer: BytesMut,
    body_len_max: u64,
    bodies: BodyOrder,
    /// Unknown frames since the last known one.
    skipped: u32,
    frames: PhantomData<F>,
}

impl<F: Frame> Decoder<F> {
    /// A decoder for bodies of up to `body_len_max` bytes.
    pub fn new(body_len_max: u64) -> Self {
        Self {
            buffer: BytesMut::new(),
            body_len_max,
            bodies: BodyOrder::default(),
            skipped: 0,
            frames: PhantomData,
        }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; `None` when more bytes are needed. After an error the decoder cannot go on.
    pub fn next_frame(&mut self) -> Result<Option<F>, Malformed> {
        let Some(frame) = self.take_frame()? else { return Ok(None) };
        let piece = frame.body_part();
        match piece {
            BodyPart::Head { longest, .. } if longest > self.body_len_max => {
                Err(Malformed::BodyTooLong(longest))
            }
            _ if self.bodies.admit(piece) => Ok(Some(frame)),
            _ => Err(Malformed::Chunk),
        }
    }

    /// True where the stream may end: no frame or body is half-received.
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty() && !self.bodies.is_partial()
    }

    /// Takes the next known frame out of the buffer, and drops unknown optional ones before it.
    fn take_frame(&mut self) -> Result<Option<F>, Malformed> {
        loop {
            let Some(prefix) = self.buffer.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
            let prefix = u32::from_le_bytes(*prefix);
            let length = prefix & !OPTIONAL;
            if length as usize > FRAME_LEN_MAX {
                return Err(Malformed::FrameTooLong(length));
            }
            let end = PREFIX_LEN + length as usize;
            let Some(value) = self.buffer.get(PREFIX_LEN..end) else { return Ok(None) };
            if prefix & OPTIONAL == 0 || !is_unknown::<F>(value) {
                let frame = decoded(value)?;
                self.buffer.advance(end);
                self.skipped = 0;
                return Ok(Some(frame));
            }
            self.buffer.advance(end);
            self.skipped += 1;
            if self.skipped > SKIPPED_MAX {
                return Err(Malformed::TooManyUnknown);
            }
        }
    }
}

/// True for the bytes of a frame of a later version.
fn is_unknown<F: Frame>(value: &[u8]) -> bool {
    postcard::take_from_bytes::<u32>(value).is_ok_and(|(variant, _)| variant >= F::VARIANTS)
}

/// Decodes a frame from exactly these bytes.
fn decoded<F: Frame>(value: &[u8]) -> Result<F, Malformed> {
    match postcard::take_from_bytes(value) {
        Ok((frame, [])) => Ok(frame),
        Ok(_) | Err(_) => Err(Malformed::Undecodable),
    }
}
