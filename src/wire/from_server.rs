//! Frames from the server to a client. The order of variants and fields is the wire format.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::bundle::Bundle;
use super::codec::{BodyPart, Frame};
use super::feature::{Feature, Features};
use super::id::{MsgId, RoomName, Target, UserId};
use super::limits::STATUSES_MAX;
use super::message::{Body, Seq};
use super::refusal::Refusal;
use super::standing::{ParkedKind, ParkedMessage, RecipientStatus};

/// A frame from server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromServer {
    /// Public facts about the server. The first frame.
    Hello {
        /// The server's clock, in milliseconds since 1970.
        time_ms: u64,
        /// Most bytes a body can have.
        body_len_max: u64,
        /// Most unanswered sends.
        sends_max: u32,
        /// Most bytes of unanswered sends; one larger message may go alone.
        send_bytes_max: u64,
        /// Name and version of the program.
        version: String,
        /// Parts of the protocol that the server understands.
        features: Features,
    },
    /// Confirms that the key of this connection acts as the id.
    Welcome {
        /// The id of the client's `Hello`.
        id: UserId,
        /// True if this connection has just claimed it.
        claimed: bool,
    },
    /// Messages are on disk.
    Accepted {
        /// The id of the first message.
        id: MsgId,
        /// Number of messages, with consecutive ids.
        count: u32,
        /// True if the messages had been stored before.
        duplicate: bool,
    },
    /// Messages were not stored and will not be.
    Refused {
        /// The id of the first message.
        id: MsgId,
        /// Number of messages, with consecutive ids.
        count: u32,
        /// The reason.
        why: Refusal,
    },
    /// Delivers messages.
    Deliver {
        /// Seq of the first message, to be named in `Ack`; the others have consecutive seqs.
        seq: Seq,
        /// The messages.
        bundle: Bundle,
    },
    /// The next chunk of the body begun by the last `Deliver` or `Volatile`.
    Chunk(Body),
    /// Confirms that acks are on disk, in the order in which they were sent.
    AckRecorded {
        /// Number of acks.
        count: u32,
    },
    /// Marks the end of the backlog: later messages are new.
    CaughtUp,
    /// Reports messages that were removed before the user read them. Acked like a delivery.
    Gap {
        /// Seq to be named in `Ack`.
        seq: Seq,
        /// Log that the messages were in.
        to: Target,
        /// Number of messages, the user's own included.
        count: u64,
    },
    /// Confirms that the user is a member of the room.
    RoomJoined {
        /// The room.
        room: RoomName,
        /// True if the user was not a member before.
        changed: bool,
    },
    /// Confirms that the user is not a member of the room.
    RoomLeft {
        /// The room.
        room: RoomName,
        /// True if the user was a member before.
        changed: bool,
    },
    /// Refuses a change of membership: a limit is reached, or the server's disk is full.
    RoomRefused {
        /// The room.
        room: RoomName,
    },
    /// Delivers volatile messages.
    Volatile(Bundle),
    /// Volatile messages were delivered.
    VolatileSent {
        /// The id of the first message.
        id: MsgId,
        /// Number of messages, with consecutive ids.
        count: u32,
        /// Number of readers that got all of them.
        readers: u32,
    },
    /// Ends the body under way. Its message is not delivered; a stored one may come again.
    AbortBody,
    /// Lets the client send more chunks of bodies.
    ChunkCredit {
        /// Number of chunks.
        parts: u32,
    },
    /// Asks for a `Pong`, which confirms all frames before the ping.
    Ping {
        /// Number for the answer.
        number: u64,
    },
    /// Answer to `Track`: a page of recipients, in the order of their ids.
    TrackPage {
        /// The message.
        id: MsgId,
        /// Status of each recipient: at most [`STATUSES_MAX`], with notes of at most one chunk
        /// together.
        #[serde(deserialize_with = "bounded_statuses")]
        statuses: Vec<RecipientStatus>,
        /// True if more recipients follow.
        more: bool,
    },
    /// Answer to `Track`: the server has no message with that id from this sender, or no longer.
    UnknownMessage {
        /// The id.
        id: MsgId,
    },
    /// Reports that a tracked message has come further with one recipient.
    TrackUpdate {
        /// The message.
        id: MsgId,
        /// The recipient's status.
        status: RecipientStatus,
    },
    /// A parked message of a page.
    Parked(ParkedMessage),
    /// Answer to `ListParked`, after the messages of the page.
    ParkedEnd {
        /// Kind of the messages.
        kind: ParkedKind,
        /// `after` of the next page; `None`: this is the last one.
        next: Option<u64>,
    },
    /// Answer to `TakeParked`.
    ParkedTaken {
        /// Kind of the messages.
        kind: ParkedKind,
        /// Id of the request.
        id: Option<MsgId>,
        /// Number of messages taken out.
        count: u64,
    },
    /// Answer to `LeaveRoom`: nobody ever joined such a room.
    NoSuchRoom {
        /// The room.
        room: RoomName,
    },
}

impl FromServer {
    /// The feature that the client must have named to receive this frame.
    pub fn feature(&self) -> Option<Feature> {
        match self {
            Self::Volatile(_) | Self::VolatileSent { .. } => Some(Feature::Volatile),
            Self::Ping { .. } => Some(Feature::Confirm),
            Self::TrackPage { .. } | Self::UnknownMessage { .. } | Self::TrackUpdate { .. } => {
                Some(Feature::Track)
            }
            Self::Parked(_) | Self::ParkedEnd { .. } | Self::ParkedTaken { .. } => {
                Some(Feature::Parked)
            }
            Self::Hello { .. }
            | Self::Welcome { .. }
            | Self::Accepted { .. }
            | Self::Refused { .. }
            | Self::Deliver { .. }
            | Self::Chunk(_)
            | Self::AckRecorded { .. }
            | Self::CaughtUp
            | Self::Gap { .. }
            | Self::RoomJoined { .. }
            | Self::RoomLeft { .. }
            | Self::RoomRefused { .. }
            | Self::AbortBody
            | Self::ChunkCredit { .. }
            | Self::NoSuchRoom { .. } => None,
        }
    }

    /// The frame that delivers `bundle`; `seq` is the seq of its first message. Shares the bodies.
    pub fn deliver(seq: Seq, bundle: &Bundle) -> Self {
        Self::Deliver { seq, bundle: bundle.clone() }
    }

    /// The frame that delivers the volatile messages of `bundle`. Shares the bodies.
    pub fn volatile(bundle: &Bundle) -> Self {
        Self::Volatile(bundle.clone())
    }
}

impl Frame for FromServer {
    const VARIANTS: u32 = 24;

    fn body_part(&self) -> BodyPart {
        match self {
            Self::Deliver { bundle, .. } | Self::Volatile(bundle) => {
                BodyPart::head(&bundle.first, &bundle.others)
            }
            Self::Chunk(body) => BodyPart::Chunk(body.len()),
            Self::AbortBody => BodyPart::Abort,
            _ => BodyPart::None,
        }
    }
}

fn bounded_statuses<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RecipientStatus>, D::Error> {
    let statuses = Vec::<RecipientStatus>::deserialize(deserializer)?;
    if statuses.len() > STATUSES_MAX {
        return Err(de::Error::custom("too many"));
    }
    Ok(statuses)
}
