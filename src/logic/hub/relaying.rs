//! Long volatile bodies: from their sender to those who read now, part by part, without the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::wire::{Body, Bundle, FromServer, Target};

use super::io::{LinkId, Output};
use super::link::Link;
use super::router::Hub;
use super::streaming::Download;
use super::uploading::Incoming;

/// Names a long volatile message that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VolatileId(u64);

/// A long volatile message between its sender and its readers.
pub(super) struct VolatileBody {
    sender: LinkId,
    bundle: Arc<Bundle>,
    /// Those who get it. `None`: it is held back until somebody has room.
    readers: Option<Vec<LinkId>>,
    /// What has come and was not handed on. At most as many as a sender may be ahead.
    parts: VecDeque<Body>,
    /// All has come.
    whole: bool,
}

impl Hub {
    /// Takes in the parts of a long message that goes somewhere.
    pub(super) fn take_in(&mut self, sender: LinkId, bundle: &Arc<Bundle>) -> Option<VolatileId> {
        if !bundle.first.is_long() {
            return None;
        }
        let passage = VolatileId(self.name());
        self.aim(sender, Incoming::VolatileId(passage));
        let (bundle, parts) = (bundle.clone(), VecDeque::new());
        let relay = VolatileBody { sender, bundle, readers: None, parts, whole: false };
        self.relays.insert(passage, relay);
        Some(passage)
    }

    /// These readers, who count it as passed already, get it.
    pub(super) fn begin_relay(
        &mut self,
        passage: VolatileId,
        links: Vec<LinkId>,
        out: &mut Vec<Output>,
    ) {
        for id in &links {
            if let Some(reader) = self.reader(*id) {
                reader.streaming = Some(Download::Passed(passage));
            }
        }
        let Some(relay) = self.relays.get_mut(&passage) else { return };
        relay.readers = Some(links.clone());
        out.push(Output::Volatile { links, bundle: relay.bundle.clone() });
        self.relay(passage, out);
    }

    /// A part has come from the sender.
    pub(super) fn relay_part(
        &mut self,
        passage: VolatileId,
        body: Body,
        last: bool,
        out: &mut Vec<Output>,
    ) {
        if let Some(relay) = self.relays.get_mut(&passage) {
            relay.parts.push_back(body);
            relay.whole = last;
            self.relay(passage, out);
        }
    }

    /// Hands on what there is, as far as its readers take it, so that a fast sender takes their
    /// pace. In a room nobody is waited for who is half a window behind another: it is left behind.
    pub(super) fn relay(&mut self, passage: VolatileId, out: &mut Vec<Output>) {
        loop {
            let Some(relay) = self.relays.get_mut(&passage) else { return };
            let Some(readers) = relay.readers.as_mut() else { return };
            readers.retain(|id| self.links.contains_key(id));
            if readers.is_empty() || relay.whole && relay.parts.is_empty() {
                return self.end_relay(passage, out);
            }
            if relay.parts.is_empty() {
                return;
            }
            let takes = |id: &LinkId| self.links.get(id).is_some_and(Link::takes_part);
            let (ready, full): (Vec<LinkId>, Vec<LinkId>) =
                readers.iter().partition(|id| takes(id));
            if !full.is_empty() {
                let is_ahead = |id: &LinkId| self.links.get(id).is_some_and(Link::is_far_ahead);
                let waits =
                    matches!(relay.bundle.first.to, Target::User(_)) || !ready.iter().any(is_ahead);
                if waits {
                    return;
                }
                *readers = ready;
                for id in full {
                    self.leave_behind(id, out);
                }
                continue;
            }
            let sender = relay.sender;
            let Some(body) = relay.parts.pop_front() else { return };
            for id in &ready {
                if let Some(link) = self.links.get_mut(id) {
                    link.parts_out += 1;
                    self.flight.add_parts(1);
                }
            }
            out.push(Output::Chunk { links: ready, body });
            self.allow(sender, 1);
        }
    }

    /// Answers the sender: all has been handed on, or there is nobody left who would take it.
    pub(super) fn end_relay(&mut self, passage: VolatileId, out: &mut Vec<Output>) {
        let Some(relay) = self.relays.remove(&passage) else { return };
        let readers = relay.readers.unwrap_or_default();
        self.divert(relay.sender, Incoming::VolatileId(passage));
        self.allow(relay.sender, relay.parts.len() as u32);
        self.passed(relay.sender, &relay.bundle, readers.len(), out);
        for id in readers {
            self.end_passed(id, out);
        }
    }

    /// The sender does not bring the rest. The message, if it was not answered.
    pub(super) fn cut_relay(
        &mut self,
        passage: VolatileId,
        out: &mut Vec<Output>,
    ) -> Option<Arc<Bundle>> {
        let relay = self.relays.remove(&passage)?;
        self.allow(relay.sender, relay.parts.len() as u32);
        match relay.readers {
            Some(readers) => {
                for id in readers {
                    self.leave_behind(id, out);
                }
            }
            None => {
                if let Some(log) = self.logs.get_mut(&relay.bundle.first.to) {
                    log.held.retain(|(_, _, held)| *held != Some(passage));
                }
            }
        }
        Some(relay.bundle)
    }

    /// A reader does not get the rest.
    fn leave_behind(&mut self, id: LinkId, out: &mut Vec<Output>) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let Some(reader) = reader else { return };
        reader.unpass(&mut self.flight);
        out.push(Output::Frame { link: id, frame: FromServer::AbortBody });
        self.end_passed(id, out);
    }

    /// A volatile body has come to its end on a link. What is stored has its turn next.
    fn end_passed(&mut self, id: LinkId, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some(reader) = link.reader.as_mut() else { return };
        reader.streaming = None;
        self.resume(id, out);
        self.pass_held(&user, out);
    }
}
