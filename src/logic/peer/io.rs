//! What a client is told and what it says: the two sides of a [`Peer`](crate::logic::Peer).

use crate::wire::{
    Body, Bundle, CloseCode, FromClient, FromServer, JoinCode, Message, MsgId, Note, ParkedKind,
    ParkedMessage, RecipientStatus, Refusal, RoomName, Seq, Target, UserId,
};

use super::outbox::Draft;
use crate::logic::prefetch::Prefetch;

/// Stands for the seq that a volatile message has not: the store begins at 1.
pub(super) const VOLATILE: Seq = 0;

/// Who the client is and what it wants from the start.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The id to act as.
    pub id: UserId,
    /// Claim it; otherwise it must be this key's already.
    pub claim: bool,
    /// The code of a ticket.
    pub code: Option<JoinCode>,
    /// Take deliveries.
    pub prefetch: Option<Prefetch>,
    /// How long to go without an answer while one is awaited, in milliseconds. `None`: for ever.
    pub patience_ms: Option<u64>,
}

/// All that can happen to a peer.
#[derive(Clone, Debug)]
pub enum PeerInput {
    /// A dial succeeded: there is a link.
    Linked,
    /// A frame came on it.
    Frame(FromServer),
    /// A dial failed, or the link is gone.
    Ended(Ending),
    /// The user wants something.
    User(Command),
    /// Time has passed.
    Tick,
}

/// All that a user can want of a running client.
#[derive(Clone, Debug)]
pub enum Command {
    /// Send messages. Each is answered by `Accepted` or `Refused`, or `Passed` if it is volatile.
    /// What is alike and comes at one time travels together.
    Send(Vec<Draft>),
    /// The part of a draft's long body that was asked for by `PartWanted`. They are to come in the
    /// order in which they were asked for, all of them. One of a wrong length says that it cannot
    /// be given: the message is not sent, and nothing more is said of it.
    Chunk {
        /// Of this draft.
        id: MsgId,
        /// Which part, from 0.
        index: u64,
        /// The bytes.
        body: Body,
    },
    /// These messages have been dealt with; volatile ones in their order. Answered by `Settled`, as
    /// are the other things that can be said of a delivery.
    Ack(Vec<Seq>),
    /// This message, which is not volatile, has been dealt with, and its sender hears this of it.
    Reply {
        /// Which.
        seq: Seq,
        /// The answer.
        reply: Note,
    },
    /// This message, which is not volatile, is refused for good and goes to the dead letters.
    Reject {
        /// Which.
        seq: Seq,
        /// How often it was tried.
        attempts: u32,
        /// Why.
        reason: Note,
    },
    /// These messages, none volatile, are not for this reader: they stay as they are for others,
    /// and are told of again on the next link. Not answered.
    Release(Vec<Seq>),
    /// These messages, none volatile, came on a link that is gone, and are not begun: they are told
    /// of again if they are delivered again. Answered by `GivenBack`.
    Return(Vec<Seq>),
    /// So many more parts of long messages have been dealt with.
    ChunksConsumed(u32),
    /// Become a member of a room. Answered by `Entered` or `RoomRefused`.
    JoinRoom(RoomName),
    /// End a membership. Answered by `Left`, `NoSuchRoom` or `RoomRefused`.
    LeaveRoom(RoomName),
    /// Tell how far a message that was accepted comes, until `Unwatch`. Answered by `Stands`, again
    /// and again, or `NotThere`.
    Track {
        /// Which.
        id: MsgId,
        /// Where it went.
        to: Target,
    },
    /// Enough is known of it. Not answered.
    Untrack(MsgId),
    /// Show all that is in a drawer. Answered by `Kept` for each, then `Looked`.
    ListParked(ParkedKind),
    /// Take messages out of a drawer. Answered by `Taken`.
    TakeParked {
        /// Which drawer.
        drawer: ParkedKind,
        /// The message; `None`: all.
        id: Option<MsgId>,
        /// Put it back among what waits, or, before its time, send it; otherwise it is gone.
        back: bool,
    },
}

impl From<Command> for PeerInput {
    fn from(command: Command) -> Self {
        Self::User(command)
    }
}

/// How a link, or the attempt to get one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody answers, or nobody any more.
    Silence,
    /// There is no way to the server, for this reason, which is for people.
    Blocked(&'static str),
    /// The server ended it. `None`: with a number that this version does not know.
    Closed(Option<CloseCode>),
}

/// All that a peer can want done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerOutput {
    /// Get a link; say `Linked` or `Ended`.
    Dial,
    /// Send a frame on it.
    Frame(FromClient),
    /// Tell the user.
    Event(Event),
}

