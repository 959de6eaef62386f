//! The inputs and outputs of a [`Peer`](crate::logic::Peer): what a client says and is told.

use std::ops::{Deref, DerefMut};

use crate::wire::{
    Body, Bundle, CloseCode, Envelope, Feature, Features, FromClient, FromServer, JoinCode,
    Message, MsgId, Note, ParkedKind, ParkedMessage, RecipientStatus, Refusal, RoomName, Seq,
    Target, UserId,
};

use crate::logic::prefetch::Prefetch;

/// Stands in for the seq of volatile messages, which have none: the store begins at 1.
pub(super) const VOLATILE: Seq = 0;

/// Who the client is and what it wants from the start.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The id to act as.
    pub id: UserId,
    /// Claim the id if nobody has it; otherwise it must be this key's already.
    pub claim: bool,
    /// The code of a ticket.
    pub code: Option<JoinCode>,
    /// Deliveries wanted; `None`: none.
    pub prefetch: Option<Prefetch>,
    /// Milliseconds to wait for an answer before the client gives up. `None`: for ever.
    pub patience_ms: Option<u64>,
}

/// A message to send. Answered by [`Event::Accepted`] or [`Event::Refused`]; a volatile one by
/// [`Event::VolatileSent`], `Refused`, or [`Event::Uncertain`] when its link is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The message. Its id is unique, and sending the same id again stores nothing twice. Its body
    /// is whole, or the first [`CHUNK_LEN_MAX`](crate::wire::CHUNK_LEN_MAX) bytes of a long one,
    /// whose other chunks are asked for by [`Event::ChunkWanted`]. A long body that is whole here
    /// is never asked for.
    pub envelope: Envelope,
    /// For those who read now only: neither stored nor, when the link is lost, sent again.
    pub volatile: bool,
    /// When the server is to send the message, in milliseconds since 1970; `None`: at once. A
    /// scheduled draft is neither volatile nor long.
    pub due_ms: Option<u64>,
}

/// A draft to be stored at once.
impl From<Envelope> for Draft {
    fn from(envelope: Envelope) -> Self {
        Self { envelope, volatile: false, due_ms: None }
    }
}

impl Deref for Draft {
    type Target = Envelope;

    fn deref(&self) -> &Envelope {
        &self.envelope
    }
}

impl DerefMut for Draft {
    fn deref_mut(&mut self) -> &mut Envelope {
        &mut self.envelope
    }
}

/// Everything that can happen to a peer.
#[derive(Clone, Debug)]
pub enum PeerInput {
    /// A dial succeeded: there is a link. Answers [`PeerOutput::Dial`].
    Linked,
    /// A frame came on the link.
    Frame(FromServer),
    /// A dial failed, or the link is gone. A new dial follows, unless the ending is final.
    Ended(Ending),
    /// The user wants something.
    User(Command),
    /// The time of the deadline has come.
    Tick,
}

/// Everything that a user can want of a running client.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send messages. Each is answered as [`Draft`] says. Drafts that are alike and come together
    /// travel together.
    Send(Vec<Draft>),
    /// A chunk of a draft's long body; answers [`Event::ChunkWanted`]. All chunks are given in the
    /// order in which they were asked for. One of a wrong length says that the user cannot give
    /// the body: the message is not sent, and nothing more is said of it.
    Chunk {
        /// The draft's id.
        id: MsgId,
        /// Index of the chunk, from 0.
        index: u64,
        /// The bytes.
        body: Body,
    },
    /// Ack messages; volatile ones in their order. Answered by [`Event::AckRecorded`], as are
    /// `Reply` and `Reject`; acks of volatile messages are not answered.
    Ack(Vec<Seq>),
    /// Ack a message that is not volatile, with a reply that its sender is told.
    Reply {
        /// The message.
        seq: Seq,
        /// The reply.
        reply: Note,
    },
    /// Refuse a message that is not volatile for good: it becomes a dead letter.
    Reject {
        /// The message.
        seq: Seq,
        /// Number of attempts to process the message.
        attempts: u32,
        /// The reason, for its sender and whoever looks at the dead letters.
        reason: Note,
    },
    /// Leave messages, none of them volatile, to other readers. They stay unacked, and the next
    /// link shows them again. Not answered.
    Release(Vec<Seq>),
    /// Forget messages, none of them volatile, that came on a link that is gone and that the user
    /// has not begun with: they are shown again if they are delivered again. Answered by
    /// [`Event::Returned`].
    Return(Vec<Seq>),
    /// Number of further chunks of long messages that the user has consumed. Not answered.
    ChunksConsumed(u32),
    /// Become a member of a room. Answered by [`Event::RoomJoined`] or [`Event::RoomRefused`].
    JoinRoom(RoomName),
    /// End a membership. Answered by [`Event::RoomLeft`], [`Event::NoSuchRoom`] or
    /// [`Event::RoomRefused`].
    LeaveRoom(RoomName),
    /// Track an accepted message until `Untrack`. Answered by [`Event::TrackUpdate`], again and
    /// again, or [`Event::UnknownMessage`].
    Track {
        /// The message.
        id: MsgId,
        /// Where it went.
        to: Target,
    },
    /// End the tracking of a message. Not answered.
    Untrack(MsgId),
    /// List parked messages of one kind. Answered by [`Event::Parked`] for each, then
    /// [`Event::ParkedEnd`].
    ListParked(ParkedKind),
    /// Take parked messages out. Answered by [`Event::ParkedTaken`].
    TakeParked {
        /// Dead letters or scheduled messages.
        drawer: ParkedKind,
        /// The message; `None`: all.
        id: Option<MsgId>,
        /// Deliver a dead letter again, or send a scheduled message before its time. Otherwise the
        /// messages are dropped.
        back: bool,
    },
}

