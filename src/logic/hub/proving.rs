//! What a client has for certain: it answers each `Ping` with a `Pong`, and the stream is in order.
//! So a message was delivered, and there is room for more that a watching sender is told.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::{
    CloseCode, DeliveryState, FromServer, MsgId, RecipientStatus, Seq, Span, Target, UserId,
};

use super::io::{LinkId, Output};
use super::router::Hub;
use super::streaming::Download;
use crate::logic::limits::{TOLD_MAX, Time};

/// Most bytes of the same.
const TOLD_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of what is held back meanwhile. A link for which there is more has to ask anew.
const HELD_BYTES_MAX: u64 = 1 << 20;
/// What a standing takes besides its name and its note.
const STANDING_LEN: usize = 64;

/// What a link has confirmed and what not.
#[derive(Default)]
pub(super) struct Confirmations {
    /// The number of the `Ping` that is out, and what its answer proves.
    asked: Option<(u64, Sent)>,
    /// What the next one is for.
    next: Sent,
    /// To be told when there is room, what comes later in place of what came before.
    held: BTreeMap<(MsgId, UserId), RecipientStatus>,
    held_bytes: u64,
}

/// What was sent on a link.
#[derive(Default)]
struct Sent {
    /// Messages that are watched.
    deliveries: BTreeSet<(Target, Seq)>,
    /// By `Stands`, and its bytes.
    told: u32,
    told_bytes: u64,
}

impl Confirmations {
    /// Whether more may be told now.
    fn has_room(&self) -> bool {
        let asked = self.asked.as_ref().map(|(_, sent)| (sent.told, sent.told_bytes));
        let (told, bytes) = asked.unwrap_or_default();
        self.next.told + told < TOLD_MAX && self.next.told_bytes + bytes < TOLD_BYTES_MAX
    }

    /// Whether a confirmation is wanted now.
    fn wants_ping(&self) -> bool {
        let Sent { deliveries, told, told_bytes } = &self.next;
        let much = *told >= TOLD_MAX / 2 || *told_bytes >= TOLD_BYTES_MAX / 2;
        self.asked.is_none() && (!deliveries.is_empty() || much)
    }

    fn hold(&mut self, id: MsgId, standing: RecipientStatus) {
        let key = (id, standing.user.clone());
        if self.held.get(&key).is_some_and(|held| held.state >= standing.state) {
            return;
        }
        self.held_bytes += len_bytes(&standing);
        if let Some(before) = self.held.insert(key, standing) {
            self.held_bytes -= len_bytes(&before);
        }
    }
}

fn len_bytes(standing: &RecipientStatus) -> u64 {
    let note = standing.note.as_ref().map_or(0, |note| note.body().len());
    (STANDING_LEN + standing.user.as_str().len() + note) as u64
}

impl Hub {
    /// Tells a link how far a message has come, as soon as it has room for that.
    pub(super) fn tell(
        &mut self,
        id: LinkId,
        message: MsgId,
        standing: RecipientStatus,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let proofs = &mut link.proofs;
        if proofs.held.is_empty() && proofs.has_room() {
            proofs.next.told += 1;
            proofs.next.told_bytes += len_bytes(&standing);
            let frame = FromServer::TrackUpdate { id: message, standing };
            out.push(Output::Frame { link: id, frame });
        } else {
            proofs.hold(message, standing);
        }
        if proofs.wants_ping() {
            self.pinging.insert(id);
        }
        if proofs.held_bytes > HELD_BYTES_MAX {
            self.close(id, CloseCode::Busy, out);
        }
    }

    /// Messages went out on links; those of them that are watched are to be confirmed.
    pub(super) fn delivered(&mut self, links: &[LinkId], log: &Target, span: Span) {
        for seq in self.watching.within(log, span) {
            for id in links {
                self.prove(*id, log, seq);
            }
        }
    }

    /// A message is watched from now on, which some readers may have got before.
    pub(super) fn prove_offered(&mut self, log: &Target, seq: Seq) {
        let links = self.logs.get(log).map(|log| log.links.clone()).unwrap_or_default();
        for id in links {
            let Some(reader) = self.reader(id) else { continue };
            let under_way = match &reader.streaming {
                Some(Download::Stored(stream)) => stream.seq == seq,
                Some(Download::Passed(_)) | None => false,
            };
            if reader.offers.has_message(seq) && !under_way {
                self.prove(id, log, seq);
            }
        }
    }

    fn prove(&mut self, id: LinkId, log: &Target, seq: Seq) {
        let most = self.limits.prefetch_messages_max as usize;
        let Some(link) = self.links.get_mut(&id) else { return };
        let deliveries = &mut link.proofs.next.deliveries;
        // A client that keeps to the protocol confirms before it has more than a window beyond.
        if deliveries.len() < most {
            deliveries.insert((log.clone(), seq));
            self.pinging.insert(id);
        }
    }

    /// Asks for what is to be confirmed, behind all that was sent before.
    pub(super) fn ping(&mut self, out: &mut Vec<Output>) {
        while let Some(id) = self.pinging.pop_first() {
            let number = self.name();
            let Some(link) = self.links.get_mut(&id) else { continue };
            if link.proofs.wants_ping() {
                link.proofs.asked = Some((number, std::mem::take(&mut link.proofs.next)));
                out.push(Output::Frame { link: id, frame: FromServer::Ping { number } });
            }
        }
    }

    /// All that was sent before the `Ping` of this number has come.
    pub(super) fn pong(
        &mut self,
        now: Time,
        id: LinkId,
        user: &UserId,
        number: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some((_, sent)) = link.proofs.asked.take_if(|(asked, _)| *asked == number) else {
            return self.close(id, CloseCode::OutOfTurn, out);
        };
        let held = std::mem::take(&mut link.proofs.held);
        link.proofs.held_bytes = 0;
        for ((message, _), standing) in held {
            self.tell(id, message, standing, out);
        }
        for (log, seq) in sent.deliveries {
            self.stands((&log, seq), user, &(DeliveryState::Delivered, now.unix_ms, None), out);
        }
        self.pinging.insert(id);
    }
}
