//! Answers to a client's requests, and the events that hold them.

use std::io;

use crate::client::error::RequestError;
use crate::logic::Event;
use crate::wire::{
    DeliveryState, Message, MsgId, Note, ParkedKind, RecipientStatus, RoomName, Seq,
};

/// The result of [`Client::ready`](crate::Client::ready).
#[derive(Debug)]
pub enum Readiness {
    /// Events have come, in this order.
    Events(Vec<Event>),
    /// There is place for a command.
    Place,
    /// The body of this message cannot be read. The message is not sent, and gets no other answer.
    Unreadable(MsgId, io::Error),
    /// The client has ended; [`Client::close`](crate::Client::close) returns the reason.
    Ended,
}

/// The server's answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The message is on the server's disk.
    Stored {
        /// True if the message was there already.
        duplicate: bool,
    },
    /// The message was volatile, and was passed on to readers.
    Volatile {
        /// Number of readers.
        readers: u32,
    },
}

/// A delivered message. Of a long body it holds the first chunk;
/// [`Client::read_body`](crate::Client::read_body) reads all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingMessage {
    /// Number that names the message to the server; 0 for a volatile one.
    pub seq: Seq,
    /// The message.
    pub message: Message,
}

/// An update on a tracked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedState {
    /// The message.
    pub id: MsgId,
    /// Recipients whose state has changed. `None`: the server has no such message, or no longer.
    pub recipients: Option<Vec<RecipientStatus>>,
    /// True once all recipients were named.
    pub complete: bool,
}

/// True for events that concern deliveries.
pub(super) fn is_of_delivery(event: &Event) -> bool {
    matches!(event, Event::Messages { .. } | Event::Chunk(_) | Event::BodyAborted)
}

/// True for updates on this tracked message.
pub(super) fn is_news_of(event: &Event, message: MsgId) -> bool {
    match event {
        Event::TrackUpdate { id, .. } | Event::UnknownMessage { id } => *id == message,
        _ => false,
    }
}

/// The answer in a recipient's state, if the state is final.
fn final_state(recipient: &RecipientStatus) -> Option<Result<Note, RequestError>> {
    let note = || recipient.note.clone().unwrap_or_default();
    match recipient.state {
        DeliveryState::Accepted | DeliveryState::Delivered => None,
        DeliveryState::Processed => Some(Ok(note())),
        DeliveryState::Rejected => Some(Err(RequestError::MessageRejected(note()))),
        DeliveryState::Gone => Some(Err(RequestError::Gone)),
    }
}

/// The answer to a request about membership in this room.
pub(super) fn membership(event: &Event, wanted: &RoomName) -> Option<Result<bool, RequestError>> {
    match event {
        Event::RoomJoined { room, changed } | Event::RoomLeft { room, changed }
            if room == wanted =>
        {
            Some(Ok(*changed))
        }
        Event::RoomRefused { room } if room == wanted => {
            Some(Err(RequestError::RoomRefused(room.clone())))
        }
        Event::NoSuchRoom { room } if room == wanted => {
            Some(Err(RequestError::NoSuchRoom(room.clone())))
        }
        _ => None,
    }
}

/// The server's answer to the message `sent`.
pub(super) fn acceptance(event: &Event, sent: MsgId) -> Option<Result<Acceptance, RequestError>> {
    let is_it = |first: MsgId, count: u32| (0..u64::from(count)).any(|at| first.plus(at) == sent);
    match *event {
        Event::Accepted { id, count, duplicate } if is_it(id, count) => {
            Some(Ok(Acceptance::Stored { duplicate }))
        }
        Event::VolatileSent { id, count, readers } if is_it(id, count) => {
            Some(Ok(Acceptance::Volatile { readers }))
        }
        Event::Refused { id, count, why } if is_it(id, count) => {
            Some(Err(RequestError::Refused(why)))
        }
        Event::Uncertain { id } if id == sent => Some(Err(RequestError::Uncertain)),
        _ => None,
    }
}

/// The first final answer of a recipient to the message `sent`.
pub(super) fn verdict(event: &Event, sent: MsgId) -> Option<Result<Note, RequestError>> {
    match event {
        Event::TrackUpdate { id, standings, .. } if *id == sent => {
            standings.iter().find_map(final_state)
        }
        Event::UnknownMessage { id } if *id == sent => Some(Err(RequestError::Gone)),
        _ => None,
    }
}

/// The number of parked messages that this request has taken.
pub(super) fn parked_taken(event: &Event, kind: ParkedKind, which: Option<MsgId>) -> Option<u64> {
    match event {
        Event::ParkedTaken { drawer, id, count } if (*drawer, *id) == (kind, which) => Some(*count),
        _ => None,
    }
}
