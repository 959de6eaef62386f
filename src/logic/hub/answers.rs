//! Answers of the store, each given to what asked for it.

use std::sync::Arc;

use crate::durable::{
    AppendOutcome, Found, MessageOutcome, NoTarget, NotClaimed, NotStored, Outcome, Record,
    RequestId,
};
use crate::wire::{Bundle, CloseCode, FromServer, Pin, Refusal};

use super::io::{LinkId, Output};
use super::pending::{PendingAck, PendingAppend, PendingRecipients};
use super::router::Hub;
use crate::logic::limits::Time;

impl Hub {
    /// Takes the answer to a write. One that nothing waits for changes nothing.
    pub(super) fn durable(
        &mut self,
        now: Time,
        request: RequestId,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let pending = &mut self.pending;
        match outcome {
            Outcome::Claim(outcome) => {
                let Some(link) = pending.claims.remove(&request) else { return };
                let verdict = outcome.map(|claimed| claimed.new).map_err(claim_refused);
                self.admit(now, link, verdict, out);
            }
            Outcome::Append(outcome) => {
                let Some(pending) = pending.appends.remove(&request) else { return };
                self.appended(&pending, outcome, out);
            }
            Outcome::BeginUpload(outcome) => {
                let Some(upload) = pending.begun_uploads.remove(&request) else { return };
                self.begun(upload, outcome, out);
            }
            Outcome::AppendChunk(outcome) => {
                let Some(chunk) = pending.chunks.remove(&request) else { return };
                self.part_stored(chunk.link, chunk.upload, outcome, out);
            }
            Outcome::DiscardUpload => {}
            Outcome::Ack => {
                let Some(ack) = pending.acks.remove(&request) else { return };
                let PendingAck { link, user, messages, bytes, covered } = ack;
                self.covered(&user, &covered, out);
                self.settled(link, &user, messages, bytes, out);
            }
            Outcome::Schedule(outcome) => {
                let Some(schedule) = pending.scheduled.remove(&request) else { return };
                self.scheduled(now, &schedule, outcome, out);
            }
            Outcome::ReleaseDue(outcome) => self.released(now, outcome, out),
            Outcome::TakeParked(outcome) => {
                let Some(take) = pending.taken.remove(&request) else { return };
                self.taken_out(now, take, outcome, out);
            }
            Outcome::JoinRoom(outcome) => {
                let Some(join) = pending.joins.remove(&request) else { return };
                self.entered(join, outcome, out);
            }
            Outcome::LeaveRoom(outcome) => {
                let Some(leave) = pending.leaves.remove(&request) else { return };
                self.left(now, leave, outcome, out);
            }
            Outcome::Sweep(swept) => {
                let sweep_ms = self.limits.sweep_ms;
                let wait_ms = if swept.more { sweep_ms / 100 } else { sweep_ms };
                self.sweep_at_ms = Some(now.mono_ms + wait_ms);
            }
        }
    }

    fn appended(&mut self, pending: &PendingAppend, outcome: AppendOutcome, out: &mut Vec<Output>) {
        let PendingAppend { link, bundle, upload } = pending;
        if upload.is_some_and(|upload| self.uploads.remove(&upload).is_none()) {
            // It was turned down before, and its sender was told.
            return;
        }
        let parts = match outcome {
            AppendOutcome::All(outcome) => {
                return self.appended_alike(*link, bundle, outcome, out);
            }
            AppendOutcome::Mixed(parts) => parts,
        };
        let mut at = 0;
        for (count, outcome) in parts {
            let part = Arc::new(bundle.slice(at, count));
            at += count;
            self.appended_alike(*link, &part, outcome, out);
        }
    }

    /// Takes messages that met with the same. Readers are served before the sender is answered.
    fn appended_alike(
        &mut self,
        link: LinkId,
        bundle: &Arc<Bundle>,
        outcome: MessageOutcome,
        out: &mut Vec<Output>,
    ) {
        if let Ok(at) = outcome {
            let bundle = bundle.clone();
            self.publish(Record { seq: at.seq, ordinal: at.ordinal, parts: 0, bundle }, out);
        }
        self.answer(link, bundle, verdict(bundle, outcome.map(drop)), out);
    }

