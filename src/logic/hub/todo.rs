//! Work that one machine of the hub notes for another, done before the turn ends.

use std::sync::Arc;

use crate::wire::{Bundle, CloseCode, FromServer, Seq, Target, UserId};

use super::download::VolatileId;
use super::io::LinkId;
use crate::logic::seqs::set::SeqSet;

/// Work noted in a [`Turn`](super::turn::Turn).
pub(super) enum Todo {
    /// Close a link because of a frame that came on it.
    Close { link: LinkId, code: CloseCode },
    /// Answer a send.
    Answer { link: LinkId, bundle: Arc<Bundle>, frame: FromServer },
    /// Answer a request that is not a send.
    Reply { link: LinkId, frame: FromServer },
    /// Keep the deliveries of an earlier link's reader for the link that takes it over.
    TakeOver { from: LinkId, to: LinkId },
    /// Deliver volatile messages that wait for a user's readers.
    DeliverVolatile { user: UserId },
    /// End a reader's volatile body: it was sent whole, or is aborted.
    EndVolatileBody { link: LinkId, is_whole: bool },
    /// Drop the chunks of a volatile body that are still to come: its sender was answered.
    DropVolatileChunks { link: LinkId, body: VolatileId },
    /// Read on for a reader whose stored body has ended.
    ResumeReader { link: LinkId },
    /// Ask a reader's client to confirm a stored body, sent to its end.
    ConfirmDelivery { link: LinkId, log: Target, seq: Seq },
    /// Tell senders that messages of a log up to `through` are gone, except those in `held`.
    TrackRemoved { user: UserId, log: Target, through: Seq, held: SeqSet },
}