/// What a user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server knows who this is. Said on every link.
    Welcome {
        /// Whether the id was claimed just now.
        claimed: bool,
    },
    /// The server's clock and this machine's differ by more than a message takes on its way. Said
    /// on every link where that is so, before anything that was sent on it is answered.
    ClockSkew {
        /// How far ahead the server's clock is, in milliseconds; below 0 if it is behind.
        ahead_ms: i64,
    },
    /// Messages are on the server's disk.
    Accepted {
        /// The first of them.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// It was there already.
        duplicate: bool,
    },
    /// Messages will not be sent.
    Refused {
        /// The first of them.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// What stands against it.
        why: Refusal,
    },
    /// Volatile messages have been passed on to so many readers.
    VolatileSent {
        /// The first of them.
        id: MsgId,
        /// How many: those behind have the ids behind.
        count: u32,
        /// Their number.
        readers: u32,
    },
    /// The link was lost before the server said what became of a volatile message.
    Uncertain {
        /// Which.
        id: MsgId,
    },
    /// Messages have come, of which [`numbered`] makes single ones. Each is to be answered by
    /// [`Command::Ack`].
    Messages {
        /// To name the first by, and those behind it by the seqs behind; 0 for volatile ones.
        seq: Seq,
        /// The messages; of a long one the first part, and the others follow.
        bundle: Bundle,
    },
    /// The next part of the last message, which is a long one. To be answered by
    /// [`Command::ChunksConsumed`], also when the body is cut after it.
    Chunk(Body),
    /// The rest of the last message does not come; forget it. A stored one comes again.
    BodyAborted,
    /// The next part of a draft with a long body is to be sent. To be answered by
    /// [`Command::Chunk`]. Asked again, from the second part on, when a link was lost.
    ChunkWanted {
        /// Of this draft.
        id: MsgId,
        /// Which part, from 0: the bytes from `index * CHUNK_LEN_MAX` on.
        index: u64,
    },
    /// Messages were removed from a log before this user read them.
    Gap {
        /// The log.
        to: Target,
        /// How many.
        count: u64,
    },
    /// Those of the messages of a [`Command::Return`] that have not been delivered again by then:
    /// they are for others now, or come again.
    Returned(Vec<Seq>),
    /// The server has recorded messages as processed; so many that were reported are still on their
    /// way.
    AckRecorded {
        /// Reported and not recorded.
        pending: usize,
    },
    /// How far a watched message has come with some of its recipients. Nobody is told twice of the
    /// same, and never of less than before.
    TrackUpdate {
        /// The message.
        id: MsgId,
        /// With whom, and how far.
        standings: Vec<RecipientStatus>,
        /// All recipients have been told of by now.
        complete: bool,
    },
    /// A watched message is not there, or not any more.
    UnknownMessage {
        /// Its id.
        id: MsgId,
    },
    /// Something in a drawer.
    Parked(ParkedMessage),
    /// All that is in it has been told of.
    ParkedEnd(ParkedKind),
    /// So many messages were in the drawer and are not any more.
    ParkedTaken {
        /// Which drawer.
        drawer: ParkedKind,
        /// What was asked for.
        id: Option<MsgId>,
        /// How many.
        count: u64,
    },
    /// All that was waiting has come. Said once a link.
    CaughtUp,
    /// The user is a member of the room.
    RoomJoined {
        /// Which.
        room: RoomName,
        /// By this request.
        changed: bool,
    },
    /// The user is not a member of the room.
    RoomLeft {
        /// Which.
        room: RoomName,
        /// By this request.
        changed: bool,
    },
    /// The server takes no further member, or has no further room.
    RoomRefused {
        /// Which.
        room: RoomName,
    },
    /// There is no such room to leave.
    NoSuchRoom {
        /// Which.
        room: RoomName,
    },
    /// There is no way to the server, for this reason. Said once until there is a link again,
    /// before `Offline` if that is to be said too.
    Blocked(&'static str),
    /// No link at the moment. The peer goes on trying; said once until the server answers again.
    Offline,
    /// No answer for as long as the user wanted to wait, or only, again and again, that the server
    /// closed the connection with this code. The peer does nothing more.
    GaveUp(Option<CloseCode>),
    /// The server will not have this client. The peer does nothing more.
    Denied(Option<CloseCode>),
}

/// The messages of [`Event::Messages`] one by one, each with what to name it by.
pub fn numbered(seq: Seq, bundle: &Bundle) -> impl Iterator<Item = (Seq, Message)> {
    bundle.messages().enumerate().map(move |(at, message)| (name(seq, at as u64), message))
}

/// What to name the message by that is so far behind the first.
fn name(first: Seq, at: u64) -> Seq {
    if first == VOLATILE { VOLATILE } else { first + at }
}

impl Event {
    /// What to name the messages by that it tells of.
    pub fn seqs(&self) -> impl Iterator<Item = Seq> + use<> {
        let (first, count) = match self {
            Self::Messages { seq, bundle } => (*seq, bundle.count()),
            _ => (VOLATILE, 0),
        };
        (0..count).map(move |at| name(first, at))
    }
}
