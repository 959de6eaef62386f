//! A client's requests that are not sends: to be a member of a room, or one no more; to see what is
//! in a drawer, or to take it out.

use crate::wire::{Drawer, FromClient, FromServer, MsgId, RoomName};

use super::Time;
use super::event::{Event, PeerOutput};
use super::peer::Peer;

/// Requests that are unanswered at a time: less than any server allows.
const REQUESTS_OPEN_MAX: usize = 16;

/// A request that is not a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Enter(RoomName),
    Leave(RoomName),
    /// What is in a drawer behind this number.
    Look {
        drawer: Drawer,
        after: u64,
    },
    Take {
        drawer: Drawer,
        id: Option<MsgId>,
        back: bool,
    },
}

impl Request {
    fn frame(&self) -> FromClient {
        match self.clone() {
            Self::Enter(room) => FromClient::Enter(room),
            Self::Leave(room) => FromClient::Leave(room),
            Self::Look { drawer, after } => FromClient::Look { drawer, after },
            Self::Take { drawer, id, back } => FromClient::Take { drawer, id, back },
        }
    }

    fn looks_into(&self, of: Drawer) -> bool {
        matches!(self, Self::Look { drawer, .. } if *drawer == of)
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
            FromServer::Entered { room, changed } => {
                self.answered(|request| *request == Request::Enter(room.clone()), out);
                Event::Entered { room, changed }
            }
            FromServer::Left { room, changed } => {
                self.answered(|request| *request == Request::Leave(room.clone()), out);
                Event::Left { room, changed }
            }
            FromServer::NoSuchRoom { room } => {
                self.answered(|request| *request == Request::Leave(room.clone()), out);
                Event::NoSuchRoom { room }
            }
            FromServer::RoomRefused { room } => {
                let is = |request: &Request| match request {
                    Request::Enter(of) | Request::Leave(of) => *of == room,
                    Request::Look { .. } | Request::Take { .. } => false,
                };
                self.answered(is, out);
                Event::RoomRefused { room }
            }
            FromServer::Kept(kept) => {
                // When the link is lost it goes on behind this one.
                let open = self.requests.iter_mut().take(self.requests_out);
                for request in open.filter(|request| request.looks_into(kept.drawer)).take(1) {
                    *request = Request::Look { drawer: kept.drawer, after: kept.number };
                }
                Event::Kept(kept)
            }
            FromServer::Looked { drawer, next } => {
                self.answered(|request| request.looks_into(drawer), out);
                if let Some(after) = next {
                    self.requests.push_back(Request::Look { drawer, after });
                    return self.ask(out);
                }
                Event::Looked(drawer)
            }
            FromServer::Taken { drawer, id, count } => {
                let is = |request: &Request| match request {
                    Request::Take { drawer: of, id: asked, .. } => *of == drawer && *asked == id,
                    Request::Enter(_) | Request::Leave(_) | Request::Look { .. } => false,
                };
                self.answered(is, out);
                Event::Taken { drawer, id, count }
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
