//! Messages: a body of bytes with its headers, its sender and its target.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::id::{MsgId, Target, UserId};
use super::limits::{HEADERS_LEN_MAX, HEADERS_MAX};

/// Name of the header with a message's time to live in whole seconds, the only header that the
/// server reads.
pub(crate) const TTL_HEADER: &str = "ttl";

/// Number of a message in the order of all messages that the server accepted: strictly increasing
/// and never used twice, so also increasing within each log.
pub type Seq = u64;

/// The bytes of a message. Cloning shares them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(pub Bytes);

impl Deref for Body {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.len())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    /// Copies the bytes, so that a kept body does not keep the datagrams alive in which it came.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Body;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Body, E> {
                Ok(Body(Bytes::copy_from_slice(bytes)))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// Named values that go with a body, in the sender's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Headers(Vec<(String, String)>);

/// An error of headers above the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {HEADERS_MAX} headers, or more than {HEADERS_LEN_MAX} bytes of them")]
pub struct TooManyHeaders;

impl Headers {
    /// Headers within the limits.
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, TooManyHeaders> {
        let headers = Self(pairs);
        if headers.0.len() > HEADERS_MAX || headers.len_bytes() > HEADERS_LEN_MAX {
            return Err(TooManyHeaders);
        }
        Ok(headers)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Time to live after acceptance, in milliseconds: the header `ttl`, in whole seconds. `None`:
    /// unlimited.
    pub fn ttl_ms(&self) -> Option<u64> {
        let (_, ttl) = self.iter().find(|(name, _)| *name == TTL_HEADER)?;
        let digits = ttl.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: u64 = ttl.parse().ok().filter(|_| digits)?;
        Some(seconds.saturating_mul(1_000))
    }

    /// Time at which a message accepted at `accepted_ms` expires; both in milliseconds since 1970.
    /// `None`: never.
    pub fn expires_ms(&self, accepted_ms: u64) -> Option<u64> {
        Some(accepted_ms.saturating_add(self.ttl_ms()?))
    }

    /// Bytes of all names and values.
    pub fn len_bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
        Self::new(pairs).map_err(de::Error::custom)
    }
}

/// Fields that a sender gives a message. Each frame, record and draft with a message in it holds
/// one, so that a new field is added only here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Identity, made by the sender. The server stores a sender's id once.
    pub id: MsgId,
    /// User, room or everyone.
    pub to: Target,
    /// Named values, in the sender's order.
    pub headers: Headers,
    /// Bytes of the whole body.
    pub size: u64,
    /// The body; of a long one the first [`CHUNK_LEN_MAX`](super::CHUNK_LEN_MAX) bytes, while the
    /// rest travels or is stored in chunks.
    pub body: Body,
}

impl Envelope {
    /// An envelope whose body is whole.
    pub fn new(id: MsgId, to: Target, headers: Headers, body: Body) -> Self {
        Self { id, to, headers, size: body.len() as u64, body }
    }

    /// Bytes of the whole body and of the headers: the unit of quotas and prefetch windows.
    pub fn len_bytes(&self) -> u64 {
        self.size.saturating_add(self.headers.len_bytes() as u64)
    }

    /// Bytes of the headers and of the part of the body in memory: the unit of the limit of
    /// unanswered sends.
    pub fn len_here(&self) -> u64 {
        (self.body.len() + self.headers.len_bytes()) as u64
    }

    /// True when only the beginning of the body is in memory.
    pub fn is_long(&self) -> bool {
        self.size > self.body.len() as u64
    }
}

/// A message as the server accepted it: an envelope with the two fields that the server sets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The user whose key has sent the message.
    pub from: UserId,
    /// Time of acceptance, in milliseconds since 1970.
    pub time_ms: u64,
    /// The sender's fields. `Message` derefs to them.
    pub envelope: Envelope,
}

impl Deref for Message {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

impl DerefMut for Message {
    fn deref_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }
}
