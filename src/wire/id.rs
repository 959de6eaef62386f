//! Names as types: the sender of a message, its target, and its id.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE64_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use super::limits::NAME_LEN_MAX;

/// A user's unique name, in lower case: `alice`, `ops@example.org`, `db-01.cron`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

/// A room's name, in lower case, without the leading `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

/// The target of a message, which is also the log that holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// One user: `alice`.
    User(UserId),
    /// The members of a room: `@ops`.
    Room(RoomName),
    /// Every user: `@all`.
    All,
}

/// Reason why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// An empty text, or nothing after the `@`.
    #[error("it is empty")]
    Empty,
    /// More than [`NAME_LEN_MAX`] bytes.
    #[error("it is longer than {NAME_LEN_MAX} bytes")]
    TooLong,
    /// A first character that is neither letter nor digit.
    #[error("it must start with a letter or a digit")]
    Start,
    /// A character outside the alphabet.
    #[error("{0:?} is not allowed: ASCII letters, digits and . _ + @ - are")]
    Character(char),
    /// The name `all`, which is everyone and not a room.
    #[error("@all is everyone, not a room")]
    Reserved,
}

fn parse_name(text: &str) -> Result<Arc<str>, BadName> {
    if text.len() > NAME_LEN_MAX {
        return Err(BadName::TooLong);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._+@-".contains(c);
    if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
        return Err(BadName::Character(bad));
    }
    match text.chars().next() {
        None => Err(BadName::Empty),
        Some(first) if !first.is_ascii_alphanumeric() => Err(BadName::Start),
        Some(_) => Ok(text.to_ascii_lowercase().into()),
    }
}

/// Ids that read like everyone: their owner would receive messages meant for `@all`.
const RESERVED: [&str; 2] = ["all", "everyone"];

impl UserId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for an id that nobody can claim.
    pub fn is_reserved(&self) -> bool {
        RESERVED.contains(&self.as_str())
    }
}

impl Target {
    /// The room with the name of this user, or the user with the name of this room.
    pub fn of_other_kind(&self) -> Option<Self> {
        match self {
            Self::User(id) if id.as_str() == "all" => Some(Self::All),
            Self::User(id) => Some(Self::Room(RoomName(id.0.clone()))),
            Self::Room(room) => Some(Self::User(UserId(room.0.clone()))),
            Self::All => None,
        }
    }
}

impl RoomName {
    /// The name as text, without `@`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        parse_name(text).map(Self)
    }
}

/// Parses the name without its `@`.
impl FromStr for RoomName {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let name = parse_name(text)?;
        if &*name == "all" { Err(BadName::Reserved) } else { Ok(Self(name)) }
    }
}

/// Shows it as people write it: `alice`, `@ops`, `@all`.
impl FromStr for Target {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.strip_prefix('@') {
            None => text.parse().map(Self::User),
            Some(name) if name.eq_ignore_ascii_case("all") => Ok(Self::All),
            Some(name) => name.parse().map(Self::Room),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Room(room) => room.fmt(f),
            Self::All => f.write_str("@all"),
        }
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for RoomName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Accepts only the canonical spelling, so that a name has one encoding.
fn canonical<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = BadName> + AsRef<str>,
{
    struct Visitor<T>(std::marker::PhantomData<T>);
    impl<T: FromStr<Err = BadName> + AsRef<str>> de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name in lower case")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            let name: T = text.parse().map_err(E::custom)?;
            if name.as_ref() == text { Ok(name) } else { Err(E::custom("upper case")) }
        }
    }
    deserializer.deserialize_str(Visitor(std::marker::PhantomData))
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for RoomName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        canonical(deserializer)
    }
}

impl<'de> Deserialize<'de> for RoomName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        canonical(deserializer)
    }
}

/// A message's id: a `UUIDv7` (RFC 9562, section 5.7), made by its sender, or a `UUIDv8` (section
/// 5.8) that its sender derived from a key, so that the same key gives the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MsgId([u8; 16]);

impl MsgId {
    /// Makes an id at `unix_ms` from ten random bytes.
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid().into_bytes())
    }

    /// Returns the id derived from a key; `hash` holds 16 bytes of its hash.
    pub fn keyed(hash: [u8; 16]) -> Self {
        Self(uuid::Builder::from_custom_bytes(hash).into_uuid().into_bytes())
    }

    /// True for an id derived from a key, which holds no time.
    pub fn is_keyed(&self) -> bool {
        self.0[6] >> 4 == 8
    }

    /// An id from its stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id that is `count` after this one. Only the last 62 bits count up (RFC 9562, section
    /// 6.2), and wrap around to 0.
    pub fn plus(self, count: u64) -> Self {
        const COUNTER: u128 = (1 << 62) - 1;
        let bits = u128::from_be_bytes(self.0);
        let next = (bits & COUNTER).wrapping_add(u128::from(count)) & COUNTER;
        Self((bits & !COUNTER | next).to_be_bytes())
    }

    /// The 16 bytes, big-endian: ids sort by their time.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Time at which the id was made, in milliseconds since 1970 by its sender's clock; meaningless
    /// for an id derived from a key.
    pub fn unix_ms(&self) -> u64 {
        self.0[..6].iter().fold(0, |ms, &byte| ms << 8 | u64::from(byte))
    }
}

/// Makes consecutive ids while the clock shows the same millisecond, so that messages sent in quick
/// succession can travel together.
#[derive(Clone, Debug, Default)]
pub struct MsgIds {
    last: Option<(u64, MsgId)>,
}

impl MsgIds {
    /// Makes an id at `unix_ms`. Calls `random` once a millisecond.
    pub fn next_id(&mut self, unix_ms: u64, random: impl FnOnce() -> [u8; 10]) -> MsgId {
        let id = match self.last {
            Some((at_ms, id)) if at_ms == unix_ms => id.plus(1),
            _ => MsgId::new(unix_ms, random()),
        };
        self.last = Some((unix_ms, id));
        id
    }
}

impl fmt::Display for MsgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

/// An error of a text that is not a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message's id is written like 018bcfe5-6800-7707-8707-070707070707")]
pub struct BadMsgId;

impl FromStr for MsgId {
    type Err = BadMsgId;
    fn from_str(text: &str) -> Result<Self, BadMsgId> {
        Uuid::parse_str(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| BadMsgId)
    }
}

/// SHA-256 of a public key (its SPKI), which identifies a client or a server. Written as ssh writes
/// fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin(pub [u8; 32]);

/// An error of a text that is not a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is written SHA256: and 43 characters of base64")]
pub struct BadPin;

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHA256:{}", BASE64_NOPAD.encode(&self.0))
    }
}

impl FromStr for Pin {
    type Err = BadPin;
    fn from_str(text: &str) -> Result<Self, BadPin> {
        let base64 = text.strip_prefix("SHA256:").ok_or(BadPin)?;
        let bytes = BASE64_NOPAD.decode(base64.as_bytes()).map_err(|_| BadPin)?;
        bytes.try_into().map(Self).map_err(|_| BadPin)
    }
}

/// A one-time secret that lets its holder claim an id. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinCode(pub [u8; 16]);

impl fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinCode(..)")
    }
}