impl Command {
    /// The features that the server needs for it.
    pub(super) fn features(&self) -> Features {
        match self {
            Self::Send(drafts) => drafts.iter().filter_map(feature).collect(),
            Self::Track { .. } => [Feature::Track].into_iter().collect(),
            Self::ListParked(_) | Self::TakeParked { .. } => {
                [Feature::Parked].into_iter().collect()
            }
            _ => Features::default(),
        }
    }
}

/// The feature that the server needs for a draft.
fn feature(draft: &Draft) -> Option<Feature> {
    match draft {
        Draft { due_ms: Some(_), .. } => Some(Feature::Parked),
        Draft { volatile: true, .. } => Some(Feature::Volatile),
        _ => None,
    }
}

impl From<Command> for PeerInput {
    fn from(command: Command) -> Self {
        Self::User(command)
    }
}

/// The way in which a link, or the attempt to get one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody answers, or nobody answers any more.
    Silence,
    /// The network lets nothing through to the server. The reason is for people.
    Blocked(&'static str),
    /// The server closed the connection. `None`: with a code that this version does not know.
    Closed(Option<CloseCode>),
}

/// Everything that a peer can want done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerOutput {
    /// Get a link. Answered by [`PeerInput::Linked`] or [`PeerInput::Ended`].
    Dial,
    /// Send a frame on the link.
    Frame(FromClient),
    /// Tell the user.
    Event(Event),
}

