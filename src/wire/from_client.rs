//! What a client says to the server. The order of variants and fields is the wire format.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::bundle::{Others, Span};
use super::codec::{CHUNK_LEN_MAX, Frame, Piece};
use super::id::{JoinCode, MsgId, RoomName, Target, UserId};
use super::message::{Body, Envelope, Seq};
use super::standing::{Note, ParkedKind, Start};

/// Most spans of deliveries that one [`FromClient::Ack`] can report.
pub const SPANS_MAX: usize = 2048;

/// Which client this is, among those of one key, and which of its links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Made by chance when the client starts.
    pub client: u64,
    /// Higher with each link.
    pub link: u32,
}

/// A frame from client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromClient {
    /// Who I am. The first frame, once.
    Hello {
        /// The id to act as.
        id: UserId,
        /// Claim the id if nobody has it; otherwise it must be this key's already.
        claim: bool,
        /// Proof of being invited, where the server wants one.
        code: Option<JoinCode>,
        /// Of a client that may come again: this link takes the place of its earlier ones.
        session: Option<Session>,
    },
    /// Take this message.
    Send {
        /// The message, or the first of a bundle. A repeated id is answered, not stored again.
        envelope: Envelope,
        /// The other messages of the bundle, whose ids follow.
        others: Others,
    },
    /// The next bytes of the body begun by the last `Send` or `Pass`.
    Chunk(Body),
    /// Deliver what waits for me and what comes, at most this much of it unsettled at a time.
    Subscribe {
        /// Window in messages, at least 1.
        messages: u32,
        /// Window in bytes; one message larger than it is still delivered, alone.
        bytes: u64,
        /// Where to begin.
        start: Start,
        /// Split what comes with the other readers of my id that say so: each message to one of us,
        /// to another when that one goes.
        share: bool,
    },
    /// These deliveries of this link have been dealt with.
    Ack(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
    /// Make me a member of a room.
    JoinRoom(RoomName),
    /// End my membership of a room.
    LeaveRoom(RoomName),
    /// Pass this message on to those who read now; it is neither stored nor repeated.
    Volatile {
        /// The message, or the first of a bundle.
        envelope: Envelope,
        /// The other messages of the bundle, whose ids follow.
        others: Others,
    },
    /// So many messages more that were passed to me, in their order, have been dealt with.
    AckVolatile {
        /// How many.
        count: u32,
    },
    /// The body under way ends here, and its message is not sent.
    AbortBody,
    /// So many parts of bodies more may come.
    ChunkCredit {
        /// How many.
        parts: u32,
    },
    /// These deliveries of this link are not for this reader: they stay as they are, for others,
    /// and take no place in the window any more.
    Release(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
    /// This delivery of this link has been dealt with, and here is what its sender hears of it.
    Reply {
        /// Which.
        seq: Seq,
        /// The answer.
        reply: Note,
    },
    /// This delivery of this link is refused for good: it goes to the dead letters.
    Reject {
        /// Which.
        seq: Seq,
        /// How often it was tried.
        attempts: u32,
        /// Why, at most [`REASON_LEN_MAX`](super::REASON_LEN_MAX) bytes. The sender hears it.
        reason: Note,
    },
    /// Say how far a message of mine has come with each of its recipients, in pages, and then all
    /// that changes. Asked for again with `after` until the last page has come.
    Track {
        /// The message.
        id: MsgId,
        /// Where it went.
        to: Target,
        /// Begin behind this recipient.
        after: Option<UserId>,
    },
    /// Say no more of it.
    Untrack {
        /// The message.
        id: MsgId,
    },
    /// Keep this message, and send it at that time as if it came then.
    Schedule {
        /// When, in milliseconds since 1970.
        due_ms: u64,
        /// The message, whose body is whole: at most [`CHUNK_LEN_MAX`] bytes.
        #[serde(deserialize_with = "whole")]
        envelope: Envelope,
    },
    /// Show what is in a drawer of mine, a page of it.
    ListParked {
        /// Which.
        drawer: ParkedKind,
        /// Begin behind this one; 0 for the first.
        after: u64,
    },
    /// Take messages out of a drawer of mine.
    TakeParked {
        /// Which.
        drawer: ParkedKind,
        /// The message; `None`: all of them.
        id: Option<MsgId>,
        /// Put it back among what waits for me, or, before its time, send it; otherwise it is gone.
        back: bool,
    },
    /// All that came before the `Ping` of this number has come.
    Pong {
        /// Of the `Ping`.
        number: u64,
    },
    /// These deliveries of an earlier link are with me, who shares, and not dealt with: they are
    /// for none of the others while this link lasts. Comes before `Attach`, if at all.
    Resume(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
}

impl Frame for FromClient {
    fn piece(&self) -> Piece {
        match self {
            Self::Send { envelope, others } | Self::Volatile { envelope, others } => {
                Piece::head(envelope, others)
            }
            Self::Chunk(body) => Piece::Chunk(body.len()),
            Self::AbortBody => Piece::Abort,
            _ => Piece::None,
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
