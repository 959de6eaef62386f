//! Encoding of segments, parked messages and cursors as bytes in the tables.
//!
//! A segment has a head and records. A record is a message's headers as a postcard value, followed
//! by its body; a long body is stored elsewhere, in chunks. The head holds everything else: 16
//! bytes of checksum, a version byte, and a postcard value. The order of its fields is the format:
//! to change it, change the version byte. The head has the checksum of every record, so that no
//! record can be mistaken for another.
//!
//! A parked message is a checksum, a version byte, a postcard value and the body, unless that is
//! long.

use std::ops::Range;

use aws_lc_rs::digest::{Context, SHA256, digest};
pub(super) use postcard::Error as EncodeError;
use serde::{Deserialize, Serialize};

use super::numbers::{LogNo, UserNo};
use crate::durable::AckedRange;
use crate::wire::{
    Body, CHUNK_LEN_MAX, Envelope, Headers, Message, MsgId, Note, Seq, Span, Target, UserId,
};

const SUM_LEN: usize = 16;
const VERSION: u8 = 2;
const LETTER_VERSION: u8 = 1;

/// Identity of a segment. Included in the checksum of its head, so that no row can be mistaken for
/// another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentKey {
    pub(super) log: LogNo,
    /// Seq of the last message.
    pub(super) last: Seq,
}

/// Returns the checksum of bytes that are valid in one segment only.
pub(super) fn sum_in(place: SegmentKey, bytes: &[u8]) -> Sum {
    sum_at(&[place.log.value().cast_unsigned(), place.last], bytes)
}

/// Index of a segment's messages, without their records.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Head {
    /// Number and id of each sender.
    senders: Vec<(i64, UserId)>,
    /// Entries, ascending by seq.
    entries: Vec<Entry>,
}

/// Index entry of one message.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Entry {
    id: [u8; 16],
    pub(super) seq: Seq,
    pub(super) ordinal: u64,
    pub(super) time_ms: u64,
    /// Its size as quotas count it.
    pub(super) bytes: u64,
    /// Index of the sender in `senders`.
    sender: u32,
    /// Length of its record, which begins where the previous one ends.
    len: u64,
    sum: Sum,
    /// Place of its body, unless that is in its record.
    pub(super) long: Option<Long>,
}

/// Place of a body that is stored in chunks.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Long {
    /// Number of the first chunk.
    pub(super) first: u64,
    /// Bytes of the whole body.
    pub(super) size: u64,
}

/// Returns the number of chunks of a long body.
pub(super) fn chunk_count(long: Long) -> u64 {
    long.size.div_ceil(CHUNK_LEN_MAX as u64)
}

/// Returns the id of the message of an entry.
pub(super) fn id_of(entry: &Entry) -> MsgId {
    MsgId::from_bytes(entry.id)
}

/// Returns an entry changed to another length of its record.
pub(super) fn with_len(entry: Entry, len: usize) -> Entry {
    Entry { len: len as u64, ..entry }
}

/// Checksum of stored bytes.
pub(super) type Sum = [u8; SUM_LEN];

/// Reason why stored bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Corrupt {
    #[error("the bytes do not match their checksum")]
    Sum,
    #[error("its first part is not there as it was")]
    Part,
    #[error("version {0} is not known")]
    Version(u8),
    #[error("the bytes are whole but mean nothing")]
    Undecodable,
}

impl Head {
    /// Adds a message, and appends its record to `records`.
    pub(super) fn push(
        &mut self,
        (seq, ordinal): (Seq, u64),
        (sender, bytes): (UserNo, u64),
        (message, long): (&Message, Option<Long>),
        records: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = records.len();
        *records = postcard::to_extend(&message.headers, std::mem::take(records))?;
        if long.is_none() {
            records.extend_from_slice(&message.body.0);
        }
        let record = &records[start..];
        let (len, sum) = (record.len() as u64, sum_of(record));
        let sender = self.sender_index(sender, &message.from);
        let (id, time_ms) = (*message.id.as_bytes(), message.time_ms);
        self.entries.push(Entry { id, seq, ordinal, time_ms, bytes, sender, len, sum, long });
        Ok(())
    }

