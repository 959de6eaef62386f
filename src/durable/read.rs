//! Reads and their answers.

use crate::wire::{
    Body, MsgId, ParkedKind, ParkedMessage, Pin, RecipientStatus, Seq, Start, Target, UserId,
};

use super::{Missing, NoTarget, Page, StoredCursor};

/// Something to be looked up. Reads see every batch that was answered before they were asked.
#[derive(Clone, Debug)]
pub enum Read {
    /// Who owns an id. Answer: [`Found::Owner`].
    Owner {
        /// The id.
        id: UserId,
    },
    /// Looks up whether a message can be sent there: the user exists, the room had a member once.
    /// Answer: [`Found::Target`].
    Target {
        /// Where.
        to: Target,
    },
    /// All logs that a user reads: the own, `@all`, the rooms joined. Answer: `Mailbox`.
    Mailbox {
        /// The user, who exists.
        user: UserId,
    },
    /// Finds the seq behind which a reader of these logs begins. Costs a look at each segment of
    /// them that is older, or newer than the message. Answer: `StartPosition`.
    StartPosition {
        /// The logs.
        logs: Vec<Target>,
        /// The start asked for; not `Unacked`, which needs no look.
        start: Start,
    },
    /// Finds the seq of a message in a log, the newest if there are several, and when its time to
    /// live is over. Costs a look at each newer segment of the log; with more than 131,072 messages
    /// behind it it is not found. Answer: `MessageFound`.
    FindMessage {
        /// The log.
        to: Target,
        /// Its id.
        id: MsgId,
        /// Its sender.
        from: UserId,
    },
    /// Lists how far a message of a log has come with each of its recipients: the user whose log it
    /// is; of a room those who were members when it was appended and still are; of `@all` those who
    /// were users then; its sender never, but in the own log. Answer: `Recipients`.
    Recipients {
        /// The log.
        to: Target,
        /// Its seq.
        seq: Seq,
        /// Its sender.
        from: UserId,
        /// Begin behind this recipient, in the order of their ids.
        after: Option<UserId>,
    },
    /// Lists a user's parked messages, a page of them. Answer: `Parked`.
    Parked {
        /// Whose.
        user: UserId,
        /// Which.
        drawer: ParkedKind,
        /// Begin behind this number.
        after: u64,
    },
    /// A chunk of a long body. Answer: `Chunk`.
    Chunk {
        /// [`Record::parts`](super::Record) plus the part's number, from 0.
        at: u64,
    },
    /// Lists what stands in some logs, merged by seq. Answer: `Page`.
    Page {
        /// Logs, and the seq behind which to start in each.
        logs: Vec<(Target, Seq)>,
        /// Messages from this user are left out of the logs of rooms and of `@all`.
        reader: UserId,
        /// Most messages to return.
        messages: u32,
        /// Most bytes of messages to return; the first one is returned whatever its size.
        bytes: u64,
    },
}

/// Answer to a [`Read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The key that owns the id, if one does.
    Owner(Option<Pin>),
    /// Existence of a target.
    Target(Result<(), NoTarget>),
    /// The logs of a user, each with the user's cursor. The own log and `@all` are always there.
    Mailbox(Vec<(Target, StoredCursor)>),
    /// Behind which seq to begin. `None`: there is no such message.
    StartPosition(Option<Seq>),
    /// The seq of a message, if it is there; and if it expires, when, in milliseconds since 1970.
    MessageFound(Option<(Seq, Option<u64>)>),
    /// A page of recipients, as many as one frame can have, each `Accepted`, `Rejected`,
    /// `Processed` or `Gone`; and true if there are more.
    Recipients(Vec<RecipientStatus>, bool),
    /// A page of parked messages, as many as one frame can have and at least one if there are any;
    /// and true if there are more.
    Parked(Vec<ParkedMessage>, bool),
    /// A chunk of a long body.
    Chunk(Result<Body, Missing>),
    /// A page of logs.
    Page(Page),
}
