//! What the server says to a client. The order of variants and fields is the wire format.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::bundle::Bundle;
use super::codec::{Frame, Piece};
use super::id::{MsgId, RoomName, Target, UserId};
use super::message::{Body, Seq};
use super::refusal::Refusal;
use super::standing::{ParkedKind, ParkedMessage, RecipientStatus, STATUSES_MAX};

/// A frame from server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromServer {
    /// What holds on this server. The first frame.
    Hello {
        /// The server's clock, in milliseconds since 1970.
        time_ms: u64,
        /// Most bytes a body can have.
        body_len_max: u64,
        /// Most sends that can be unanswered at a time.
        sends_max: u32,
        /// Most bytes that unanswered sends can have together; one larger message may go alone.
        send_bytes_max: u64,
        /// Name and version of the program.
        version: String,
    },
    /// The key of this connection acts as this id now.
    Welcome {
        /// The id of the client's `Hello`.
        id: UserId,
        /// Whether this connection claimed it.
        claimed: bool,
    },
    /// Messages are on disk.
    Accepted {
        /// The id of the first.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// They had been stored before.
        duplicate: bool,
    },
    /// Messages were not stored and will not be.
    Refused {
        /// The id of the first.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// What stood against it.
        why: Refusal,
    },
    /// A message for you.
    Deliver {
        /// Number of the first message, to be named in `Ack`; the others have those that follow.
        seq: Seq,
        /// The messages.
        bundle: Bundle,
    },
    /// The next bytes of the body begun by the last `Deliver` or `Pass`.
    Chunk(Body),
    /// So many deliveries more, in the order they were reported, are recorded as processed.
    AckRecorded {
        /// How many.
        count: u32,
    },
    /// All that was waiting has been delivered; what comes next is new.
    CaughtUp,
    /// Messages of a log were removed before you read them. To be reported in `Processed` like a
    /// delivery.
    Gap {
        /// To be named in `Processed`.
        seq: Seq,
        /// The log they were in.
        to: Target,
        /// How many, those sent by yourself included.
        count: u64,
    },
    /// You are a member of the room.
    RoomJoined {
        /// Which.
        room: RoomName,
        /// Whether you were not before.
        changed: bool,
    },
    /// You are not a member of the room.
    RoomLeft {
        /// Which.
        room: RoomName,
        /// Whether you were before.
        changed: bool,
    },
    /// The server has no room for a further member or a further room, or its disk is full.
    RoomRefused {
        /// Which.
        room: RoomName,
    },
    /// A message that is not stored, for you as one who reads now.
    Volatile(Bundle),
    /// Messages have been passed on.
    VolatileSent {
        /// The id of the first.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// To so many readers.
        readers: u32,
    },
    /// The body under way ends here, and its message is not delivered. A stored one may come again.
    AbortBody,
    /// So many parts of bodies more may come.
    ChunkCredit {
        /// How many.
        parts: u32,
    },
    /// Answer with `Pong`, so that I know that all before has come.
    Ping {
        /// For the answer.
        number: u64,
    },
    /// Answer to `Watch`: a page of the recipients, in the order of their ids.
    TrackPage {
        /// The message.
        id: MsgId,
        /// Recipients and how far it has come with each: at most [`STATUSES_MAX`] of them, with no
        /// more than one part's bytes of notes, or one.
        #[serde(deserialize_with = "bounded_standings")]
        standings: Vec<RecipientStatus>,
        /// There are others, behind the last of these.
        more: bool,
    },
    /// Answer to `Watch`: no message of that id and sender is there, or not any more.
    UnknownMessage {
        /// The id.
        id: MsgId,
    },
    /// A message that is watched has come further with one recipient.
    TrackUpdate {
        /// The message.
        id: MsgId,
        /// With whom, and how far.
        standing: RecipientStatus,
    },
    /// Something in a drawer that is looked into.
    Parked(ParkedMessage),
    /// Answer to `Look`, behind what was found.
    ParkedEnd {
        /// Which.
        drawer: ParkedKind,
        /// To look behind, for the next page; `None`: this was the last one.
        next: Option<u64>,
    },
    /// Answer to `Take`.
    ParkedTaken {
        /// Which.
        drawer: ParkedKind,
        /// What was asked for.
        id: Option<MsgId>,
        /// So many were there and are not any more.
        count: u64,
    },
    /// There is no such room, so there was no membership to end.
    NoSuchRoom {
        /// Which.
        room: RoomName,
    },
}

impl FromServer {
    /// The frame that delivers `bundle`, its first message as `seq`. Shares the bodies.
    pub fn deliver(seq: Seq, bundle: &Bundle) -> Self {
        Self::Deliver { seq, bundle: bundle.clone() }
    }

    /// The frame that delivers the volatile messages of `bundle`. Shares the bodies.
    pub fn pass(bundle: &Bundle) -> Self {
        Self::Volatile(bundle.clone())
    }
}

impl Frame for FromServer {
    fn piece(&self) -> Piece {
        match self {
            Self::Deliver { bundle, .. } | Self::Volatile(bundle) => {
                Piece::head(&bundle.first, &bundle.others)
            }
            Self::Chunk(body) => Piece::Chunk(body.len()),
            Self::AbortBody => Piece::Abort,
            _ => Piece::None,
        }
    }
}

fn bounded_standings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<RecipientStatus>, D::Error> {
    let standings = Vec::<RecipientStatus>::deserialize(deserializer)?;
    if standings.len() > STATUSES_MAX {
        return Err(de::Error::custom("too many"));
    }
    Ok(standings)
}
