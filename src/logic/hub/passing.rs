//! Volatile messages: passed on to those who read now, neither stored nor repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::Read;
use crate::wire::{Bundle, CloseCode, FromServer, Target, UserId};

use super::io::{LinkId, Output};
use super::relaying::VolatileId;
use super::router::Hub;

/// What becomes of volatile messages at the moment.
enum Passing {
    /// So many of them, the first, go to these.
    To(Vec<LinkId>, u64),
    /// There are readers, and they have no room.
    Full,
    Nobody,
}

impl Hub {
    pub(super) fn pass(&mut self, link: LinkId, bundle: Arc<Bundle>, out: &mut Vec<Output>) {
        self.swallow(link, &bundle.first);
        // What is held back came first.
        let to = &bundle.first.to;
        let waits = self.logs.get(to).is_some_and(|log| !log.held.is_empty());
        match if waits { Passing::Full } else { self.readers(&bundle) } {
            Passing::To(links, count) => {
                let passage = self.take_in(link, &bundle);
                if let Some(rest) = self.pass_to(link, bundle, passage, (links, count), out)
                    && let Some(log) = self.logs.get_mut(&rest.first.to)
                {
                    log.held.push_back((link, rest, None));
                }
            }
            // One user's readers are waited for, so that a fast sender takes their pace. So are a
            // room's for a long one, while all of them have one already.
            Passing::Full if matches!(to, Target::User(_)) || bundle.first.is_long() || waits => {
                let passage = self.take_in(link, &bundle);
                if let Some(log) = self.logs.get_mut(&bundle.first.to) {
                    log.held.push_back((link, bundle, passage));
                }
            }
            // A slow member of a room holds up nobody.
            Passing::Full => self.passed(link, &bundle, 0, out),
            Passing::Nobody => {
                let to = to.clone();
                let ticket = self.ask(|pending| &mut pending.targets, (link, bundle));
                out.push(Output::Read(ticket, Read::Target { to }));
            }
        }
    }

    /// A reader has dealt with messages that were passed to it, so there is room for others.
    pub(super) fn took(&mut self, id: LinkId, user: &UserId, count: u32, out: &mut Vec<Output>) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        if !reader.is_some_and(|reader| reader.took(count, &mut self.flight)) {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        self.pass_held(user, out);
    }

    /// Passes on what was held back for a user's readers, as far as it goes.
    pub(super) fn pass_held(&mut self, user: &UserId, out: &mut Vec<Output>) {
        for log in self.held_back(user) {
            self.pass_held_of(&log, out);
        }
    }

    /// The logs of a user for which something is held back.
    pub(super) fn held_back(&self, user: &UserId) -> Vec<Target> {
        let read = self.mailboxes.get(user).into_iter().flat_map(|mailbox| mailbox.places.keys());
        let holds = |log: &&Target| self.logs.get(*log).is_some_and(|log| !log.held.is_empty());
        read.filter(holds).cloned().collect()
    }

    pub(super) fn pass_held_of(&mut self, target: &Target, out: &mut Vec<Output>) {
        while let Some(held) = self.logs.get(target).and_then(|log| log.held.front()) {
            let (link, bundle, passage) = held.clone();
            if self.is_expired(&bundle) {
                if let Some(log) = self.logs.get_mut(target) {
                    log.held.pop_front();
                }
                self.pass_to_nobody(link, &bundle, passage, out);
                continue;
            }
            let to = match self.readers(&bundle) {
                Passing::To(links, count) => Some((links, count)),
                Passing::Full => return,
                // But for its sender.
                Passing::Nobody => None,
            };
            if let Some(log) = self.logs.get_mut(target) {
                log.held.pop_front();
            }
            let Some(to) = to else {
                self.pass_to_nobody(link, &bundle, passage, out);
                continue;
            };
            if let Some(rest) = self.pass_to(link, bundle, passage, to, out)
                && let Some(log) = self.logs.get_mut(target)
            {
                log.held.push_front((link, rest, None));
            }
        }
    }

