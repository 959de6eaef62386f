//! Sharing: each message goes to one of the readers that share, the one with the least to do.
//!
//! What one of them reads is for all: a page is delivered among those that have room, whichever
//! asked for it, and the others go past what is with one of them. So what a reader has gone past is
//! acked, or with one of them, or was released by all; when one goes, or releases something, the
//! others read again from the first message that it had.
//!
//! What a reader has is kept for it while its client moves to another link, which says only behind
//! its `Hello` what it resumes.

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

    /// The part of a span that is with none of those who share.
    pub(super) fn unshared(&self, span: Span) -> Vec<Span> {
        let mut free = vec![span];
        for reader in self.sharers() {
            let unacked = reader.unacked();
            free = free.into_iter().flat_map(|span| unacked.missing(span)).collect();
        }
        free
    }

    /// The part of a span that no other sharing reader has resumed, or may still resume.
    fn unclaimed(&self, link: LinkId, span: Span) -> Vec<Span> {
        let mut free = vec![span];
        let resumed = self.sharers().filter(|reader| reader.link() != link).map(Reader::resumed);
        let kept = self.kept.iter().filter(|(heir, _)| **heir != link).map(|(_, kept)| kept);
        for claimed in resumed.filter(|resumed| !resumed.is_empty()).chain(kept) {
            free = free.into_iter().flat_map(|span| claimed.missing(span)).collect();
        }
        free
    }

    /// Delivers messages that are with none of those who share, as far as they have room: returns
    /// how many of them, from the first on.
    pub(super) fn share(&mut self, turn: &mut Turn, record: &Record) -> u64 {
        let (count, mut at) = (record.bundle.count(), 0);
        while at < count {
            let rest = record.slice(at, count - at);
            let Some((link, share)) = self.next_share(turn, &rest) else { break };
            let delivered = self.deliver_to(turn, link, &rest.slice(0, share));
            if delivered == 0 {
                break;
            }
            // It may meet these again further on in what is replayed to it.
            let reader = self.readers.get_mut(&link);
            if let Some(reader) = reader.filter(|reader| reader.is_replaying()) {
                reader.add_released(Span::starting_at(rest.seq, delivered));
            }
            at += delivered;
        }
        at
    }

    /// The reader that is to have the next of these messages, and how many of them: not all, if
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

    /// Returns how far messages, from the first of a span on, are kept from a reader, if they are:
    /// others claim them, or it has got or released them.
    pub(super) fn kept_from(&self, link: LinkId, span: Span) -> Option<Seq> {
        let reader = self.readers.get(&link)?;
        let free = self.unclaimed(link, span);
        match free.into_iter().flat_map(|span| reader.undelivered(span)).next() {
            Some(free) if free.first == span.first => None,
            Some(free) => Some(free.first - 1),
            None => Some(span.last),
        }
    }

    /// Keeps what the reader of a link shares, and what was kept for that link, for the link that
    /// replaces it. Returns whether there is anything.
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

    /// Gives what was kept for a link to the other readers, but for what its reader has resumed.
    pub(crate) fn give_up_kept(&mut self, turn: &mut Turn, link: LinkId) {
        if let Some(kept) = self.kept.remove(&link) {
            self.read_again(turn, &kept, |_| true);
        }
    }
}
