//! Volatile messages: passed on to those who read now, neither stored nor repeated.

use std::sync::Arc;

use crate::durable::Read;
use crate::wire::{CloseCode, FromServer, Message, Target, UserId};

use super::exchange::{LinkId, Output};
use super::hub::{Ask, Hub};
use super::relaying::Passage;

/// What becomes of a volatile message at the moment.
enum Passing {
    /// It goes to these.
    To(Vec<LinkId>),
    /// There are readers, and they have no room.
    Full,
    Nobody,
}

impl Hub {
    pub(super) fn pass(&mut self, link: LinkId, message: Arc<Message>, out: &mut Vec<Output>) {
        self.swallow(link, &message);
        // What is held back came first.
        let waits = self.logs.get(&message.to).is_some_and(|log| !log.held.is_empty());
        match if waits { Passing::Full } else { self.readers(&message) } {
            Passing::To(links) => {
                let passage = self.take_in(link, &message);
                self.pass_to(link, message, passage, links, out);
            }
            // One user's readers are waited for, so that a fast sender takes their pace.
            Passing::Full if matches!(message.to, Target::User(_)) => {
                let passage = self.take_in(link, &message);
                if let Some(log) = self.logs.get_mut(&message.to) {
                    log.held.push_back((link, message, passage));
                }
            }
            // A slow member of a room holds up nobody.
            Passing::Full => self.passed(link, &message, 0, out),
            Passing::Nobody => {
                let to = message.to.clone();
                let ticket = self.ask(Ask::Pass { link, message });
                out.push(Output::Read(ticket, Read::Target { to }));
            }
        }
    }

    /// A reader has dealt with messages that were passed to it, so there is room for others.
    pub(super) fn took(&mut self, id: LinkId, user: &UserId, count: u32, out: &mut Vec<Output>) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        if !reader.is_some_and(|reader| reader.took(count)) {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        self.pass_held(user, out);
    }

    /// Passes on what was held back for a user, as far as it goes.
    pub(super) fn pass_held(&mut self, user: &UserId, out: &mut Vec<Output>) {
        let own = Target::User(user.clone());
        while let Some(held) = self.logs.get(&own).and_then(|log| log.held.front()) {
            let (link, message, passage) = held.clone();
            let links = match self.readers(&message) {
                Passing::To(links) => links,
                Passing::Full | Passing::Nobody => return,
            };
            if let Some(log) = self.logs.get_mut(&own) {
                log.held.pop_front();
            }
            self.pass_to(link, message, passage, links, out);
        }
    }

    /// A reader is about to go. If it is the last one, what was held back for it goes nowhere.
    pub(super) fn release_held(&mut self, id: LinkId, user: &UserId, out: &mut Vec<Output>) {
        let own = Target::User(user.clone());
        let Some(log) = self.logs.get_mut(&own) else { return };
        if log.links.iter().any(|link| *link != id) {
            return;
        }
        for (sender, message, passage) in std::mem::take(&mut log.held) {
            match passage {
                Some(passage) => self.end_relay(passage, out),
                None => self.passed(sender, &message, 0, out),
            }
        }
    }

    /// Those who read the message's log and have room for it.
    fn readers(&self, message: &Message) -> Passing {
        let Some(log) = self.logs.get(&message.to) else { return Passing::Nobody };
        let bytes = message.len_bytes();
        let mut full = false;
        let mut takes = |id: &LinkId| {
            let link = self.links.get(id);
            let own = link.and_then(|link| link.user()) == Some(&message.from);
            let reader = link.and_then(|link| link.reader.as_ref());
            // As with stored messages: what goes to a room is not for its sender.
            let reader = reader.filter(|_| !own || matches!(message.to, Target::User(_)));
            let room = reader.is_some_and(|reader| reader.can_take(bytes));
            full |= reader.is_some() && !room;
            room
        };
        let links: Vec<LinkId> = log.links.iter().copied().filter(|id| takes(id)).collect();
        match (links.is_empty(), full) {
            (false, _) => Passing::To(links),
            (true, true) => Passing::Full,
            (true, false) => Passing::Nobody,
        }
    }

    fn pass_to(
        &mut self,
        link: LinkId,
        message: Arc<Message>,
        passage: Option<Passage>,
        links: Vec<LinkId>,
        out: &mut Vec<Output>,
    ) {
        let bytes = message.len_bytes();
        for id in &links {
            if let Some(reader) = self.links.get_mut(id).and_then(|link| link.reader.as_mut()) {
                reader.pass(bytes);
            }
        }
        if let Some(passage) = passage {
            return self.begin_relay(passage, links, out);
        }
        self.passed(link, &message, links.len(), out);
        out.push(Output::Pass { links, message });
    }

    pub(super) fn passed(
        &mut self,
        link: LinkId,
        message: &Message,
        readers: usize,
        out: &mut Vec<Output>,
    ) {
        let frame = FromServer::Passed { id: message.id, readers: readers as u32 };
        self.answer(link, message, frame, out);
    }
}
