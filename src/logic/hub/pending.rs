//! Requests that the store has not answered: one table for each kind of answer, so that an answer
//! finds only requests of its kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::{RequestId, Upload};
use crate::wire::{Bundle, Message, MsgId, ParkedKind, RoomName, Seq, Target, UserId};

use super::acks::AckedMessages;
use super::io::LinkId;

/// Requests of one kind, each with the data that its answer needs.
pub(super) type PendingTable<T> = BTreeMap<RequestId, T>;

/// All requests to the store. Sweeps, releases of due messages and discarded uploads have no table:
/// their answers need no further data.
#[derive(Default)]
pub(super) struct PendingRequests {
    /// Links whose key claims an id.
    pub(super) claims: PendingTable<LinkId>,
    /// Links whose key must be the owner of an id.
    pub(super) owners: PendingTable<LinkId>,
    pub(super) appends: PendingTable<PendingAppend>,
    pub(super) begun_uploads: PendingTable<Upload>,
    pub(super) chunks: PendingTable<PendingChunk>,
    pub(super) acks: PendingTable<PendingAck>,
    pub(super) scheduled: PendingTable<PendingSchedule>,
    pub(super) taken: PendingTable<PendingTake>,
    pub(super) joins: PendingTable<PendingRoom>,
    pub(super) leaves: PendingTable<PendingRoom>,
    /// Volatile messages that nobody reads, with the links of their senders.
    pub(super) targets: PendingTable<(LinkId, Arc<Bundle>)>,
    pub(super) mailboxes: PendingTable<UserId>,
    /// Readers that wait for their start position.
    pub(super) start_positions: PendingTable<LinkId>,
    pub(super) located: PendingTable<PendingTrack>,
    pub(super) recipients: PendingTable<PendingRecipients>,
    pub(super) parked: PendingTable<(LinkId, ParkedKind)>,
    /// Readers that wait for a chunk of a stored body.
    pub(super) downloads: PendingTable<LinkId>,
    /// Readers that wait for a page.
    pub(super) pages: PendingTable<LinkId>,
}

/// Messages to be appended, and the link of their sender.
pub(super) struct PendingAppend {
    pub(super) link: LinkId,
    pub(super) bundle: Arc<Bundle>,
    pub(super) upload: Option<Upload>,
}

/// A chunk of an upload, and the link on which it came.
pub(super) struct PendingChunk {
    pub(super) link: LinkId,
    pub(super) upload: Upload,
}

/// A move of a cursor: the messages and bytes that leave the link's window with the answer, and the
/// acked messages for the senders who track them.
pub(super) struct PendingAck {
    pub(super) link: LinkId,
    pub(super) user: UserId,
    pub(super) messages: u32,
    pub(super) bytes: u64,
    pub(super) acked: AckedMessages,
}

/// A message that is due later.
pub(super) struct PendingSchedule {
    pub(super) link: LinkId,
    pub(super) message: Arc<Message>,
    pub(super) due_ms: u64,
}

/// Parked messages to be taken out, and the number taken out so far.
pub(super) struct PendingTake {
    pub(super) link: LinkId,
    pub(super) user: UserId,
    pub(super) kind: ParkedKind,
    /// The message asked for; `None`: all.
    pub(super) id: Option<MsgId>,
    /// Put the message back into its log instead of dropping it.
    pub(super) back: bool,
    pub(super) count: u64,
}

/// A membership to begin or to end.
pub(super) struct PendingRoom {
    pub(super) link: LinkId,
    pub(super) user: UserId,
    pub(super) room: RoomName,
}

/// A sender's question how far a message has come: its log, its id, and the recipient after which
/// the page begins.
pub(super) struct PendingTrack {
    pub(super) link: LinkId,
    pub(super) id: MsgId,
    pub(super) to: Target,
    pub(super) after: Option<UserId>,
}

/// A page of the recipients of a message.
pub(super) enum PendingRecipients {
    /// Asked for by the sender.
    Track(PendingTrack),
    /// Looked up because the message has expired.
    Expire { log: Target, seq: Seq },
}
