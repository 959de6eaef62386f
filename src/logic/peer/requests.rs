//! A client's requests that are not sends: to be a member of a room, or one no more; to see what is
//! in a drawer, or to take it out.

use crate::wire::{FromClient, FromServer, MsgId, ParkedKind, RoomName};

use super::io::{Event, PeerOutput};
use super::machine::Peer;
use crate::logic::limits::{REQUESTS_OPEN_MAX, Time};

/// A request that is not a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    JoinRoom(RoomName),
    LeaveRoom(RoomName),
    /// What is in a drawer behind this number.
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

impl Request {
    fn frame(&self) -> FromClient {
        match self.clone() {
            Self::JoinRoom(room) => FromClient::JoinRoom(room),
            Self::LeaveRoom(room) => FromClient::LeaveRoom(room),
            Self::ListParked { drawer, after } => FromClient::ListParked { drawer, after },
            Self::TakeParked { drawer, id, back } => FromClient::TakeParked { drawer, id, back },
        }
    }

    fn looks_into(&self, of: ParkedKind) -> bool {
        matches!(self, Self::ListParked { drawer, .. } if *drawer == of)
    }
}

impl Peer {
    pub(super) fn request(&mut self, now: Time, request: Request, out: &mut Vec<PeerOutput>) {
        self.awaits(now);
        self.requests.push_back(request);
        self.ask(out);
    }

    pub(super) fn ask(&mut self, out: &mut Vec<PeerOutput>) {
        if !self.is_greeted() {
            return;
        }
        let open = self.requests.iter().take(REQUESTS_OPEN_MAX).skip(self.requests_out);
        out.extend(open.map(|request| PeerOutput::Frame(request.frame())));
        self.requests_out = self.requests.len().min(REQUESTS_OPEN_MAX);
    }

    /// The server has said something to a request.
    pub(super) fn requested(&mut self, frame: FromServer, out: &mut Vec<PeerOutput>) {
        let event = match frame {
            FromServer::RoomJoined { room, changed } => {
                self.answered(|request| *request == Request::JoinRoom(room.clone()), out);
                Event::RoomJoined { room, changed }
            }
            FromServer::RoomLeft { room, changed } => {
                self.answered(|request| *request == Request::LeaveRoom(room.clone()), out);
                Event::RoomLeft { room, changed }
            }
            FromServer::NoSuchRoom { room } => {
                self.answered(|request| *request == Request::LeaveRoom(room.clone()), out);
                Event::NoSuchRoom { room }
            }
            FromServer::RoomRefused { room } => {
                let is = |request: &Request| match request {
                    Request::JoinRoom(of) | Request::LeaveRoom(of) => *of == room,
                    Request::ListParked { .. } | Request::TakeParked { .. } => false,
                };
                self.answered(is, out);
                Event::RoomRefused { room }
            }
            FromServer::Parked(kept) => {
                // When the link is lost it goes on behind this one.
                let open = self.requests.iter_mut().take(self.requests_out);
                for request in open.filter(|request| request.looks_into(kept.drawer)).take(1) {
                    *request = Request::ListParked { drawer: kept.drawer, after: kept.number };
                }
                Event::Parked(kept)
            }
            FromServer::ParkedEnd { drawer, next } => {
                self.answered(|request| request.looks_into(drawer), out);
                if let Some(after) = next {
                    self.requests.push_back(Request::ListParked { drawer, after });
                    return self.ask(out);
                }
                Event::ParkedEnd(drawer)
            }
            FromServer::ParkedTaken { drawer, id, count } => {
                let is = |request: &Request| match request {
                    Request::TakeParked { drawer: of, id: asked, .. } => {
                        *of == drawer && *asked == id
                    }
                    Request::JoinRoom(_) | Request::LeaveRoom(_) | Request::ListParked { .. } => {
                        false
                    }
                };
                self.answered(is, out);
                Event::ParkedTaken { drawer, id, count }
            }
            _ => return,
        };
        out.push(PeerOutput::Event(event));
    }

    /// A request has its answer. Answers come in the order of requests; of equal ones it is the
    /// first, or what was wanted last would not be what is repeated on the next link.
    fn answered(&mut self, is: impl Fn(&Request) -> bool, out: &mut Vec<PeerOutput>) {
        if let Some(at) = self.requests.iter().take(self.requests_out).position(is) {
            self.requests.remove(at);
            self.requests_out -= 1;
            self.ask(out);
        }
    }
}
