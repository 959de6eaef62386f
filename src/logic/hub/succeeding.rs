//! The links of one client, of which only the last says anything.
//!
//! A client that has lost its link says again on the next one what was not answered. What it said
//! on the last one may still be on its way to the hub: taken behind the answer to what was said
//! again, it would be stored although the client was told that it was refused.

use std::collections::BTreeMap;

use crate::wire::{CloseCode, FromClient, Pin, Session, UserId};

use super::io::{LinkId, Output};
use super::link::Link;
use crate::logic::Hub;
use crate::logic::seqs::set::SeqSet;

/// The link of each client that is here, by its key and what it calls itself.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<(Pin, u64), (u32, LinkId)>);

impl Sessions {
    /// A link is gone.
    pub(super) fn end(&mut self, link: LinkId, key: Pin, session: Option<Session>) {
        let Some(Session { client, .. }) = session else { return };
        if self.0.get(&(key, client)).is_some_and(|(_, last)| *last == link) {
            self.0.remove(&(key, client));
        }
    }
}

impl Hub {
    /// A link takes the place of its client's earlier one. `false`: it is itself the earlier one.
    pub(super) fn succeed(&mut self, id: LinkId, session: Session, out: &mut Vec<Output>) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        let client = (link.key, session.client);
        if let Some(&(number, before)) = self.sessions.0.get(&client) {
            if number >= session.link {
                return false;
            }
            self.keep_for(id, before);
            self.close(before, CloseCode::TakenOver, out);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.session = Some(session);
            self.sessions.0.insert(client, (session.link, id));
        }
        true
    }

    /// What a reader that shares has is nobody else's while its client moves to another link, which
    /// says only behind its hello what it goes on with.
    fn keep_for(&mut self, id: LinkId, before: LinkId) {
        // It may have something itself that was kept for it.
        let inherited = self.inherited(before).unwrap_or_default();
        let Some(link) = self.links.get(&before) else { return };
        let user = link.user().or(link.heir_of.as_ref()).cloned();
        let Some((user, has)) = user.map(|user| (user, has(link, inherited))) else { return };
        let Some(mailbox) = self.mailboxes.get_mut(&user).filter(|_| !has.is_empty()) else {
            return;
        };
        mailbox.kept.insert(id, has);
        if let Some(link) = self.links.get_mut(&id) {
            link.heir_of = Some(user);
        }
    }

    /// What is kept for a link is no more.
    fn inherited(&mut self, id: LinkId) -> Option<SeqSet> {
        let user = self.links.get(&id)?.heir_of.as_ref()?;
        self.mailboxes.get_mut(user)?.kept.remove(&id)
    }

    /// A link for which something is kept says first that it has it, and attaches.
    pub(super) fn heir_says(&mut self, id: LinkId, frame: &FromClient, out: &mut Vec<Output>) {
        if !matches!(frame, FromClient::Resume(_) | FromClient::Subscribe { .. }) {
            let heir_of = self.links.get_mut(&id).and_then(|link| link.heir_of.take());
            self.bequeath(id, heir_of, out);
        }
    }

    /// Whoever was to come has come, or does not: what was kept is for others, but for what the
    /// reader has said that it has.
    pub(super) fn bequeath(&mut self, id: LinkId, heir_of: Option<UserId>, out: &mut Vec<Output>) {
        let Some(user) = heir_of else { return };
        let Some(mailbox) = self.mailboxes.get_mut(&user) else { return };
        let Some(kept) = mailbox.kept.remove(&id) else { return };
        let others: Vec<LinkId> = mailbox.links.iter().copied().collect();
        self.read_again(&others, &user, &kept, out);
        self.tidy(&user);
    }
}

/// What the client of a link has of what it shares.
fn has(link: &Link, mut kept: SeqSet) -> SeqSet {
    if let Some(reader) = link.reader.as_ref().filter(|reader| reader.share) {
        reader.offers.iter().for_each(|(span, _)| kept.insert(span));
        reader.holds.iter().for_each(|span| kept.insert(span));
    }
    kept
}
