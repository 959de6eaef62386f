//! Inputs and outputs of a [`Peer`](crate::logic::Peer): commands and frames in, frames and events
//! out.

use std::ops::{Deref, DerefMut};

use crate::wire::{
    Body, Bundle, CloseCode, Envelope, Feature, Features, FromClient, FromServer, JoinCode,
    Message, MsgId, Note, ParkedKind, ParkedMessage, RecipientStatus, Refusal, RoomName, Seq,
    Target, UserId,
};

use crate::logic::prefetch::Prefetch;

/// Seq of volatile messages, which are not stored: the store begins at 1.
pub(super) const VOLATILE: Seq = 0;

/// Identity and wishes of a client from the start.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The id to act as.
    pub id: UserId,
    /// Claim the id if nobody has it; otherwise it must be this key's already.
    pub claim: bool,
    /// The code of a ticket.
    pub code: Option<JoinCode>,
    /// Deliveries wanted; `None`: no deliveries.
    pub prefetch: Option<Prefetch>,
    /// Milliseconds to wait for an answer before the client gives up. `None`: without limit.
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
    /// True for a message to those who read now only: it is neither stored nor sent again after a
    /// lost link.
    pub volatile: bool,
    /// Time at which the server is to send the message, in milliseconds since 1970; `None`: at
    /// once. A scheduled draft is neither volatile nor long.
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
    /// A command of the user.
    User(Command),
    /// The time of the deadline has come.
    Tick,
}

/// Everything that a user can ask of a running client.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send messages. Each is answered as described at [`Draft`]. Similar drafts given together
    /// travel together.
    Send(Vec<Draft>),
    /// A chunk of a draft's long body; answers [`Event::ChunkWanted`]. Chunks are given in the
    /// order in which they were asked for. A chunk of a wrong length means that the user cannot
    /// give the body: the message is not sent, and no event follows.
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
    /// Ack a message that is not volatile, with a reply for its sender.
    Reply {
        /// Seq of the message.
        seq: Seq,
        /// The reply.
        reply: Note,
    },
    /// Reject a message that is not volatile for good: it becomes a dead letter.
    Reject {
        /// Seq of the message.
        seq: Seq,
        /// Number of attempts to process the message.
        attempts: u32,
        /// The reason, for the sender and for readers of the dead letters.
        reason: Note,
    },
    /// Leave messages, none of them volatile, to other readers. They stay unacked, and are shown
    /// again on the next link. Not answered.
    Release(Vec<Seq>),
    /// Forget messages, none of them volatile, of a lost link that the user has not begun to
    /// process: they are shown again if they are delivered again. Answered by [`Event::Returned`].
    Return(Vec<Seq>),
    /// Number of further chunks of long messages that the user has consumed. Not answered.
    ChunksConsumed(u32),
    /// Become a member of a room. Answered by [`Event::RoomJoined`] or [`Event::RoomRefused`].
    JoinRoom(RoomName),
    /// End a membership. Answered by [`Event::RoomLeft`], [`Event::NoSuchRoom`] or
    /// [`Event::RoomRefused`].
    LeaveRoom(RoomName),
    /// Track an accepted message until `Untrack`. Answered by any number of [`Event::TrackUpdate`],
    /// or by [`Event::UnknownMessage`].
    Track {
        /// Id of the message.
        id: MsgId,
        /// Target of the message.
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
        /// The message to take; `None`: all of the kind.
        id: Option<MsgId>,
        /// Deliver a dead letter again, or send a scheduled message before its time. Otherwise the
        /// messages are dropped.
        back: bool,
    },
}

impl Command {
    /// The features of the server that this command needs.
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

/// The feature of the server that a draft needs.
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
    /// No answer, or no more answers.
    Silence,
    /// The network blocks the way to the server, for this reason (a text for people).
    Blocked(&'static str),
    /// The server closed the connection. `None`: with a code unknown to this version.
    Closed(Option<CloseCode>),
}

/// Everything that a peer can ask of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerOutput {
    /// Get a link. Answered by [`PeerInput::Linked`] or [`PeerInput::Ended`].
    Dial,
    /// Send a frame on the link.
    Frame(FromClient),
    /// Tell the user.
    Event(Event),
}