    /// Returns the entries of its messages, ascending by seq.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds an entry from another head with the same senders.
    pub(super) fn push_entry(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Returns number and id of the sender of a message.
    pub(super) fn sender(&self, entry: &Entry) -> (UserNo, &UserId) {
        // `decode` has checked that every entry has a sender.
        let (no, id) = &self.senders[entry.sender as usize];
        (UserNo::new(*no), id)
    }

    /// Returns each entry with the range of its record.
    pub(super) fn spans(&self) -> impl Iterator<Item = (&Entry, Range<usize>)> {
        let mut start = 0_usize;
        self.entries.iter().map(move |entry| {
            let end = start.saturating_add(usize::try_from(entry.len).unwrap_or(usize::MAX));
            (entry, std::mem::replace(&mut start, end)..end)
        })
    }

    /// Returns an empty head that can take entries of this one.
    pub(super) fn without_entries(&self) -> Self {
        Self { senders: self.senders.clone(), entries: Vec::new() }
    }

    /// Encodes the head, with a checksum that covers the segment's identity.
    pub(super) fn encode(&self, place: SegmentKey) -> Result<Vec<u8>, EncodeError> {
        let mut head = Vec::with_capacity(32 + self.entries.len() * 64);
        head.resize(SUM_LEN, 0);
        head.push(VERSION);
        let mut bytes = postcard::to_extend(self, head)?;
        let sum = sum_in(place, &bytes[SUM_LEN..]);
        bytes[..SUM_LEN].copy_from_slice(&sum);
        Ok(bytes)
    }

    /// Reverses `encode`.
    pub(super) fn decode(place: SegmentKey, bytes: &[u8]) -> Result<Self, Corrupt> {
        let (stored_sum, rest) = bytes.split_first_chunk::<SUM_LEN>().ok_or(Corrupt::Sum)?;
        if *stored_sum != sum_in(place, rest) {
            return Err(Corrupt::Sum);
        }
        let (&version, value) = rest.split_first().ok_or(Corrupt::Undecodable)?;
        if version != VERSION {
            return Err(Corrupt::Version(version));
        }
        let head: Self = postcard::from_bytes(value).map_err(|_| Corrupt::Undecodable)?;
        let whole = head.entries.iter().all(|e| (e.sender as usize) < head.senders.len());
        if whole { Ok(head) } else { Err(Corrupt::Undecodable) }
    }

    fn sender_index(&mut self, no: UserNo, id: &UserId) -> u32 {
        // The last one is tried first: often there is only one sender.
        let known = self.senders.iter().rposition(|&(known, _)| known == no.value());
        let index = known.unwrap_or_else(|| {
            self.senders.push((no.value(), id.clone()));
            self.senders.len() - 1
        });
        index as u32
    }
}

/// Returns whether a record is the one that its entry was made for.
pub(super) fn is_whole(entry: &Entry, record: &[u8]) -> bool {
    entry.sum == sum_of(record)
}

/// Decodes the message of an entry. A long message comes without its body.
pub(super) fn decode(
    entry: &Entry,
    from: UserId,
    to: Target,
    record: &[u8],
) -> Result<Message, Corrupt> {
    if !is_whole(entry, record) {
        return Err(Corrupt::Sum);
    }
    let (headers, body): (Headers, _) =
        postcard::take_from_bytes(record).map_err(|_| Corrupt::Undecodable)?;
    let (id, body) = (id_of(entry), Body(body.to_vec().into()));
    let size = entry.long.map_or(body.len() as u64, |long| long.size);
    let envelope = Envelope { size, ..Envelope::new(id, to, headers, body) };
    Ok(Message { from, time_ms: entry.time_ms, envelope })
}

/// Parked message without its body.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct ParkedRecord {
    pub(super) id: MsgId,
    pub(super) from: UserId,
    pub(super) to: Target,
    pub(super) time_ms: u64,
    /// Time at which it was rejected, or is due.
    pub(super) at_ms: u64,
    pub(super) attempts: u32,
    pub(super) reason: Note,
    pub(super) headers: Headers,
    /// Place of its body, unless that follows this record.
    pub(super) long: Option<Long>,
}

/// Encodes a parked message with its body; the checksum covers the user and the kind.
pub(super) fn encode_parked(
    parked: &ParkedRecord,
    list: [u64; 2],
    body: &Body,
) -> Result<Vec<u8>, EncodeError> {
    let mut head = vec![0; SUM_LEN];
    head.push(LETTER_VERSION);
    let mut bytes = postcard::to_extend(parked, head)?;
    if parked.long.is_none() {
        bytes.extend_from_slice(&body.0);
    }
    let sum = sum_at(&list, &bytes[SUM_LEN..]);
    bytes[..SUM_LEN].copy_from_slice(&sum);
    Ok(bytes)
}

/// Reverses [`encode_parked`].
pub(super) fn decode_parked(list: [u64; 2], bytes: &[u8]) -> Result<(ParkedRecord, Body), Corrupt> {
    let (stored_sum, rest) = bytes.split_first_chunk::<SUM_LEN>().ok_or(Corrupt::Sum)?;
    if *stored_sum != sum_at(&list, rest) {
        return Err(Corrupt::Sum);
    }
    let (&version, value) = rest.split_first().ok_or(Corrupt::Undecodable)?;
    if version != LETTER_VERSION {
        return Err(Corrupt::Version(version));
    }
    let (parked, body) = postcard::take_from_bytes(value).map_err(|_| Corrupt::Undecodable)?;
    Ok((parked, Body(body.to_vec().into())))
}

/// Encodes [`StoredCursor::above`](crate::durable::StoredCursor).
pub(super) fn encode_above(above: &[AckedRange]) -> Result<Vec<u8>, EncodeError> {
    if above.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = |of: &AckedRange| (of.span.first, of.span.last, of.ordinal, of.count);
    postcard::to_stdvec(&above.iter().map(numbers).collect::<Vec<_>>())
}

/// Reverses [`encode_above`].
pub(super) fn decode_above(bytes: &[u8]) -> Result<Vec<AckedRange>, EncodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<(Seq, Seq, u64, u64)> = postcard::from_bytes(bytes)?;
    let stretch = |(first, last, ordinal, count)| {
        let span = Span { first, last };
        AckedRange { span, ordinal, count }
    };
    Ok(numbers.into_iter().map(stretch).collect())
}

fn sum_of(record: &[u8]) -> Sum {
    cut(digest(&SHA256, record).as_ref())
}

/// Returns the checksum of bytes that are valid in one place only.
pub(super) fn sum_at(place: &[u64], bytes: &[u8]) -> Sum {
    let mut context = Context::new(&SHA256);
    for number in place {
        context.update(&number.to_le_bytes());
    }
    context.update(bytes);
    cut(context.finish().as_ref())
}

fn cut(digest: &[u8]) -> Sum {
    let mut sum = [0; SUM_LEN];
    sum.copy_from_slice(&digest[..SUM_LEN]);
    sum
}