    /// Takes the answer to a read. One that nothing waits for changes nothing.
    pub(super) fn found(
        &mut self,
        now: Time,
        request: RequestId,
        found: Found,
        out: &mut Vec<Output>,
    ) {
        let pending = &mut self.pending;
        match found {
            Found::Owner(owner) => {
                let Some(link) = pending.owners.remove(&request) else { return };
                let verdict = self.owner_verdict(link, owner);
                self.admit(now, link, verdict, out);
            }
            Found::Target(target) => {
                let Some((link, bundle)) = pending.targets.remove(&request) else { return };
                let (id, count) = (bundle.first.id, bundle.count() as u32);
                let refused = |why| FromServer::Refused { id, count, why };
                let frame = match target {
                    Ok(()) => FromServer::VolatileSent { id, count, readers: 0 },
                    Err(NoTarget::Unknown) => refused(Refusal::UnknownTarget),
                    Err(NoTarget::OtherKind) => refused(Refusal::OtherKind),
                };
                self.answer(link, &bundle, frame, out);
            }
            Found::Mailbox(logs) => {
                let Some(user) = pending.mailboxes.remove(&request) else { return };
                self.loaded(&user, logs, out);
            }
            Found::StartPosition(behind) => {
                let Some(link) = pending.start_positions.remove(&request) else { return };
                self.starts(link, behind, out);
            }
            Found::MessageFound(at) => {
                let Some((link, asked)) = pending.located.remove(&request) else { return };
                self.located(link, asked, at, out);
            }
            Found::Recipients(standings, more) => match pending.recipients.remove(&request) {
                Some(PendingRecipients::Track { link, asked }) => {
                    self.found_standings(link, &asked, standings, more, out);
                }
                Some(PendingRecipients::Expire { log, seq }) => {
                    self.lapsed(now, (log, seq), standings, more, out);
                }
                None => {}
            },
            Found::Parked(page, more) => {
                let Some((link, drawer)) = pending.parked.remove(&request) else { return };
                self.looked(link, drawer, (page, more), out);
            }
            Found::Chunk(part) => {
                let Some(link) = pending.downloads.remove(&request) else { return };
                self.part_read(link, request, part, out);
            }
            Found::Page(page) => {
                let Some(link) = pending.pages.remove(&request) else { return };
                self.paged(link, page, out);
            }
        }
    }

    fn owner_verdict(&self, link: LinkId, owner: Option<Pin>) -> Result<bool, CloseCode> {
        let key = self.links.get(&link).map(|state| state.key);
        match owner {
            None => Err(CloseCode::NotJoined),
            Some(owner) if Some(owner) == key => Ok(false),
            Some(_) => Err(CloseCode::IdTaken),
        }
    }

    /// Tells a sender what became of messages, if the sender is still there.
    pub(super) fn answer(
        &mut self,
        id: LinkId,
        bundle: &Bundle,
        frame: FromServer,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.answered(bundle);
        out.push(Output::Frame { link: id, frame });
    }
}

/// The frame that tells a sender whether messages are stored.
pub(super) fn verdict(bundle: &Bundle, outcome: Result<(), NotStored>) -> FromServer {
    let (id, count) = (bundle.first.id, bundle.count() as u32);
    let why = match outcome {
        Ok(()) => return FromServer::Accepted { id, count, duplicate: false },
        Err(NotStored::Duplicate) => {
            return FromServer::Accepted { id, count, duplicate: true };
        }
        Err(NotStored::UnknownTarget) => Refusal::UnknownTarget,
        Err(NotStored::OtherKind) => Refusal::OtherKind,
        Err(NotStored::Full) => Refusal::MailboxFull,
        Err(NotStored::DiskFull) => Refusal::DiskFull,
    };
    FromServer::Refused { id, count, why }
}

fn claim_refused(why: NotClaimed) -> CloseCode {
    match why {
        NotClaimed::Taken => CloseCode::IdTaken,
        NotClaimed::CodeNeeded => CloseCode::TicketNeeded,
        NotClaimed::CodeBad => CloseCode::TicketBad,
        NotClaimed::Full => CloseCode::Busy,
        NotClaimed::DiskFull => CloseCode::DiskFull,
    }
}
