//! Acks: a message may be acked, replied to, rejected or released once, and only on the link on
//! which it was delivered, while that link lasts. A link that names any other message is closed.
//!
//! An ack moves the user's cursor in the message's log, for all of the user's readers. The link is
//! answered when the store has recorded the ack; until then the message stays in the reader's
//! window.

use std::collections::BTreeMap;

use crate::durable::Disposition;
use crate::wire::{CloseCode, FromServer, REASON_LEN_MAX, Span, Target};

use super::Mailbox;
use crate::logic::hub::acks::LogAck;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::pending::PendingAck;
use crate::logic::hub::reader::Reader;
use crate::logic::hub::turn::Turn;
use crate::logic::seqs::cursor::Cursor;
use crate::logic::seqs::set::SeqSet;

/// Deliveries that a reader has released, each with its log.
type Released = Vec<(Span, Target)>;

impl Mailbox {
    /// Acks deliveries. Takes a reply or a rejection for a single one only.
    pub(crate) fn ack(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        spans: &[Span],
        disposition: Option<&Disposition>,
    ) {
        if let Some(Disposition::Rejected { reason, .. }) = disposition
            && reason.body().len() > REASON_LEN_MAX
        {
            return turn.close(link, CloseCode::OutOfTurn);
        }
        let reader = self.readers.get_mut(&link).filter(|reader| reader.has_deliveries(spans));
        let Some(reader) = reader else { return turn.close(link, CloseCode::OutOfTurn) };
        let now_ms = turn.now().unix_ms;
        let mut acks: BTreeMap<Target, LogAck> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        let mut is_uncrowded = false;
        for (first, delivery) in reader.take_deliveries(spans) {
            let span = Span { first, last: delivery.last() };
            messages += span.count() as u32;
            bytes += delivery.len_bytes(first, span);
            let Some(cursor) = self.cursors.get_mut(delivery.log()) else { continue };
            let was_crowded = cursor.is_crowded();
            let new = cursor.ack(span);
            is_uncrowded |= was_crowded && !cursor.is_crowded();
            // A gap notice stands for messages that nobody received.
            let is_notice = delivery.is_notice();
            let decided = if is_notice { Some(Disposition::Expired) } else { disposition.cloned() };
            let decided = decided.map(|disposition| (disposition, now_ms));
            acks.entry(delivery.log().clone()).or_default().add_delivery(
                (first, &delivery),
                new,
                decided,
            );
        }
        if acks.is_empty() {
            // All messages are from rooms that the user has left since. A write of the unchanged
            // cursor of the own log keeps the order of confirmations.
            acks.insert(Target::User(self.user.clone()), LogAck::default());
        }
        self.write_acks(turn, link, acks, (messages, bytes));
        if is_uncrowded {
            self.fetch_all(turn);
        }
    }

    /// Asks the store to write cursors. Its last answer confirms `messages` messages of `bytes`
    /// bytes to the link.
    pub(super) fn write_acks(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        acks: BTreeMap<Target, LogAck>,
        (messages, bytes): (u32, u64),
    ) {
        let mut left = acks.len();
        for (log, ack) in acks {
            left -= 1;
            let (messages, bytes) = if left == 0 { (messages, bytes) } else { (0, 0) };
            let cursor = self.cursors.get(&log).map(Cursor::to_stored).unwrap_or_default();
            let to = (self.user.clone(), log);
            let (write, acked) = ack.into_write(to, cursor, turn.now().unix_ms);
            let user = self.user.clone();
            let waiting = PendingAck { link, user, messages, bytes, acked };
            turn.write(|pending| &mut pending.acks, waiting, write);
            self.acks.begin();
        }
    }

    /// Notes that a cursor is on disk, and confirms `messages` messages of `bytes` bytes to a link.
    pub(crate) fn record_ack(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        (messages, bytes): (u32, u64),
    ) {
        self.acks.record();
        self.send_caught_up(turn);
        if messages == 0 {
            return;
        }
        if let Some(reader) = self.readers.get_mut(&link) {
            reader.open_window((messages.into(), bytes), turn.budget_mut());
            turn.send(link, FromServer::AckRecorded { count: messages });
            self.fetch(turn, link);
        }
    }

    /// Releases deliveries, which stay unacked for other readers. Returns them with their logs.
    pub(crate) fn release(&mut self, turn: &mut Turn, link: LinkId, spans: &[Span]) -> Released {
        let reader = self.readers.get_mut(&link).filter(|reader| reader.has_deliveries(spans));
        let Some(reader) = reader else {
            turn.close(link, CloseCode::OutOfTurn);
            return Released::new();
        };
        let deliveries: Vec<_> = reader.take_deliveries(spans).collect();
        let mut waiting = SeqSet::default();
        let mut released = Released::with_capacity(deliveries.len());
        for (first, delivery) in deliveries {
            let span = Span { first, last: delivery.last() };
            waiting.insert(span);
            let load = (span.count(), delivery.len_bytes(first, span));
            reader.open_window(load, turn.budget_mut());
            reader.add_released(span);
            if let Some(cursor) = self.cursors.get_mut(delivery.log())
                && cursor.release(span)
            {
                reader.rewind(cursor.resume_after(0));
            }
            released.push((span, delivery.log().clone()));
        }
        if reader.must_trim_released() {
            reader.trim_released(self.cursors.values());
        }
        let shares = reader.shares();
        self.fetch(turn, link);
        if shares {
            self.read_again(turn, &waiting, Reader::shares);
        }
        released
    }
}
