//! The links of one client, of which only the last says anything.
//!
//! A client that has lost its link says again on the next one what was not answered. What it said
//! on the last one may still be on its way to the hub: taken behind the answer to what was said
//! again, it would be stored although the client was told that it was refused.

use std::collections::BTreeMap;

use crate::wire::{CloseCode, Pin, Session};

use super::Hub;
use super::exchange::{LinkId, Output};

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
            self.close(before, CloseCode::TakenOver, out);
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.session = Some(session);
            self.sessions.0.insert(client, (session.link, id));
        }
        true
    }
}
