//! What the store has said: each answer goes where it was asked for.

use std::sync::Arc;

use crate::durable::{Found, Outcome, Record, RequestId};
use crate::wire::{Bundle, CloseCode, FromServer, Refusal};

use super::io::{LinkId, Output};
use super::router::{Hub, Pending};
use crate::logic::limits::Time;

impl Hub {
    pub(super) fn durable(
        &mut self,
        now: Time,
        ticket: RequestId,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let Some(ask) = self.asked.remove(&ticket) else { return };
        match ask {
            Pending::Admit { link } => self.admit(now, link, claim_verdict(&outcome), out),
            Pending::Append { link, bundle, upload } => {
                // Of one that was turned down the sender has heard.
                if upload.is_none_or(|upload| self.uploads.remove(&upload).is_some()) {
                    self.appended(link, &bundle, outcome, out);
                }
            }
            Pending::BeginUpload { upload } => self.begun(upload, &outcome, out),
            Pending::AppendChunk { link, upload } => self.part_stored(link, upload, &outcome, out),
            Pending::Ack { link, user, messages, bytes, covered } => {
                self.covered(&user, &covered, out);
                self.settled(link, &user, messages, bytes, out);
            }
            Pending::JoinRoom { link, user, room } => self.entered(link, &user, room, outcome, out),
            Pending::LeaveRoom { link, user, room } => {
                self.left(now, link, &user, room, &outcome, out)
            }
            Pending::Sweep => {
                let more = outcome == Outcome::Swept { more: true };
                let wait_ms = if more { self.limits.sweep_ms / 100 } else { self.limits.sweep_ms };
                self.sweep_at_ms = Some(now.mono_ms + wait_ms);
            }
            Pending::TakeParked { link, user, taking } => {
                self.taken_out(now, link, &user, taking, outcome, out);
            }
            Pending::Schedule { link, message, due_ms } => {
                self.scheduled(now, link, (&message, due_ms), &outcome, out);
            }
            Pending::ReleaseDue => self.released(now, outcome, out),
            Pending::DiscardUpload
            | Pending::Download { .. }
            | Pending::Mailbox { .. }
            | Pending::Page { .. }
            | Pending::StartPosition { .. }
            | Pending::Volatile { .. }
            | Pending::FindMessage { .. }
            | Pending::Recipients { .. }
            | Pending::Expire { .. }
            | Pending::ListParked { .. } => {}
        }
    }

    fn appended(
        &mut self,
        link: LinkId,
        bundle: &Arc<Bundle>,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let parts = match outcome {
            Outcome::Mixed(parts) => parts,
            outcome => vec![(bundle.count(), outcome)],
        };
        let mut at = 0;
        for (count, outcome) in parts {
            let part = match count == bundle.count() {
                true => bundle.clone(),
                false => Arc::new(bundle.slice(at, count)),
            };
            at += count;
            // Who reads is served before who wrote.
            if let Outcome::Stored { seq, ordinal } = outcome {
                let record = Record { seq, ordinal, parts: 0, bundle: part.clone() };
                self.publish(record, out);
            }
            self.answer(link, &part, verdict(&part, &outcome), out);
        }
    }

    pub(super) fn found(
        &mut self,
        now: Time,
        ticket: RequestId,
        found: Found,
        out: &mut Vec<Output>,
    ) {
        let Some(ask) = self.asked.remove(&ticket) else { return };
        match (ask, found) {
            (Pending::Admit { link }, Found::Owner(owner)) => {
                let verdict = match (owner, self.links.get(&link)) {
                    (None, _) => Err(CloseCode::NotJoined),
                    (Some(owner), Some(state)) if owner == state.key => Ok(false),
                    (Some(_), _) => Err(CloseCode::IdTaken),
                };
                self.admit(now, link, verdict, out);
            }
            (Pending::Mailbox { user }, Found::Mailbox(logs)) => self.loaded(&user, logs, out),
            (Pending::Page { link }, Found::Page(page)) => self.paged(link, page, out),
            (Pending::StartPosition { link }, Found::StartPosition(behind)) => {
                self.starts(link, behind, out)
            }
            (Pending::Download { link }, Found::Chunk(part)) => {
                self.part_read(link, ticket, part, out)
            }
            (Pending::FindMessage { link, asked }, Found::MessageFound(at)) => {
                self.located(link, asked, at, out)
            }
            (Pending::Recipients { link, asked }, Found::Recipients(standings, more)) => {
                self.found_standings(link, &asked, standings, more, out);
            }
            (Pending::Expire { log, seq }, Found::Recipients(standings, more)) => {
                self.lapsed(now, (log, seq), standings, more, out);
            }
            (Pending::ListParked { link, drawer }, Found::Parked(page, more)) => {
                self.looked(link, drawer, (page, more), out);
            }
            (Pending::Volatile { link, bundle }, Found::Target(why_not)) => {
                let (id, count) = (bundle.first.id, bundle.count() as u32);
                let frame = match why_not {
                    None => FromServer::VolatileSent { id, count, readers: 0 },
                    Some(why) => FromServer::Refused { id, count, why },
                };
                self.answer(link, &bundle, frame, out);
            }
            _ => {}
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

/// What a sender hears of its messages.
pub(super) fn verdict(bundle: &Bundle, outcome: &Outcome) -> FromServer {
    let (id, count) = (bundle.first.id, bundle.count() as u32);
    let why = match outcome {
        Outcome::Stored { .. } | Outcome::Scheduled => {
            return FromServer::Accepted { id, count, duplicate: false };
        }
        Outcome::Duplicate => return FromServer::Accepted { id, count, duplicate: true },
        Outcome::Full => Refusal::MailboxFull,
        Outcome::DiskFull => Refusal::DiskFull,
        Outcome::OtherKind => Refusal::OtherKind,
        _ => Refusal::UnknownTarget,
    };
    FromServer::Refused { id, count, why }
}

fn claim_verdict(outcome: &Outcome) -> Result<bool, CloseCode> {
    match outcome {
        Outcome::Claimed { new } => Ok(*new),
        Outcome::CodeNeeded => Err(CloseCode::TicketNeeded),
        Outcome::CodeBad => Err(CloseCode::TicketBad),
        Outcome::Full => Err(CloseCode::Busy),
        Outcome::DiskFull => Err(CloseCode::DiskFull),
        _ => Err(CloseCode::IdTaken),
    }
}
