//! What client and server say to each other. The order of variants and fields is the wire format.

use serde::{Deserialize, Deserializer, Serialize, de};

use super::bundle::{Bundle, Others, Span};
use super::codec::{Frame, PART_LEN_MAX, Piece};
use super::id::{JoinCode, MsgId, RoomName, Target, UserId};
use super::message::{Body, Headers, Message, Seq};
use super::refusal::Refusal;
use super::standing::{Drawer, Kept, Note, STANDINGS_MAX, Standing, Start};

/// Most spans of deliveries that one [`FromClient::Processed`] can report.
pub const SPANS_MAX: usize = 2048;

/// Most parts of bodies, first ones not counted, that either side may have sent on a link beyond
/// what the other has asked for by `More`.
pub const PARTS_AHEAD_MAX: u32 = 64;

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
    },
    /// Take this message.
    Send {
        /// Its id; sending the same id again is answered, not stored again. Those behind have the
        /// ids behind.
        id: MsgId,
        /// Where it goes.
        to: Target,
        /// What is said about it.
        headers: Headers,
        /// Bytes of the whole body.
        size: u64,
        /// The body, or of a long one the first part.
        body: Body,
        /// Messages behind it that are like it.
        others: Others,
    },
    /// The next bytes of the body begun by the last `Send` or `Pass`.
    Part(Body),
    /// Deliver what waits for me and what comes, at most this much of it unsettled at a time.
    Attach {
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
    Processed(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
    /// Make me a member of a room.
    Enter(RoomName),
    /// End my membership of a room.
    Leave(RoomName),
    /// Pass this message on to those who read now; it is neither stored nor repeated.
    Pass {
        /// Its id.
        id: MsgId,
        /// Where it goes.
        to: Target,
        /// What is said about it.
        headers: Headers,
        /// Bytes of the whole body.
        size: u64,
        /// The body, or of a long one the first part.
        body: Body,
        /// Messages behind it that are like it.
        others: Others,
    },
    /// So many messages more that were passed to me, in their order, have been dealt with.
    Took {
        /// How many.
        count: u32,
    },
    /// The body under way ends here, and its message is not sent.
    Cut,
    /// So many parts of bodies more may come.
    More {
        /// How many.
        parts: u32,
    },
    /// These deliveries of this link are not for this reader: they stay as they are, for others,
    /// and take no place in the window any more.
    Skipped(#[serde(deserialize_with = "bounded_spans")] Vec<Span>),
    /// This delivery of this link has been dealt with, and here is what its sender hears of it.
    Answered {
        /// Which.
        seq: Seq,
        /// The answer.
        reply: Note,
    },
    /// This delivery of this link is refused for good: it goes to the dead letters.
    Rejected {
        /// Which.
        seq: Seq,
        /// How often it was tried.
        attempts: u32,
        /// Why. The sender hears it.
        reason: Note,
    },
    /// Say how far a message of mine has come with each of its recipients, in pages, and then all
    /// that changes. Asked for again with `after` until the last page has come.
    Watch {
        /// The message.
        id: MsgId,
        /// Where it went.
        to: Target,
        /// Begin behind this recipient.
        after: Option<UserId>,
    },
    /// Say no more of it.
    Unwatch {
        /// The message.
        id: MsgId,
    },
    /// Keep this message, and send it at that time as if it came then.
    Later {
        /// When, in milliseconds since 1970.
        due_ms: u64,
        /// Its id.
        id: MsgId,
        /// Where it goes.
        to: Target,
        /// What is said about it.
        headers: Headers,
        /// All of the body, at most [`PART_LEN_MAX`](super::PART_LEN_MAX) bytes.
        #[serde(deserialize_with = "bounded_body")]
        body: Body,
    },
    /// Show what is in a drawer of mine, a page of it.
    Look {
        /// Which.
        drawer: Drawer,
        /// Begin behind this one; 0 for the first.
        after: u64,
    },
    /// Take messages out of a drawer of mine.
    Take {
        /// Which.
        drawer: Drawer,
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
}

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
        /// To be named in `Processed`. Those behind have the seqs behind.
        seq: Seq,
        /// Made by its sender. Those behind have the ids behind.
        id: MsgId,
        /// Proven by a key.
        from: UserId,
        /// You, a room of yours, or everyone.
        to: Target,
        /// When the server took it, in milliseconds since 1970.
        time_ms: u64,
        /// What its sender said about it.
        headers: Headers,
        /// Bytes of the whole body.
        size: u64,
        /// The body, or of a long one the first part.
        body: Body,
        /// Messages behind it that are like it.
        others: Others,
    },
    /// The next bytes of the body begun by the last `Deliver` or `Pass`.
    Part(Body),
    /// So many deliveries more, in the order they were reported, are recorded as processed.
    Settled {
        /// How many.
        count: u32,
    },
    /// All that was waiting has been delivered; what comes next is new.
    CaughtUp,
    /// Messages of a log were removed before you read them. To be reported in `Processed` like a
    /// delivery.
    Lost {
        /// To be named in `Processed`.
        seq: Seq,
        /// The log they were in.
        to: Target,
        /// How many, those sent by yourself included.
        count: u64,
    },
    /// You are a member of the room.
    Entered {
        /// Which.
        room: RoomName,
        /// Whether you were not before.
        changed: bool,
    },
    /// You are not a member of the room.
    Left {
        /// Which.
        room: RoomName,
        /// Whether you were before.
        changed: bool,
    },
    /// The server has no room for a further member or a further room.
    RoomRefused {
        /// Which.
        room: RoomName,
    },
    /// A message that is not stored, for you as one who reads now.
    Pass {
        /// Made by its sender.
        id: MsgId,
        /// Proven by a key.
        from: UserId,
        /// You, a room of yours, or everyone.
        to: Target,
        /// When the server took it, in milliseconds since 1970.
        time_ms: u64,
        /// What its sender said about it.
        headers: Headers,
        /// Bytes of the whole body.
        size: u64,
        /// The body, or of a long one the first part.
        body: Body,
        /// Messages behind it that are like it.
        others: Others,
    },
    /// Messages have been passed on.
    Passed {
        /// The id of the first.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// To so many readers.
        readers: u32,
    },
    /// The body under way ends here, and its message is not delivered. A stored one may come again.
    Cut,
    /// So many parts of bodies more may come.
    More {
        /// How many.
        parts: u32,
    },
    /// Answer with `Pong`, so that I know that all before has come.
    Ping {
        /// For the answer.
        number: u64,
    },
    /// Answer to `Watch`: a page of the recipients, in the order of their ids.
    Watched {
        /// The message.
        id: MsgId,
        /// Recipients and how far it has come with each: at most [`STANDINGS_MAX`] of them, with no
        /// more than one part's bytes of notes, or one.
        #[serde(deserialize_with = "bounded_standings")]
        standings: Vec<Standing>,
        /// There are others, behind the last of these.
        more: bool,
    },
    /// Answer to `Watch`: no message of that id and sender is there, or not any more.
    NotThere {
        /// The id.
        id: MsgId,
    },
    /// A message that is watched has come further with one recipient.
    Stands {
        /// The message.
        id: MsgId,
        /// With whom, and how far.
        standing: Standing,
    },
    /// Something in a drawer that is looked into.
    Kept(Kept),
    /// Answer to `Look`, behind what was found.
    Looked {
        /// Which.
        drawer: Drawer,
        /// To look behind, for the next page; `None`: this was the last one.
        next: Option<u64>,
    },
    /// Answer to `Take`.
    Taken {
        /// Which.
        drawer: Drawer,
        /// What was asked for.
        id: Option<MsgId>,
        /// So many were there and are not any more.
        count: u64,
    },
}

impl FromServer {
    /// The frame that delivers `bundle`, its first message as `seq`. Shares the bodies.
    pub fn deliver(seq: Seq, bundle: &Bundle) -> Self {
        let Bundle { first, others } = bundle.clone();
        let Message { id, from, to, time_ms, headers, size, body } = first;
        Self::Deliver { seq, id, from, to, time_ms, headers, size, body, others }
    }

    /// The frame that passes `bundle` on. Shares the bodies.
    pub fn pass(bundle: &Bundle) -> Self {
        let Bundle { first, others } = bundle.clone();
        let Message { id, from, to, time_ms, headers, size, body } = first;
        Self::Pass { id, from, to, time_ms, headers, size, body, others }
    }
}

impl Frame for FromClient {
    fn piece(&self) -> Piece {
        match self {
            Self::Send { size, body, others, .. } | Self::Pass { size, body, others, .. } => {
                head(*size, body, others)
            }
            Self::Part(body) => Piece::Part(body.len()),
            Self::Cut => Piece::Cut,
            _ => Piece::None,
        }
    }
}

impl Frame for FromServer {
    fn piece(&self) -> Piece {
        match self {
            Self::Deliver { size, body, others, .. } | Self::Pass { size, body, others, .. } => {
                head(*size, body, others)
            }
            Self::Part(body) => Piece::Part(body.len()),
            Self::Cut => Piece::Cut,
            _ => Piece::None,
        }
    }
}

fn head(size: u64, body: &Body, others: &Others) -> Piece {
    let longest = others.longest().max(size);
    Piece::Head { size, len: body.len(), behind: others.behind(), longest }
}

fn bounded_spans<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Span>, D::Error> {
    let spans = Vec::<Span>::deserialize(deserializer)?;
    let sound = |span: &Span| span.first <= span.last && span.last < Seq::MAX;
    if spans.len() > SPANS_MAX || !spans.iter().all(sound) {
        return Err(de::Error::custom("too many, or the wrong way round"));
    }
    Ok(spans)
}

fn bounded_body<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Body, D::Error> {
    let body = Body::deserialize(deserializer)?;
    if body.len() > PART_LEN_MAX {
        return Err(de::Error::custom("longer than a part"));
    }
    Ok(body)
}

fn bounded_standings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Standing>, D::Error> {
    let standings = Vec::<Standing>::deserialize(deserializer)?;
    if standings.len() > STANDINGS_MAX {
        return Err(de::Error::custom("too many"));
    }
    Ok(standings)
}
