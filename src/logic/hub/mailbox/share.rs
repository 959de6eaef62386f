//! Sharing: each message goes to one of the sharing readers, the one with the least to do.
//!
//! A page is for all of them, whichever reader asked for it: each message goes to a reader that has
//! room, and the others skip it. So a message that a reader has skipped is acked, or is with one of
//! them, or was released by all. When a reader goes away, or releases a message, the others read
//! again from the first message that it had.
//!
//! Deliveries of a reader are kept while its client moves to another link: only after its `Hello`
//! does the new link say which of them it resumes.

use crate::durable::Record;
use crate::wire::{Seq, Span};

use super::Mailbox;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::reader::Reader;
use crate::logic::hub::turn::Turn;

impl Mailbox {
    fn sharers(&self) -> impl Iterator<Item = &Reader> {
        self.readers.values().filter(|reader| reader.shares())
    }

    /// The parts of a span that no sharing reader has.
    pub(super) fn unshared(&self, span: Span) -> Vec<Span> {
        let mut free = vec![span];
        for reader in self.sharers() {
            let unacked = reader.unacked();
            free = free.into_iter().flat_map(|span| unacked.missing(span)).collect();
        }
        free
    }

    /// The parts of a span that no other sharing reader has resumed, or may still resume.
    fn unclaimed(&self, link: LinkId, span: Span) -> Vec<Span> {
        let mut free = vec![span];
        let resumed = self.sharers().filter(|reader| reader.link() != link).map(Reader::resumed);
        let kept = self.kept.iter().filter(|(heir, _)| **heir != link).map(|(_, kept)| kept);
        for claimed in resumed.filter(|resumed| !resumed.is_empty()).chain(kept) {
            free = free.into_iter().flat_map(|span| claimed.missing(span)).collect();
        }
        free
    }

    /// Delivers messages that no sharing reader has, as far as there is room. Returns the number of
    /// messages delivered, counted from the first.
    pub(super) fn share(&mut self, turn: &mut Turn, record: &Record) -> u64 {
        let (count, mut at) = (record.bundle.count(), 0);
        while at < count {
            let rest = record.slice(at, count - at);
            let Some((link, share)) = self.next_share(turn, &rest) else { break };
            let delivered = self.deliver_to(turn, link, &rest.slice(0, share));
            if delivered == 0 {
                break;
            }
            // A reader that replays may meet these messages again.
            let reader = self.readers.get_mut(&link);
            if let Some(reader) = reader.filter(|reader| reader.is_replaying()) {
                reader.add_released(Span::starting_at(rest.seq, delivered));
            }
            at += delivered;
        }
        at
    }

    /// The reader that is to have the next of these messages, and their number: not all of them if
    /// others have room as well.
    fn next_share(&self, turn: &Turn, record: &Record) -> Option<(LinkId, u64)> {
        let room = |reader: &Reader| {
            if reader.is_starting() || reader.is_downloading() {
                return None;
            }
            let wanted = self.unclaimed(reader.link(), record.span()).first().copied()?;
            let wanted = reader.undelivered(wanted).first().copied()?;
            if wanted.first != record.seq {
                return None;
            }
            let room = reader.admits(&record.bundle, turn.budget()).min(wanted.count());
            (room > 0).then_some(room)
        };
        let ready = self.sharers().filter_map(|reader| {
            let room = room(reader)?;
            Some((reader.load(), reader.link(), room))
        });
        let ready: Vec<_> = ready.collect();
        let (_, link, room) = ready.iter().min()?;
        Some((*link, record.bundle.count().div_ceil(ready.len() as u64).min(*room)))
    }

    /// Returns the last seq, counted from the first of a span, up to which messages are kept from a
    /// reader: others claim them, or it has received or released them. `None` if the first is not
    /// kept from it.
    pub(super) fn kept_from(&self, link: LinkId, span: Span) -> Option<Seq> {
        let reader = self.readers.get(&link)?;
        let free = self.unclaimed(link, span);
        match free.into_iter().flat_map(|span| reader.undelivered(span)).next() {
            Some(free) if free.first == span.first => None,
            Some(free) => Some(free.first - 1),
            None => Some(span.last),
        }
    }

    /// Keeps the deliveries of a link's sharing reader, and those already kept for that link, for
    /// the link that takes it over. Returns whether any are kept.
    pub(crate) fn keep_for_heir(&mut self, from: LinkId, to: LinkId) -> bool {
        let mut kept = self.kept.remove(&from).unwrap_or_default();
        if let Some(reader) = self.readers.get(&from).filter(|reader| reader.shares()) {
            reader.unacked().iter().for_each(|(span, _)| kept.insert(span));
            reader.resumed().iter().for_each(|span| kept.insert(span));
        }
        let any = !kept.is_empty();
        if any {
            self.kept.insert(to, kept);
        }
        any
    }

    /// Gives the deliveries kept for a link to the other readers, except those that its reader has
    /// resumed.
    pub(crate) fn give_up_kept(&mut self, turn: &mut Turn, link: LinkId) {
        if let Some(kept) = self.kept.remove(&link) {
            self.read_again(turn, &kept, |_| true);
        }
    }
}
