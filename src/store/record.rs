//! Messages and cursors as bytes in the tables.
//!
//! A message is stored as 16 bytes of checksum, a version byte and a postcard value. The order of
//! the fields is the format: another one needs another version byte.

use aws_lc_rs::digest::{Context, SHA256};
pub(super) use postcard::Error as EncodeError;
use serde::{Deserialize, Serialize};

use crate::wire::{Body, Headers, Message, MsgId, Seq, Target, UserId};

const SUM_LEN: usize = 16;
const VERSION: u8 = 1;

/// Where a record stands. Part of its checksum: one row's bytes must not pass for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) log: i64,
    pub(super) seq: Seq,
    pub(super) ordinal: u64,
}

/// Why stored bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rot {
    #[error("the bytes do not match their checksum")]
    Sum,
    #[error("record version {0} is not known")]
    Version(u8),
    #[error("the bytes are whole but no message")]
    Undecodable,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    id: MsgId,
    from: UserId,
    to: Target,
    time_ms: u64,
    headers: Headers,
    body: Body,
}

/// The bytes to store for a message at its place.
pub(super) fn encode(place: Place, message: &Message) -> Result<Vec<u8>, EncodeError> {
    let Message { id, from, to, time_ms, headers, body } = message.clone();
    let stored = Stored { id, from, to, time_ms, headers, body };
    let mut head = Vec::with_capacity(message.body.len() + 128);
    head.resize(SUM_LEN, 0);
    head.push(VERSION);
    let mut bytes = postcard::to_extend(&stored, head)?;
    let sum = sum(place, &bytes[SUM_LEN..]);
    bytes[..SUM_LEN].copy_from_slice(&sum);
    Ok(bytes)
}

/// The message that was stored at its place.
pub(super) fn decode(place: Place, bytes: &[u8]) -> Result<Message, Rot> {
    let (stored_sum, rest) = bytes.split_first_chunk::<SUM_LEN>().ok_or(Rot::Sum)?;
    if *stored_sum != sum(place, rest) {
        return Err(Rot::Sum);
    }
    let (&version, value) = rest.split_first().ok_or(Rot::Undecodable)?;
    if version != VERSION {
        return Err(Rot::Version(version));
    }
    let stored: Stored = postcard::from_bytes(value).map_err(|_| Rot::Undecodable)?;
    let Stored { id, from, to, time_ms, headers, body } = stored;
    Ok(Message { id, from, to, time_ms, headers, body })
}

/// [`Cursor::above`](crate::durable::Cursor) as bytes.
pub(super) fn encode_above(above: &[Seq]) -> Result<Vec<u8>, EncodeError> {
    if above.is_empty() { Ok(Vec::new()) } else { postcard::to_stdvec(above) }
}

/// The reverse of [`encode_above`].
pub(super) fn decode_above(bytes: &[u8]) -> Result<Vec<Seq>, EncodeError> {
    if bytes.is_empty() { Ok(Vec::new()) } else { postcard::from_bytes(bytes) }
}

fn sum(place: Place, bytes: &[u8]) -> [u8; SUM_LEN] {
    let mut context = Context::new(&SHA256);
    context.update(&place.log.to_le_bytes());
    context.update(&place.seq.to_le_bytes());
    context.update(&place.ordinal.to_le_bytes());
    context.update(bytes);
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&context.finish().as_ref()[..SUM_LEN]);
    sum
}
