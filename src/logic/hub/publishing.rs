//! What has just become durable goes to those who wait for it.

use crate::durable::Record;

use super::handing::is_for;
use super::io::{LinkId, Output};
use super::link::Mode;
use super::router::Hub;

/// What came of giving a reader something new.
enum Published {
    /// It has all of it.
    Whole,
    /// It is live, and shares with others.
    Shared,
    /// It is not for it, or it may read it from the store.
    Not,
}

impl Hub {
    /// Messages have become durable: whoever reads their log and has nothing older to read first
    /// is given them at once.
    pub(super) fn publish(&mut self, record: Record, out: &mut Vec<Output>) {
        let Some(log) = self.logs.get_mut(&record.bundle.first.to) else { return };
        log.head = record.span().last;
        let readers: Vec<LinkId> = log.links.iter().copied().collect();
        let mut links = Vec::with_capacity(readers.len());
        let mut sharing = Vec::new();
        for id in readers {
            match self.publish_to(id, &record, out) {
                Published::Whole => links.push(id),
                Published::Shared => sharing.push(id),
                Published::Not => {}
            }
        }
        if !sharing.is_empty() {
            self.publish_shared(&sharing, &record, out);
        }
        if !links.is_empty() {
            self.delivered(&links, &record.bundle.first.to, record.span());
            out.push(Output::Deliver { links, record });
        }
    }

    /// Gives a reader all of it, if that can be now.
    fn publish_to(&mut self, id: LinkId, record: &Record, out: &mut Vec<Output>) -> Published {
        let Some(link) = self.links.get_mut(&id) else { return Published::Not };
        let Some(user) = link.user().cloned() else { return Published::Not };
        let Some(reader) = link.reader.as_mut() else { return Published::Not };
        // A page that was read after the commit may have brought it already.
        if reader.mode != Mode::Live || record.seq <= reader.position {
            return Published::Not;
        }
        if !is_for(&user, record) {
            reader.position = record.span().last;
            return Published::Not;
        }
        if reader.share {
            return Published::Shared;
        }
        let (span, count) = (record.span(), record.bundle.count());
        // Another reader of this user may have dealt with it: it was in a page before this.
        let place = self.mailboxes.get(&user).and_then(|m| m.places.get(&record.bundle.first.to));
        let new = place.is_some_and(|place| place.is_wholly_unacked(span))
            && reader.offers.within(span).next().is_none()
            && reader.skipped.within(span).next().is_none();
        let whole = new
            && !record.bundle.first.is_long()
            && reader.streaming.is_none()
            && reader.admits(&record.bundle, &self.flight) == count
            && self.offer(id, &user, record) == count;
        if let Some(reader) = self.reader(id) {
            match whole {
                true => reader.position = record.span().last,
                false => reader.mode = Mode::Waiting,
            }
        }
        if !whole {
            self.pump(id, &user, out);
        }
        if whole { Published::Whole } else { Published::Not }
    }
}
