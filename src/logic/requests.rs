//! A client's requests that are not sends: to be a member of a room, or one no more.

use crate::wire::{FromClient, RoomName};

use super::Time;
use super::event::PeerOutput;
use super::peer::Peer;

/// Requests that are unanswered at a time: less than any server allows.
const REQUESTS_OPEN_MAX: usize = 16;

/// A request that is not a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Enter(RoomName),
    Leave(RoomName),
}

impl Request {
    fn frame(&self) -> FromClient {
        match self {
            Self::Enter(room) => FromClient::Enter(room.clone()),
            Self::Leave(room) => FromClient::Leave(room.clone()),
        }
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
        let open = self.requests.iter().take(REQUESTS_OPEN_MAX).skip(self.requested);
        out.extend(open.map(|request| PeerOutput::Frame(request.frame())));
        self.requested = self.requests.len().min(REQUESTS_OPEN_MAX);
    }

    /// A request has its answer. Answers come in the order of requests; of equal ones it is the
    /// first, or what was wanted last would not be what is repeated on the next link.
    pub(super) fn answered(&mut self, is: impl Fn(&Request) -> bool, out: &mut Vec<PeerOutput>) {
        if let Some(at) = self.requests.iter().take(self.requested).position(is) {
            self.requests.remove(at);
            self.requested -= 1;
            self.ask(out);
        }
    }
}
