//! Frames in a stream of bytes: length prefix, postcard value, bodies cut into parts.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::{Body, HEADERS_LEN_MAX};

/// Most bytes of a body in one frame.
pub const PART_LEN_MAX: usize = 64 << 10;
/// Most bytes of a frame, its length prefix not counted: a part, headers, names and numbers.
pub const FRAME_LEN_MAX: usize = PART_LEN_MAX + HEADERS_LEN_MAX + 2048;

const PREFIX_LEN: usize = 4;

/// A frame type whose bodies are cut into parts.
pub trait Frame: Clone + Serialize + DeserializeOwned {
    /// The announced size of the whole body and the body, for the frames that have one.
    fn body_mut(&mut self) -> Option<(u64, &mut Body)>;
    /// The frame that carries a later part of a body.
    fn from_part(part: Body) -> Self;
    /// The part in a frame that carries one; any other frame unchanged.
    fn into_part(self) -> Result<Body, Self>;
}

/// Bytes that are not this protocol. The link they came from is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A length prefix above [`FRAME_LEN_MAX`].
    #[error("a frame of {0} bytes")]
    FrameTooLong(u32),
    /// Not a frame, or bytes left over behind it.
    #[error("a frame that cannot be decoded")]
    Undecodable,
    /// A part that belongs to no body, exceeds it or is longer than a part can be, or a body begun
    /// before the last was whole.
    #[error("a body out of order")]
    Part,
    /// A body announced with more bytes than are allowed here.
    #[error("a body of {0} bytes")]
    BodyTooLong(u64),
}

/// Appends `frame` to `out`, a long body as several frames.
pub fn encode<F: Frame>(frame: &F, out: &mut BytesMut) {
    let mut head = frame.clone();
    let rest = match head.body_mut() {
        Some((size, body)) => {
            debug_assert_eq!(size, body.len() as u64, "only the codec cuts bodies");
            body.0.split_off(body.len().min(PART_LEN_MAX))
        }
        None => Bytes::new(),
    };
    put(&head, out);
    for start in (0..rest.len()).step_by(PART_LEN_MAX) {
        let part = rest.slice(start..rest.len().min(start + PART_LEN_MAX));
        put(&F::from_part(Body(part)), out);
    }
}

fn put<F: Serialize>(frame: &F, out: &mut BytesMut) {
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
    let start = out.len();
    out.put_u32_le(0);
    // Our types have no maps or sequences of unknown length, the only thing postcard refuses, and
    // the sink takes everything.
    let written = postcard::serialize_with_flavor(frame, Sink(out));
    debug_assert!(written.is_ok(), "a frame serialises");
    let length = out.len() - start - PREFIX_LEN;
    debug_assert!(length <= FRAME_LEN_MAX, "limits of names, headers and parts add up");
    out[start..start + PREFIX_LEN].copy_from_slice(&(length as u32).to_le_bytes());
}

/// Turns pieces of a stream, cut anywhere, into frames with whole bodies.
///
/// It holds at most one frame and one body; both grow only with bytes that have arrived.
pub struct Decoder<F> {
    buffer: BytesMut,
    body_len_max: u64,
    partial: Option<Partial<F>>,
}

struct Partial<F> {
    head: F,
    size: u64,
    body: BytesMut,
}

impl<F: Frame> Decoder<F> {
    /// A decoder that takes bodies of up to `body_len_max` bytes.
    pub fn new(body_len_max: u64) -> Self {
        Self { buffer: BytesMut::new(), body_len_max, partial: None }
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame that is complete, `None` when more bytes are needed. After an error the
    /// stream makes no sense any more.
    pub fn next_frame(&mut self) -> Result<Option<F>, Malformed> {
        while let Some(frame) = self.take()? {
            if let Some(whole) = self.assemble(frame)? {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// Whether the stream may end here: nothing is half-received.
    pub fn is_at_boundary(&self) -> bool {
        self.buffer.is_empty() && self.partial.is_none()
    }

    fn take(&mut self) -> Result<Option<F>, Malformed> {
        let Some(prefix) = self.buffer.first_chunk::<PREFIX_LEN>() else { return Ok(None) };
        let length = u32::from_le_bytes(*prefix);
        if length as usize > FRAME_LEN_MAX {
            return Err(Malformed::FrameTooLong(length));
        }
        let end = PREFIX_LEN + length as usize;
        let Some(value) = self.buffer.get(PREFIX_LEN..end) else { return Ok(None) };
        let decoded = postcard::take_from_bytes(value);
        let (frame, rest) = decoded.map_err(|_| Malformed::Undecodable)?;
        if !rest.is_empty() {
            return Err(Malformed::Undecodable);
        }
        self.buffer.advance(end);
        Ok(Some(frame))
    }

    fn assemble(&mut self, frame: F) -> Result<Option<F>, Malformed> {
        match frame.into_part() {
            Ok(part) => self.continue_body(&part),
            Err(head) => self.begin(head),
        }
    }

    fn begin(&mut self, mut head: F) -> Result<Option<F>, Malformed> {
        let Some((size, body)) = head.body_mut() else { return Ok(Some(head)) };
        if size > self.body_len_max {
            return Err(Malformed::BodyTooLong(size));
        }
        let length = body.len() as u64;
        if self.partial.is_some() || length > size || body.len() > PART_LEN_MAX {
            return Err(Malformed::Part);
        }
        if length == size {
            return Ok(Some(head));
        }
        let body = BytesMut::from(std::mem::take(&mut body.0));
        self.partial = Some(Partial { head, size, body });
        Ok(None)
    }

    fn continue_body(&mut self, part: &Body) -> Result<Option<F>, Malformed> {
        let Some(mut partial) = self.partial.take() else { return Err(Malformed::Part) };
        let length = (partial.body.len() + part.len()) as u64;
        if part.is_empty() || part.len() > PART_LEN_MAX || length > partial.size {
            return Err(Malformed::Part);
        }
        partial.body.extend_from_slice(&part.0);
        if length < partial.size {
            self.partial = Some(partial);
            return Ok(None);
        }
        let body = partial.body.freeze();
        if let Some((_, slot)) = partial.head.body_mut() {
            slot.0 = body;
        }
        Ok(Some(partial.head))
    }
}
