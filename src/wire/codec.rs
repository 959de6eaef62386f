//! Frames in a stream of bytes: length prefix, postcard value; and the order of a body's parts.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bundle::{BUNDLE_MAX, BundleRest};
use super::message::{Envelope, HEADERS_LEN_MAX};

/// Most bytes of a body in one frame.
pub const CHUNK_LEN_MAX: usize = 64 << 10;
/// Most bytes of a frame, its length prefix not counted: a part, headers, names, numbers, and the
/// lengths of a bundle's bodies, up to three bytes each.
pub const FRAME_LEN_MAX: usize = CHUNK_LEN_MAX + HEADERS_LEN_MAX + 2048 + 3 * BUNDLE_MAX;
/// Most parts of bodies, first ones not counted, that either side may have sent on a link beyond
/// what the other has asked for by `More`.
pub const CHUNKS_AHEAD_MAX: u32 = 64;

/// Most unknown frames in a row that a side skips.
pub const SKIPPED_MAX: u32 = 64;

const PREFIX_LEN: usize = 4;
/// The bit of a length prefix that marks an optional frame.
const OPTIONAL: u32 = 1 << 31;

/// A frame type whose long bodies travel in parts.
pub trait Frame: Clone + Serialize + DeserializeOwned {
    /// Number of variants. A frame with this number or a higher one is unknown to this version.
    const VARIANTS: u32;

    /// What the frame has of a body.
    fn body_part(&self) -> BodyPart;

    /// True for a frame that a receiver which does not know it may ignore. Only one that needs no
    /// answer and has nothing of a body can be.
    fn is_optional(&self) -> bool {
        false
    }
}

/// What a frame has of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// Nothing.
    None,
    /// The first bytes, `len` of `size`.
    Head {
        /// Bytes of the whole body.
        size: u64,
        /// Bytes of it here.
        len: usize,
        /// Bytes of the bodies behind it, if there are any; then the body is whole here.
        behind: Option<usize>,
        /// Bytes of the longest of all these bodies.
        longest: u64,
    },
    /// The next bytes, so many.
    Chunk(usize),
    /// The end of it, too early.
    Abort,
}

impl BodyPart {
    /// Of a frame that begins a message, with the others behind it.
    pub(super) fn head(first: &Envelope, others: &BundleRest) -> Self {
        let (size, len) = (first.size, first.body.len());
        Self::Head { size, len, behind: others.behind(), longest: others.longest().max(size) }
    }
}

/// How many bytes come next of a body of which so many are left.
pub fn chunk_len(left: u64) -> usize {
    left.min(CHUNK_LEN_MAX as u64) as usize
}

/// Bytes that are not this protocol. The link they came from is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length prefix above [`FRAME_LEN_MAX`].
    #[error("a frame of {0} bytes")]
    FrameTooLong(u32),
    /// More than [`SKIPPED_MAX`] optional frames in a row that are unknown here.
    #[error("too many unknown frames")]
    TooManyUnknown,
    /// Not a frame, or bytes left over behind it.
    #[error("a frame that cannot be decoded")]
    Undecodable,
    /// A part or an end that belongs to no body, a first or later part of a wrong length, or a body
    /// begun before the last was whole.
    #[error("a body out of order")]
    Chunk,
    /// A body announced with more bytes than are allowed here.
    #[error("a body of {0} bytes")]
    BodyTooLong(u64),
}

/// What may come of bodies on a link, in one direction: one at a time, each part as long as it can
/// be, nothing but parts or an early end until it is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyOrder {
    /// Bytes that the body under way still lacks.
    left: u64,
}

impl BodyOrder {
    /// Takes what a frame has of a body. `false`: it may not come now.
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

    /// Whether a body is under way.
    pub fn is_partial(&self) -> bool {
        self.left > 0
    }
}

/// Appends `frame` to `out`. The parts of a long body are frames of their own.
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
    // Our types have no maps or sequences of unknown length, the only thing postcard refuses, and
    // the sink takes everything.
    let written = postcard::serialize_with_flavor(frame, Sink(out));
    debug_assert!(written.is_ok(), "a frame serialises");
    let length = out.len() - start - PREFIX_LEN;
    debug_assert!(length <= FRAME_LEN_MAX, "limits of names, headers and parts add up");
    let flag = if frame.is_optional() { OPTIONAL } else { 0 };
    out[start..start + PREFIX_LEN].copy_from_slice(&(length as u32 | flag).to_le_bytes());
}

/// About as many bytes as a frame with this of a body takes, so that its buffer grows once.
fn len_hint(piece: BodyPart) -> usize {
    const NAMES_AND_NUMBERS: usize = 256;
    NAMES_AND_NUMBERS
        + match piece {
            // Of the bodies behind it each has its length before them.
            BodyPart::Head { len, behind, .. } => len + behind.map_or(0, |len| len + len / 8),
            BodyPart::Chunk(len) => len,
            BodyPart::None | BodyPart::Abort => return 0,
        }
}

/// Turns pieces of a stream, cut anywhere, into frames, whose bodies are in order.
///
/// It holds at most one frame and what the last push brought, and grows only with bytes that have
/// arrived. Long bodies come out as they came: a head, then parts, with other frames in between.
pub struct Decoder<F> {
    buffer: BytesMut,
    body_len_max: u64,
    bodies: BodyOrder,
    /// Unknown frames since the last known one.
    skipped: u32,
    frames: PhantomData<F>,
}

impl<F: Frame> Decoder<F> {
    /// A decoder that takes bodies of up to `body_len_max` bytes.
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

    /// The next frame, `None` when more bytes are needed. After an error the stream makes no sense
    /// any more.
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

    /// Whether the stream may end here: nothing is half-received.
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty() && !self.bodies.is_partial()
    }

    /// Takes the next known frame out of the buffer, and the unknown optional ones before it.
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

/// True for the bytes of a frame that a later version has added.
fn is_unknown<F: Frame>(value: &[u8]) -> bool {
    postcard::take_from_bytes::<u32>(value).is_ok_and(|(variant, _)| variant >= F::VARIANTS)
}

/// The frame that these bytes are, all of them.
fn decoded<F: Frame>(value: &[u8]) -> Result<F, Malformed> {
    match postcard::take_from_bytes(value) {
        Ok((frame, [])) => Ok(frame),
        Ok(_) | Err(_) => Err(Malformed::Undecodable),
    }
}
