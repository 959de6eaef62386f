//! What a reader was given and does not want: it stays as it is, for the next one.

use crate::wire::{CloseCode, Span, Target, UserId};

use super::io::{LinkId, Output};
use super::link::Reader;
use super::mailbox::Mailbox;
use super::router::Hub;
use crate::logic::seqs::set::SeqSet;

/// So many spans may always be known as skipped before it is looked which of them still wait.
const SKIPPED_MIN: usize = 1_024;

impl Hub {
    pub(super) fn skipped(
        &mut self,
        id: LinkId,
        user: &UserId,
        spans: &[Span],
        out: &mut Vec<Output>,
    ) {
        let reader = self.links.get_mut(&id).and_then(|link| link.reader.as_mut());
        let (Some(reader), Some(mailbox)) = (reader, self.mailboxes.get_mut(user)) else {
            return self.close(id, CloseCode::OutOfTurn, out);
        };
        if !reader.offers.covers_each_once(spans) {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        let offers = &mut reader.offers;
        let taken: Vec<_> = spans.iter().flat_map(|span| offers.remove(*span)).collect();
        let let_go: Vec<(Span, Target)> = taken
            .iter()
            .map(|(first, offer)| (Span { first: *first, last: offer.last() }, offer.log().clone()))
            .collect();
        let mut waiting = SeqSet::default();
        for (first, offer) in taken {
            let span = Span { first, last: offer.last() };
            waiting.insert(span);
            let (messages, bytes) = (span.count() as u32, offer.len_bytes(first, span));
            reader.settled(messages, bytes, &mut self.flight);
            reader.skipped.insert(span);
            if let Some(place) = mailbox.places.get_mut(offer.log())
                && place.release(span)
            {
                reader.rewind(place.resume_after(0));
            }
        }
        forget_processed(reader, mailbox);
        let shares = reader.share;
        for (span, log) in let_go {
            self.let_go(user, &log, span, out);
        }
        self.pump(id, user, out);
        if shares {
            let others: Vec<LinkId> = self.sharers(user).map(|(id, _)| id).collect();
            self.read_again(&others, user, &waiting, out);
        }
    }
}

/// Keeps what a reader has skipped within bounds: what waits no more will not be met again.
fn forget_processed(reader: &mut Reader, mailbox: &Mailbox) {
    if reader.replay.is_some() || reader.skipped.len() <= reader.skipped_max.max(SKIPPED_MIN) {
        return;
    }
    let mut still = SeqSet::default();
    for place in mailbox.places.values() {
        for span in reader.skipped.iter().flat_map(|span| place.outstanding(span)) {
            still.insert(span);
        }
    }
    reader.skipped_max = 2 * still.len();
    reader.skipped = still;
}
