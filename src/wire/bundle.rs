//! Messages that travel together because they are alike.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::BUNDLE_MAX;
use super::message::{Body, Envelope, Message, Seq};

/// Messages of one sender to one target that differ only in their bodies, and whose ids are
/// consecutive. Sent in quick succession, they are handled together from end to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The first message. A long one is the only one.
    pub first: Message,
    /// The other messages.
    pub others: BundleRest,
}

/// The bodies of a bundle after the first: together with it at most
/// [`CHUNK_LEN_MAX`](super::CHUNK_LEN_MAX) bytes and [`BUNDLE_MAX`] in number. Cloning shares them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BundleRest {
    /// End of each body in `bytes`.
    ends: Arc<[u32]>,
    bytes: Bytes,
}

/// Consecutive seqs without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first seq.
    pub first: Seq,
    /// The last seq, not before the first.
    pub last: Seq,
}

impl Span {
    /// The span of one seq.
    pub fn one(seq: Seq) -> Self {
        Self { first: seq, last: seq }
    }

    /// The span of `count` seqs from `first` on, at least one.
    pub fn starting_at(first: Seq, count: u64) -> Self {
        Self { first, last: first + (count - 1) }
    }

    /// Number of seqs.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }

    /// True when the span contains the seq.
    pub fn contains(self, seq: Seq) -> bool {
        (self.first..=self.last).contains(&seq)
    }
}

impl BundleRest {
    /// Number of bodies.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// True when there are no bodies.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all bodies.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of all bodies; `None` if there are none.
    pub(super) fn behind(&self) -> Option<usize> {
        (!self.is_empty()).then_some(self.bytes.len())
    }

    /// Bytes of the longest body.
    pub(super) fn longest(&self) -> u64 {
        let starts = std::iter::once(&0).chain(&*self.ends);
        let lengths = self.ends.iter().zip(starts).map(|(end, start)| end - start);
        lengths.max().unwrap_or(0).into()
    }

    /// Bytes of the first `count` bodies.
    fn end(&self, count: usize) -> usize {
        count.checked_sub(1).map_or(0, |at| self.ends[at] as usize)
    }

    fn get(&self, at: usize) -> Body {
        Body(self.bytes.slice(self.end(at)..self.end(at + 1)))
    }

    fn slice(&self, range: Range<usize>) -> Self {
        let (start, end) = (self.end(range.start), self.end(range.end));
        let ends = self.ends[range].iter().map(|end| end - start as u32).collect();
        Self { ends, bytes: self.bytes.slice(start..end) }
    }
}

/// Copies the bodies into one buffer.
impl<'a> FromIterator<&'a Body> for BundleRest {
    fn from_iter<I: IntoIterator<Item = &'a Body>>(bodies: I) -> Self {
        let (mut ends, mut bytes) = (Vec::new(), BytesMut::new());
        for body in bodies {
            bytes.extend_from_slice(&body.0);
            ends.push(bytes.len() as u32);
        }
        Self { ends: ends.into(), bytes: bytes.freeze() }
    }
}

impl fmt::Debug for BundleRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} others, {} B", self.count(), self.len_bytes())
    }
}

impl From<Message> for Bundle {
    fn from(first: Message) -> Self {
        Self { first, others: BundleRest::default() }
    }
}

impl Bundle {
    /// Number of messages, at least one.
    pub fn count(&self) -> u64 {
        1 + self.others.count() as u64
    }

    /// The messages in their order.
    pub fn messages(&self) -> impl Iterator<Item = Message> {
        (0..self.count()).map(|at| self.message(at))
    }

    /// The message at this index, from 0.
    pub fn message(&self, at: u64) -> Message {
        let Some(before) = at.checked_sub(1) else { return self.first.clone() };
        let body = self.others.get(before as usize);
        let id = self.first.id.plus(at);
        let Message { from, time_ms, envelope } = self.first.clone();
        let envelope = Envelope { id, size: body.len() as u64, body, ..envelope };
        Message { from, time_ms, envelope }
    }

    /// The bundle of `count` messages, at least one, from the index `at` on.
    pub fn slice(&self, at: u64, count: u64) -> Self {
        if at == 0 && count == self.count() {
            return self.clone();
        }
        let (at, end) = (at as usize, (at + count) as usize);
        Self { first: self.message(at as u64), others: self.others.slice(at..end - 1) }
    }

    /// Bytes of `count` messages from the index `at` on, as quotas and windows count them.
    pub fn len_bytes(&self, at: u64, count: u64) -> u64 {
        self.weights().len_bytes(at, count)
    }

    /// Bytes of headers and of the bodies in memory: the unit of the limit of unanswered sends.
    pub fn len_here(&self) -> u64 {
        let headers = self.first.headers.len_bytes() as u64 * self.others.count() as u64;
        self.first.len_here() + self.others.len_bytes() as u64 + headers
    }

    /// The sizes of the messages, without the messages.
    pub fn weights(&self) -> Weights {
        let headers = self.first.headers.len_bytes() as u32;
        Weights { first: self.first.len_bytes(), ends: self.others.ends.clone(), headers }
    }

    /// Number of messages from the index `at` on, at least one, that fit into `messages` and
    /// `bytes`.
    pub fn fitting(&self, at: u64, messages: u64, bytes: u64) -> u64 {
        let most = (self.count() - at).min(messages).max(1);
        let fits = |count: &u64| self.len_bytes(at, *count) <= bytes;
        if fits(&most) {
            return most;
        }
        (1..most).rev().find(fits).unwrap_or(1)
    }
}

/// The sizes of the messages of a bundle, as quotas and windows count them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    first: u64,
    ends: Arc<[u32]>,
    headers: u32,
}

impl Weights {
    /// The sizes of a single message of this many bytes.
    pub fn one(bytes: u64) -> Self {
        Self { first: bytes, ends: Arc::default(), headers: 0 }
    }

    /// Bytes of `count` messages from the index `at` on.
    pub fn len_bytes(&self, at: u64, count: u64) -> u64 {
        self.until(at + count).saturating_sub(self.until(at))
    }

    fn until(&self, count: u64) -> u64 {
        let Some(others) = count.checked_sub(1) else { return 0 };
        let bodies = others.checked_sub(1).and_then(|at| self.ends.get(at as usize));
        let bytes = u64::from(bodies.copied().unwrap_or(0)) + others * u64::from(self.headers);
        self.first.saturating_add(bytes)
    }
}

/// Writes the lengths, then all bytes.
impl Serialize for BundleRest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Lengths<'a>(&'a [u32]);
        impl Serialize for Lengths<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut start = 0;
                let lengths = self.0.iter().map(|&end| end - std::mem::replace(&mut start, end));
                serializer.collect_seq(lengths)
            }
        }
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&Lengths(&self.ends))?;
        tuple.serialize_element(&Body(self.bytes.clone()))?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for BundleRest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (mut ends, Body(bytes)) = <(Vec<u32>, Body)>::deserialize(deserializer)?;
        let mut end = 0_u32;
        for len in &mut ends {
            end = end.checked_add(*len).ok_or_else(|| de::Error::custom("too long"))?;
            *len = end;
        }
        if ends.len() >= BUNDLE_MAX || end as usize != bytes.len() {
            return Err(de::Error::custom("lengths that do not add up"));
        }
        Ok(Self { ends: ends.into(), bytes })
    }
}
