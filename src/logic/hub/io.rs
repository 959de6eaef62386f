//! What a [`Hub`](crate::logic::Hub) is told, and what it wants done.

use std::sync::Arc;

use crate::durable::{Found, Outcome, Read, Record, RequestId, Write};
use crate::wire::{Body, Bundle, CloseCode, FromClient, FromServer, Pin};

/// Names a link. Given by the server's loop, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// All that can happen to a hub.
#[derive(Clone, Debug)]
pub enum Input {
    /// A handshake is done: a device with this key is there.
    Opened {
        /// The new link.
        link: LinkId,
        /// The key it proved.
        key: Pin,
    },
    /// A frame came.
    Frame {
        /// On this link.
        link: LinkId,
        /// This one.
        frame: FromClient,
    },
    /// A link is gone.
    Closed {
        /// Which.
        link: LinkId,
    },
    /// Writes are on disk, or were turned down; in the order they were asked for.
    Durable(Vec<(RequestId, Outcome)>),
    /// A read has its answer.
    Found(RequestId, Found),
    /// Time has passed.
    Tick,
}

/// All that a hub can want done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a frame.
    Frame {
        /// On this link.
        link: LinkId,
        /// This one.
        frame: FromServer,
    },
    /// Deliver messages to all of these links; encoding them once is enough.
    Deliver {
        /// At least one.
        links: Vec<LinkId>,
        /// What to deliver.
        record: Record,
    },
    /// Pass messages on to all of these links; encoding them once is enough.
    Volatile {
        /// At least one.
        links: Vec<LinkId>,
        /// What to pass on.
        bundle: Arc<Bundle>,
    },
    /// Send the next part of the last long message to all of these links; encoding it once is
    /// enough.
    Chunk {
        /// At least one.
        links: Vec<LinkId>,
        /// The bytes.
        body: Body,
    },
    /// End a link, after what was sent on it before. No `Closed` need follow.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        code: CloseCode,
    },
    /// Write, together with all that is written now, and answer with [`Input::Durable`].
    Write(RequestId, Write),
    /// Read at once and answer with [`Input::Found`].
    Read(RequestId, Read),
}
