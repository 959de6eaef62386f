//! A client's requests that are not sends: memberships of rooms, and parked messages.

use std::collections::VecDeque;

use crate::wire::{FromClient, MsgId, ParkedKind, ParkedMessage, RoomName};

use super::io::{Event, PeerOutput};
use crate::logic::limits::REQUESTS_OPEN_MAX;

/// A request that is not a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientRequest {
    JoinRoom(RoomName),
    LeaveRoom(RoomName),
    /// A page of parked messages, beginning after this number.
    ListParked {
        drawer: ParkedKind,
        after: u64,
    },
    TakeParked {
        drawer: ParkedKind,
        id: Option<MsgId>,
        back: bool,
    },
}

/// Unanswered requests, in the order in which they were made. Requests of a lost link are repeated
/// on the next one.
#[derive(Default)]
pub(super) struct RequestQueue {
    queue: VecDeque<ClientRequest>,
    /// Number of requests, from the front, that were sent on this link.
    sent: usize,
}

impl ClientRequest {
    fn frame(&self) -> FromClient {
        match self.clone() {
            Self::JoinRoom(room) => FromClient::JoinRoom(room),
            Self::LeaveRoom(room) => FromClient::LeaveRoom(room),
            Self::ListParked { drawer, after } => FromClient::ListParked { kind: drawer, after },
            Self::TakeParked { drawer, id, back } => {
                FromClient::TakeParked { kind: drawer, id, back }
            }
        }
    }

    fn lists(&self, kind: ParkedKind) -> bool {
        matches!(self, Self::ListParked { drawer, .. } if *drawer == kind)
    }
}

impl RequestQueue {
    pub(super) fn push(&mut self, request: ClientRequest) {
        self.queue.push_back(request);
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Sends the requests that may be sent now.
    pub(super) fn send_due(&mut self, out: &mut Vec<PeerOutput>) {
        let due = self.queue.iter().take(REQUESTS_OPEN_MAX).skip(self.sent);
        out.extend(due.map(|request| PeerOutput::Frame(request.frame())));
        self.sent = self.queue.len().min(REQUESTS_OPEN_MAX);
    }

    pub(super) fn room_joined(&mut self, room: RoomName, changed: bool, out: &mut Vec<PeerOutput>) {
        self.remove_answered(|request| *request == ClientRequest::JoinRoom(room.clone()));
        out.push(PeerOutput::Event(Event::RoomJoined { room, changed }));
    }

    pub(super) fn room_left(&mut self, room: RoomName, changed: bool, out: &mut Vec<PeerOutput>) {
        self.remove_answered(|request| *request == ClientRequest::LeaveRoom(room.clone()));
        out.push(PeerOutput::Event(Event::RoomLeft { room, changed }));
    }

    pub(super) fn no_such_room(&mut self, room: RoomName, out: &mut Vec<PeerOutput>) {
        self.remove_answered(|request| *request == ClientRequest::LeaveRoom(room.clone()));
        out.push(PeerOutput::Event(Event::NoSuchRoom { room }));
    }

    pub(super) fn room_refused(&mut self, room: RoomName, out: &mut Vec<PeerOutput>) {
        self.remove_answered(|request| match request {
            ClientRequest::JoinRoom(asked) | ClientRequest::LeaveRoom(asked) => *asked == room,
            ClientRequest::ListParked { .. } | ClientRequest::TakeParked { .. } => false,
        });
        out.push(PeerOutput::Event(Event::RoomRefused { room }));
    }

    /// Tells the user of a parked message. After a lost link, the list continues after this
    /// message.
    pub(super) fn parked(&mut self, message: ParkedMessage, out: &mut Vec<PeerOutput>) {
        let mut sent = self.queue.iter_mut().take(self.sent);
        if let Some(request) = sent.find(|request| request.lists(message.kind)) {
            *request = ClientRequest::ListParked { drawer: message.kind, after: message.number };
        }
        out.push(PeerOutput::Event(Event::Parked(message)));
    }

    /// Records the end of a page of parked messages; `next`: another page follows after this
    /// number.
    pub(super) fn parked_end(
        &mut self,
        drawer: ParkedKind,
        next: Option<u64>,
        out: &mut Vec<PeerOutput>,
    ) {
        self.remove_answered(|request| request.lists(drawer));
        match next {
            Some(after) => self.push(ClientRequest::ListParked { drawer, after }),
            None => out.push(PeerOutput::Event(Event::ParkedEnd(drawer))),
        }
    }

    pub(super) fn parked_taken(
        &mut self,
        drawer: ParkedKind,
        id: Option<MsgId>,
        count: u64,
        out: &mut Vec<PeerOutput>,
    ) {
        self.remove_answered(|request| match request {
            ClientRequest::TakeParked { drawer: kind, id: asked, .. } => {
                *kind == drawer && *asked == id
            }
            ClientRequest::JoinRoom(_)
            | ClientRequest::LeaveRoom(_)
            | ClientRequest::ListParked { .. } => false,
        });
        out.push(PeerOutput::Event(Event::ParkedTaken { drawer, id, count }));
    }

    /// Prepares for the next link, on which every request is sent again.
    pub(super) fn link_lost(&mut self) {
        self.sent = 0;
    }

    /// Removes the first sent request that matches. Answers come in the order of the requests, so
    /// of equal ones the first is answered, and the last is the one repeated on the next link.
    fn remove_answered(&mut self, matches: impl Fn(&ClientRequest) -> bool) {
        if let Some(at) = self.queue.iter().take(self.sent).position(matches) {
            self.queue.remove(at);
            self.sent -= 1;
        }
    }
}