    /// A reader is about to read a log no more. If it is the last one, what was held back goes
    /// nowhere.
    pub(super) fn release_held_of(&mut self, id: LinkId, log: &Target, out: &mut Vec<Output>) {
        let Some(log) = self.logs.get_mut(log) else { return };
        if log.links.iter().any(|link| *link != id) {
            return;
        }
        for (sender, bundle, passage) in std::mem::take(&mut log.held) {
            self.pass_to_nobody(sender, &bundle, passage, out);
        }
    }

    fn pass_to_nobody(
        &mut self,
        sender: LinkId,
        bundle: &Bundle,
        passage: Option<VolatileId>,
        out: &mut Vec<Output>,
    ) {
        match passage {
            Some(passage) => self.end_relay(passage, out),
            None => self.passed(sender, bundle, 0, out),
        }
    }

    /// Those who read the log of these messages and have room for them.
    fn readers(&self, bundle: &Bundle) -> Passing {
        let (from, to) = (&bundle.first.from, &bundle.first.to);
        let Some(log) = self.logs.get(to) else { return Passing::Nobody };
        let one_user = matches!(to, Target::User(_));
        let (mut ready, mut count, mut full) = (Vec::new(), bundle.count(), false);
        let mut shares: BTreeMap<&UserId, (u64, LinkId, u64)> = BTreeMap::new();
        for id in &log.links {
            let link = self.links.get(id);
            let own = link.and_then(|link| link.user()) == Some(from);
            let reader = link.and_then(|link| link.reader.as_ref());
            // As with stored messages: what goes to a room is not for its sender.
            let Some(reader) = reader.filter(|_| !own || one_user) else { continue };
            match reader.can_take(bundle, &self.flight) {
                0 => full = true,
                room if reader.share => {
                    // Of those who share, the one that has least to do.
                    let Some(user) = link.and_then(|link| link.user()) else { continue };
                    let share = (reader.load(), *id, room);
                    let least = shares.entry(user).or_insert(share);
                    *least = share.min(*least);
                }
                room => {
                    ready.push(*id);
                    // Members of a room take what is sent together as a whole.
                    count = if one_user { count.min(room) } else { count };
                }
            }
        }
        for (_, id, room) in shares.into_values() {
            ready.push(id);
            count = if one_user { count.min(room) } else { count };
        }
        match (ready.is_empty(), full) {
            (false, _) => Passing::To(ready, count),
            (true, true) => Passing::Full,
            (true, false) => Passing::Nobody,
        }
    }

    /// Passes on the first `count` of these messages. The rest of them.
    fn pass_to(
        &mut self,
        link: LinkId,
        bundle: Arc<Bundle>,
        passage: Option<VolatileId>,
        (links, count): (Vec<LinkId>, u64),
        out: &mut Vec<Output>,
    ) -> Option<Arc<Bundle>> {
        let rest = bundle.count() - count;
        let rest = (rest > 0).then(|| Arc::new(bundle.slice(count, rest)));
        let bundle = if rest.is_none() { bundle } else { Arc::new(bundle.slice(0, count)) };
        for id in &links {
            let reader = self.links.get_mut(id).and_then(|link| link.reader.as_mut());
            if let Some(reader) = reader {
                reader.pass(&bundle, &mut self.flight);
            }
        }
        match passage {
            Some(passage) => self.begin_relay(passage, links, out),
            None => {
                // Who reads is served before who wrote.
                let (readers, passed) = (links.len(), bundle.clone());
                out.push(Output::Volatile { links, bundle });
                self.passed(link, &passed, readers, out);
            }
        }
        rest
    }

    pub(super) fn passed(
        &mut self,
        link: LinkId,
        bundle: &Bundle,
        readers: usize,
        out: &mut Vec<Output>,
    ) {
        let (id, count) = (bundle.first.id, bundle.count() as u32);
        self.answer(
            link,
            bundle,
            FromServer::VolatileSent { id, count, readers: readers as u32 },
            out,
        );
    }
}