/// Everything that a user can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server has admitted this client. Sent on every link.
    Welcome {
        /// The id was claimed just now.
        claimed: bool,
    },
    /// The clocks of server and client differ by more than a message's travel time. Sent on every
    /// link where they do, before the answers to anything sent on it.
    ClockSkew {
        /// Milliseconds by which the server's clock is ahead; below 0 if it is behind.
        ahead_ms: i64,
    },
    /// Messages are on the server's disk. Answers [`Command::Send`].
    Accepted {
        /// Id of the first message.
        id: MsgId,
        /// Number of messages; their ids are consecutive.
        count: u32,
        /// True if the server had stored them before.
        duplicate: bool,
    },
    /// Messages will not be sent. Answers [`Command::Send`].
    Refused {
        /// Id of the first message.
        id: MsgId,
        /// Number of messages; their ids are consecutive.
        count: u32,
        /// The reason.
        why: Refusal,
    },
    /// Volatile messages were passed on. Answers [`Command::Send`].
    VolatileSent {
        /// Id of the first message.
        id: MsgId,
        /// Number of messages; their ids are consecutive.
        count: u32,
        /// Number of readers that received each of them.
        readers: u32,
    },
    /// The link was lost before the server answered a volatile message. Answers [`Command::Send`].
    Uncertain {
        /// The message.
        id: MsgId,
    },
    /// Deliveries; [`numbered`] splits them into messages. Each is to be answered by
    /// [`Command::Ack`], `Reply`, `Reject` or `Release`.
    Messages {
        /// Seq of the first message; the others have consecutive seqs. 0 for volatile ones.
        seq: Seq,
        /// The messages. A long one comes alone, with its first chunk; [`Event::Chunk`] brings the
        /// others.
        bundle: Bundle,
    },
    /// The next chunk of the last message, which is a long one. To be answered by
    /// [`Command::ChunksConsumed`], even if the body is aborted after it.
    Chunk(Body),
    /// The rest of the last message will not come: forget that message. A stored one is shown again
    /// when it is delivered again.
    BodyAborted,
    /// The next chunk of a draft's long body is to be sent. To be answered by [`Command::Chunk`].
    /// Sent again, from the second chunk on, after a lost link.
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
    /// The messages of a [`Command::Return`] that were not delivered again before it: other readers
    /// have them now, or they will come again.
    Returned(Vec<Seq>),
    /// The server has recorded acks. Answers [`Command::Ack`], `Reply` and `Reject`.
    AckRecorded {
        /// Number of acks that are not recorded yet.
        pending: usize,
    },
    /// A tracked message has come further. Answers [`Command::Track`]. The state of a recipient
    /// never repeats and never goes back.
    TrackUpdate {
        /// The message.
        id: MsgId,
        /// Recipients, each with the state of the message.
        standings: Vec<RecipientStatus>,
        /// True once the user knows all recipients.
        complete: bool,
    },
    /// The server has no such message, or no longer. Answers [`Command::Track`].
    UnknownMessage {
        /// The message.
        id: MsgId,
    },
    /// A parked message. Answers [`Command::ListParked`].
    Parked(ParkedMessage),
    /// The end of a list of parked messages. Answers [`Command::ListParked`].
    ParkedEnd(ParkedKind),
    /// Parked messages were taken out. Answers [`Command::TakeParked`].
    ParkedTaken {
        /// Dead letters or scheduled messages.
        drawer: ParkedKind,
        /// The message that was asked for; `None`: all.
        id: Option<MsgId>,
        /// Number of messages taken out.
        count: u64,
    },
    /// The whole backlog was delivered; later messages are new. Sent once a link.
    CaughtUp,
    /// The user is a member of the room. Answers [`Command::JoinRoom`].
    RoomJoined {
        /// The room.
        room: RoomName,
        /// True if the user was not a member before.
        changed: bool,
    },
    /// The user is not a member of the room. Answers [`Command::LeaveRoom`].
    RoomLeft {
        /// The room.
        room: RoomName,
        /// True if the user was a member before.
        changed: bool,
    },
    /// The server takes no more members or no more rooms, or its disk is full. Answers
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
    /// The network blocks the way to the server, for this reason. Sent once until there is a link
    /// again; comes before `Offline`.
    Blocked(&'static str),
    /// There is no link at the moment; the peer keeps trying. Sent once until the server answers
    /// again.
    Offline,
    /// The server did not answer for as long as the user wanted to wait, or only closed
    /// connections, the last one with this code. The peer has ended.
    GaveUp(Option<CloseCode>),
    /// The server refuses this client. The peer has ended.
    Denied(Option<CloseCode>),
    /// The server lacks a feature that a command needs. The peer has ended.
    Unsupported(Feature),
}

/// Splits [`Event::Messages`] into messages, each with its seq.
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
