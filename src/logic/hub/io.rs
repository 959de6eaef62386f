//! Inputs and outputs of a [`Hub`](crate::logic::Hub).

use std::sync::Arc;

use crate::durable::{Found, Outcome, Read, Record, RequestId, Write};
use crate::wire::{Body, Bundle, CloseCode, FromClient, FromServer, Pin};

/// Name of a link: one connection of one client. Chosen by the server's loop, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Everything that can happen to a hub.
#[derive(Clone, Debug)]
pub enum Input {
    /// A handshake is done: a client with this key is connected.
    Opened {
        /// Name of the new link.
        link: LinkId,
        /// The key that the client has proven.
        key: Pin,
    },
    /// A frame has come.
    Frame {
        /// The link it came on.
        link: LinkId,
        /// The frame.
        frame: FromClient,
    },
    /// A link is gone.
    Closed {
        /// The link.
        link: LinkId,
    },
    /// Writes that are on disk, or have failed, in the order in which they were asked for.
    Durable(Vec<(RequestId, Outcome)>),
    /// The answer to a read.
    Found(RequestId, Found),
    /// The deadline has come.
    Tick,
}

/// Everything that a hub can ask its caller to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send a frame.
    Frame {
        /// The link to send it on.
        link: LinkId,
        /// The frame.
        frame: FromServer,
    },
    /// Deliver messages to all of these links; the frame need be encoded only once.
    Deliver {
        /// The links, at least one.
        links: Vec<LinkId>,
        /// The messages.
        record: Record,
    },
    /// Deliver volatile messages to all of these links; the frame need be encoded only once.
    Volatile {
        /// The links, at least one.
        links: Vec<LinkId>,
        /// The messages.
        bundle: Arc<Bundle>,
    },
    /// Send the next chunk of the last long message to all of these links; the frame need be
    /// encoded only once.
    Chunk {
        /// The links, at least one.
        links: Vec<LinkId>,
        /// The chunk.
        body: Body,
    },
    /// Close a link after everything that was sent on it. No `Closed` need follow.
    Close {
        /// The link.
        link: LinkId,
        /// The reason.
        code: CloseCode,
    },
    /// Write, together with all other pending writes, and answer with [`Input::Durable`].
    Write(RequestId, Write),
    /// Read at once and answer with [`Input::Found`].
    Read(RequestId, Read),
}