/// Everything that a user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server knows this client. Said on every link.
    Welcome {
        /// The id was claimed just now.
        claimed: bool,
    },
    /// The clocks of the server and of this machine differ by more than a message takes on its way.
    /// Said on every link where they do, before answers to anything sent on it.
    ClockSkew {
        /// Milliseconds by which the server's clock is ahead; below 0 if it is behind.
        ahead_ms: i64,
    },
    /// Messages are on the server's disk. Answers [`Command::Send`].
    Accepted {
        /// Id of the first message.
        id: MsgId,
        /// Number of messages; each id follows the one before.
        count: u32,
        /// The server had them before.
        duplicate: bool,
    },
    /// Messages will not be sent. Answers [`Command::Send`].
    Refused {
        /// Id of the first message.
        id: MsgId,
        /// Number of messages; each id follows the one before.
        count: u32,
        /// The reason.
        why: Refusal,
    },
    /// Volatile messages were passed on. Answers [`Command::Send`].
    VolatileSent {
        /// Id of the first message.
        id: MsgId,
        /// Number of messages; each id follows the one before.
        count: u32,
        /// Number of readers that each was passed on to.
        readers: u32,
    },
    /// The link was lost before the server answered a volatile message. Answers [`Command::Send`].
    Uncertain {
        /// The message.
        id: MsgId,
    },
    /// Deliveries, which [`numbered`] takes apart. Each message is to be answered by
    /// [`Command::Ack`], `Reply`, `Reject` or `Release`.
    Messages {
        /// The seq of the first message, which each next one follows; 0 for volatile ones.
        seq: Seq,
        /// The messages. A long one comes alone, with its first chunk; [`Event::Chunk`] brings the
        /// others.
        bundle: Bundle,
    },
    /// The next chunk of the last message, which is a long one. To be answered by
    /// [`Command::ChunksConsumed`], even if the body is aborted after it.
    Chunk(Body),
    /// The rest of the last message does not come: it is to be forgotten. A stored one is shown
    /// again when it is delivered again.
    BodyAborted,
    /// The next chunk of a draft's long body is to be sent. To be answered by [`Command::Chunk`].
    /// Said again, from the second chunk on, when a link was lost.
    ChunkWanted {
        /// The draft's id.
        id: MsgId,
        /// Index of the chunk, from 0: the bytes from `index * CHUNK_LEN_MAX` on.
        index: u64,
    },
    /// Messages were removed from a log before this user read them.
    Gap {
        /// The log.
        to: Target,
        /// Number of messages.
        count: u64,
    },
    /// The messages of a [`Command::Return`] that had not been delivered again by then: other
    /// readers have them now, or they come again.
    Returned(Vec<Seq>),
    /// The server has recorded acks. Answers [`Command::Ack`], `Reply` and `Reject`.
    AckRecorded {
        /// Number of acks that are not recorded yet.
        pending: usize,
    },
    /// A tracked message has come further. Answers [`Command::Track`]. A recipient is never said
    /// to be as far as before, or less far.
    TrackUpdate {
        /// The message.
        id: MsgId,
        /// Recipients, and how far the message has come with each.
        standings: Vec<RecipientStatus>,
        /// The user knows all recipients by now.
        complete: bool,
    },
    /// The server has no such message, or has it no more. Answers [`Command::Track`].
    UnknownMessage {
        /// The message.
        id: MsgId,
    },
    /// A parked message. Answers [`Command::ListParked`].
    Parked(ParkedMessage),
    /// The end of a list of parked messages. Answers [`Command::ListParked`].
    ParkedEnd(ParkedKind),
    /// Parked messages are taken out. Answers [`Command::TakeParked`].
    ParkedTaken {
        /// Dead letters or scheduled messages.
        drawer: ParkedKind,
        /// The message that was asked for; `None`: all.
        id: Option<MsgId>,
        /// Number of messages that were there and are not any more.
        count: u64,
    },
    /// The whole backlog has been delivered; what comes next is new. Said once a link.
    CaughtUp,
    /// The user is a member of the room. Answers [`Command::JoinRoom`].
    RoomJoined {
        /// The room.
        room: RoomName,
        /// The user was not a member before.
        changed: bool,
    },
    /// The user is not a member of the room. Answers [`Command::LeaveRoom`].
    RoomLeft {
        /// The room.
        room: RoomName,
        /// The user was a member before.
        changed: bool,
    },
    /// The server takes no further member or no further room, or its disk is full. Answers
    /// [`Command::JoinRoom`] and [`Command::LeaveRoom`].
    RoomRefused {
        /// The room.
        room: RoomName,
    },
    /// The room to leave does not exist. Answers [`Command::LeaveRoom`].
    NoSuchRoom {
        /// The room.
        room: RoomName,
    },
    /// The network lets nothing through to the server, for this reason. Said once until there is a
    /// link again, before `Offline` if that is to be said too.
    Blocked(&'static str),
    /// There is no link at the moment, and the peer goes on trying. Said once until the server
    /// answers again.
    Offline,
    /// The server gave no answer for as long as the user wanted to wait; or it only closed the
    /// connection, again and again, the last time with this code. The peer does nothing more.
    GaveUp(Option<CloseCode>),
    /// The server will not have this client. The peer does nothing more.
    Denied(Option<CloseCode>),
    /// The server has not named a feature that something the user asked for needs. The peer does
    /// nothing more.
    Unsupported(Feature),
}

/// The messages of [`Event::Messages`] one by one, each with its seq.
pub fn numbered(seq: Seq, bundle: &Bundle) -> impl Iterator<Item = (Seq, Message)> {
    bundle.messages().enumerate().map(move |(index, message)| (nth(seq, index as u64), message))
}

/// The seq of the message at this index, if the first one has the seq `first`.
fn nth(first: Seq, index: u64) -> Seq {
    if first == VOLATILE { VOLATILE } else { first + index }
}

impl Event {
    /// The seqs of the messages that the event delivers.
    pub fn seqs(&self) -> impl Iterator<Item = Seq> + use<> {
        let (first, count) = match self {
            Self::Messages { seq, bundle } => (*seq, bundle.count()),
            _ => (VOLATILE, 0),
        };
        (0..count).map(move |index| nth(first, index))
    }
}
