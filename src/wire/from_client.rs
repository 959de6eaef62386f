//! Frames from a client to the server. The order of variants and fields is the wire format.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::bundle::{BundleRest, Span};
use super::codec::{BodyPart, Frame};
use super::feature::{Feature, Features};
use super::id::{JoinCode, MsgId, RoomName, Target, UserId};
use super::limits::{CHUNK_LEN_MAX, SPANS_MAX};
use super::message::{Body, Envelope, Seq};
use super::standing::{Note, ParkedKind, Start};

/// Number of a client among those of one key, and number of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Random number, constant while the client runs.
    pub client: u64,
    /// Count of links of this client.
    pub link: u32,
}

/// A frame from client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromClient {
    /// The client's identity: the first frame, and only the first.
    Hello {
        /// Id that the client acts as.
        id: UserId,
        /// Claims the id if nobody has it; otherwise the id must belong to this key.
        claim: bool,
        /// Code of a ticket, where the server requires one.
        code: Option<JoinCode>,
        /// Names a client that may reconnect: its new link takes over from earlier ones.
        session: Option<Session>,
        /// Parts of the protocol that the client understands.
        features: Features,
    },
    /// Stores messages. Answered by `Accepted` or `Refused`.
    Send {
        /// The message, or the first of a bundle. A repeated id is answered, not stored again.
        envelope: Envelope,
        /// The other messages of the bundle, whose ids follow.
        others: BundleRest,
    },
    /// The next chunk of the body begun by the last `Send` or `Volatile`.
    Chunk(Body),
    /// Starts deliveries: the backlog, then new messages, at most a prefetch window of them
    /// unacked.
    Subscribe {
        /// Window in messages, at least 1.
        messages: u32,
        /// Window in bytes; one message larger than it is still delivered, alone.
        bytes: u64,
        /// First message of the deliveries.
        start: Start,
        /// Shares the messages with the other sharing readers of this id: each goes to one of them,
        /// and to another one if that reader goes away.
        share: bool,
    },
    /// Acks deliveries of this link. Answered by `AckRecorded`.
    Ack(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
    /// Makes the user a member of a room.
    JoinRoom(RoomName),
    /// Ends the user's membership of a room.
    LeaveRoom(RoomName),
    /// Delivers messages to those who read now, without storing or repeating them. Answered by
    /// `VolatileSent`.
    Volatile {
        /// The message, or the first of a bundle.
        envelope: Envelope,
        /// The other messages of the bundle, whose ids follow.
        others: BundleRest,
    },
    /// Acks volatile deliveries, in their order.
    AckVolatile {
        /// Number of volatile messages.
        count: u32,
    },
    /// Ends the body under way. Its message is not sent.
    AbortBody,
    /// Lets the server send more chunks of bodies.
    ChunkCredit {
        /// Number of chunks.
        parts: u32,
    },
    /// Releases deliveries of this link: they stay unacked, for other readers, and leave the
    /// window.
    Release(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
    /// Acks a delivery of this link with a reply for its sender.
    Reply {
        /// Seq of the delivery.
        seq: Seq,
        /// The reply.
        reply: Note,
    },
    /// Rejects a delivery of this link for good: it goes to the dead letters.
    Reject {
        /// Seq of the delivery.
        seq: Seq,
        /// Number of attempts made.
        attempts: u32,
        /// Reason for the sender, at most [`REASON_LEN_MAX`](super::REASON_LEN_MAX) bytes.
        reason: Note,
    },
    /// Asks how far a message of the user has come with each recipient: a page of statuses, then
    /// every change. Sent again with `after` until the last page has come.
    Track {
        /// The message.
        id: MsgId,
        /// Target of the message.
        to: Target,
        /// Begins the page after this recipient.
        after: Option<UserId>,
    },
    /// Ends the tracking of a message.
    Untrack {
        /// The message.
        id: MsgId,
    },
    /// Keeps a message and sends it when due, as if it had arrived then.
    Schedule {
        /// Due time, in milliseconds since 1970.
        due_ms: u64,
        /// The message, whose body is whole: at most [`CHUNK_LEN_MAX`] bytes.
        #[serde(deserialize_with = "whole")]
        envelope: Envelope,
    },
    /// Asks for a page of the user's parked messages.
    ListParked {
        /// Kind of the messages.
        kind: ParkedKind,
        /// Begins after this number; 0 for the first page.
        after: u64,
    },
    /// Takes parked messages of the user out.
    TakeParked {
        /// Kind of the messages.
        kind: ParkedKind,
        /// The message to take; `None`: all of the kind.
        id: Option<MsgId>,
        /// Delivers dead letters again, and sends scheduled messages now; otherwise removes them.
        back: bool,
    },
    /// Confirms all frames before a `Ping`.
    Pong {
        /// Number of the `Ping`.
        number: u64,
    },
    /// Keeps deliveries of an earlier link, unacked, for this sharing reader while its link lasts.
    /// Sent before `Subscribe`, if at all.
    Resume(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
}

impl FromClient {
    /// The feature that the client must have named to send this frame.
    pub fn feature(&self) -> Option<Feature> {
        match self {
            Self::Volatile { .. } | Self::AckVolatile { .. } => Some(Feature::Volatile),
            Self::Pong { .. } => Some(Feature::Confirm),
            Self::Track { .. } | Self::Untrack { .. } => Some(Feature::Track),
            Self::Schedule { .. } | Self::ListParked { .. } | Self::TakeParked { .. } => {
                Some(Feature::Parked)
            }
            Self::Hello { .. }
            | Self::Send { .. }
            | Self::Chunk(_)
            | Self::Subscribe { .. }
            | Self::Ack(_)
            | Self::JoinRoom(_)
            | Self::LeaveRoom(_)
            | Self::AbortBody
            | Self::ChunkCredit { .. }
            | Self::Release(_)
            | Self::Reply { .. }
            | Self::Reject { .. }
            | Self::Resume(_) => None,
        }
    }
}

impl Frame for FromClient {
    const VARIANTS: u32 = 21;

    fn body_part(&self) -> BodyPart {
        match self {
            Self::Send { envelope, others } | Self::Volatile { envelope, others } => {
                BodyPart::head(envelope, others)
            }
            Self::Chunk(body) => BodyPart::Chunk(body.len()),
            Self::AbortBody => BodyPart::Abort,
            _ => BodyPart::None,
        }
    }
}

fn bounded_spans<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Span>, D::Error> {
    let spans = Vec::<Span>::deserialize(deserializer)?;
    let sound = |span: &Span| span.first <= span.last && span.last < Seq::MAX;
    if spans.len() > SPANS_MAX || !spans.iter().all(sound) {
        return Err(de::Error::custom("too many, or the wrong way round"));
    }
    Ok(spans)
}

fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Envelope, D::Error> {
    let envelope = Envelope::deserialize(deserializer)?;
    if envelope.body.len() > CHUNK_LEN_MAX || envelope.size != envelope.body.len() as u64 {
        return Err(de::Error::custom("a body that is not whole"));
    }
    Ok(envelope)
}
