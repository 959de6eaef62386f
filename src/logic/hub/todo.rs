//! Work that one machine of the hub leaves for another, done before the turn ends.

use std::sync::Arc;

use crate::wire::{Bundle, CloseCode, FromServer, Seq, Target, UserId};

use super::download::VolatileId;
use super::io::LinkId;
use crate::logic::seqs::set::SeqSet;

/// Work noted in a [`Turn`](super::turn::Turn).
pub(super) enum Todo {
    /// End a link because of what came on it.
    Close { link: LinkId, code: CloseCode },
    /// Answer a send.
    Answer { link: LinkId, bundle: Arc<Bundle>, frame: FromServer },
    /// Answer a request that is not a send.
    Reply { link: LinkId, frame: FromServer },
    /// Keep what the reader of an earlier link holds for that of the link that replaces it.
    TakeOver { from: LinkId, to: LinkId },
    /// Deliver volatile messages that wait for room with the user's readers.
    DeliverVolatile { user: UserId },
    /// Free a reader from a volatile body: it has all of it, or gets no more of it.
    EndVolatileBody { link: LinkId, is_whole: bool },
    /// Drop the chunks of a volatile body that still come: its sender was answered.
    DropVolatileChunks { link: LinkId, body: VolatileId },
    /// Read on for a reader whose stored body has ended.
    ResumeReader { link: LinkId },
    /// Ask a reader's client to confirm a stored body, sent to its end.
    ConfirmDelivery { link: LinkId, log: Target, seq: Seq },
    /// Tell senders that messages of a log up to `through` are gone, but for those in `held`.
    TrackRemoved { user: UserId, log: Target, through: Seq, held: SeqSet },
}
