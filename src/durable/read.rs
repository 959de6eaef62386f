//! Reads and their answers.

use crate::wire::{
    Body, MsgId, ParkedKind, ParkedMessage, Pin, RecipientStatus, Seq, Start, Target, UserId,
};

use super::{Missing, NoTarget, Page, StoredCursor};

/// Request to look something up. Sees every batch that was answered before.
#[derive(Clone, Debug)]
pub enum Read {
    /// Looks up the key that owns an id. Answer: [`Found::Owner`].
    Owner {
        /// The id.
        id: UserId,
    },
    /// Looks up whether messages can be sent to a target: the user exists, or the room has had a
    /// member. Answer: [`Found::Target`].
    Target {
        /// The target.
        to: Target,
    },
    /// Lists all logs that a user reads: the own log, `@all`, and the rooms joined. Answer:
    /// `Mailbox`.
    Mailbox {
        /// The user, who must exist.
        user: UserId,
    },
    /// Finds the seq after which a reader of these logs begins. Costs a look at each of their
    /// segments that is older than the time asked for, or newer than the message. Answer:
    /// `StartPosition`.
    StartPosition {
        /// The logs.
        logs: Vec<Target>,
        /// The start asked for; not `Unacked`, which needs no search.
        start: Start,
    },
    /// Finds the newest message of a log with this id and sender: its seq and expiry time. Costs a
    /// look at each newer segment of the log. A message with more than 131,072 newer ones is not
    /// found. Answer: `MessageFound`.
    FindMessage {
        /// The log.
        to: Target,
        /// The id of the message.
        id: MsgId,
        /// The sender of the message.
        from: UserId,
    },
    /// Lists the recipients of a message and how far it has come with each. The recipient of a
    /// message to a user is that user. Recipients of a message to a room are the members at that
    /// time who still are members; of a message to `@all`, the users at that time. The sender is a
    /// recipient only in its own log. Answer: `Recipients`.
    Recipients {
        /// The log.
        to: Target,
        /// The seq of the message.
        seq: Seq,
        /// The sender of the message.
        from: UserId,
        /// The id after which to begin; recipients are in the order of their ids.
        after: Option<UserId>,
    },
    /// Lists a page of a user's parked messages. Answer: `Parked`.
    Parked {
        /// The user.
        user: UserId,
        /// The kind of messages.
        drawer: ParkedKind,
        /// The number after which to begin.
        after: u64,
    },
    /// Reads a chunk of a long body. Answer: `Chunk`.
    Chunk {
        /// [`Record::parts`](super::Record) plus the chunk's number in its body, from 0.
        at: u64,
    },
    /// Reads a page of several logs, merged by seq. Answer: `Page`.
    Page {
        /// The logs, each with the seq after which to start.
        logs: Vec<(Target, Seq)>,
        /// The reader. Its own messages are left out of the logs of rooms and of `@all`.
        reader: UserId,
        /// Most messages to return.
        messages: u32,
        /// Most bytes of messages to return; the first message is returned whatever its size.
        bytes: u64,
    },
}

/// Answer to a [`Read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key that owns the id, if one does.
    Owner(Option<Pin>),
    /// Existence of the target, or the reason why nothing can be sent to it.
    Target(Result<(), NoTarget>),
    /// The logs of a user, each with the user's cursor, always including the own log and `@all`.
    Mailbox(Vec<(Target, StoredCursor)>),
    /// The seq after which to begin. `None`: there is no such message.
    StartPosition(Option<Seq>),
    /// The seq of a message and, if it expires, the time, in milliseconds since 1970.
    MessageFound(Option<(Seq, Option<u64>)>),
    /// A page of recipients, as many as fit into one frame, each `Accepted`, `Rejected`,
    /// `Processed` or `Gone`; and true if there are more.
    Recipients(Vec<RecipientStatus>, bool),
    /// A page of parked messages, as many as fit into one frame and at least one if there are any;
    /// and true if there are more.
    Parked(Vec<ParkedMessage>, bool),
    /// A chunk of a long body.
    Chunk(Result<Body, Missing>),
    /// A page of logs.
    Page(Page),
}
