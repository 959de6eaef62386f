//! What the store has said: each answer goes where it was asked for.

use std::sync::Arc;

use crate::durable::{Found, Outcome, Record, Ticket};
use crate::wire::{Bundle, CloseCode, FromServer, Refusal};

use super::Time;
use super::exchange::{LinkId, Output};
use super::hub::{Ask, Hub};

impl Hub {
    pub(super) fn durable(
        &mut self,
        now: Time,
        ticket: Ticket,
        outcome: Outcome,
        out: &mut Vec<Output>,
    ) {
        let Some(ask) = self.asked.remove(&ticket) else { return };
        match ask {
            Ask::Admit { link } => self.admit(now, link, claim_verdict(&outcome), out),
            Ask::Append { link, bundle, upload } => {
                // Of one that was turned down the sender has heard.
                if upload.is_none_or(|upload| self.uploads.remove(&upload).is_some()) {
                    self.appended(link, &bundle, outcome, out);
                }
            }
            Ask::Begin { upload } => self.begun(upload, &outcome, out),
            Ask::Part { link, upload } => self.part_stored(link, upload, &outcome, out),
            Ask::Settle { link, user, messages, bytes, covered } => {
                self.covered(&user, &covered, out);
                self.settled(link, &user, messages, bytes, out);
            }
            Ask::Enter { link, user, room } => self.entered(link, &user, room, outcome, out),
            Ask::Leave { link, user, room } => self.left(now, link, &user, room, &outcome, out),
            Ask::Sweep => {
                let more = outcome == Outcome::Swept { more: true };
                let wait_ms = if more { self.limits.sweep_ms / 100 } else { self.limits.sweep_ms };
                self.sweep_at_ms = Some(now.mono_ms + wait_ms);
            }
            Ask::Take { link, user, taking } => {
                self.taken_out(now, link, &user, taking, outcome, out);
            }
            Ask::Schedule { link, message, due_ms } => {
                self.scheduled(now, link, (&message, due_ms), &outcome, out);
            }
            Ask::Release => self.released(now, outcome, out),
            Ask::Discard
            | Ask::Stream { .. }
            | Ask::Mailbox { .. }
            | Ask::Page { .. }
            | Ask::Start { .. }
            | Ask::Pass { .. }
            | Ask::Sent { .. }
            | Ask::Standings { .. }
            | Ask::Lapse { .. }
            | Ask::Look { .. } => {}
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

    pub(super) fn found(&mut self, now: Time, ticket: Ticket, found: Found, out: &mut Vec<Output>) {
        let Some(ask) = self.asked.remove(&ticket) else { return };
        match (ask, found) {
            (Ask::Admit { link }, Found::Owner(owner)) => {
                let verdict = match (owner, self.links.get(&link)) {
                    (None, _) => Err(CloseCode::NotJoined),
                    (Some(owner), Some(state)) if owner == state.key => Ok(false),
                    (Some(_), _) => Err(CloseCode::IdTaken),
                };
                self.admit(now, link, verdict, out);
            }
            (Ask::Mailbox { user }, Found::Mailbox(logs)) => self.loaded(&user, logs, out),
            (Ask::Page { link }, Found::Page(page)) => self.paged(link, page, out),
            (Ask::Start { link }, Found::Begin(behind)) => self.starts(link, behind, out),
            (Ask::Stream { link }, Found::Part(part)) => self.part_read(link, ticket, part, out),
            (Ask::Sent { link, asked }, Found::Sent(at)) => self.located(link, asked, at, out),
            (Ask::Standings { link, asked }, Found::Standings(standings, more)) => {
                self.found_standings(link, &asked, standings, more, out);
            }
            (Ask::Lapse { log, seq }, Found::Standings(standings, more)) => {
                self.lapsed(now, (log, seq), standings, more, out);
            }
            (Ask::Look { link, drawer }, Found::Drawer(page, more)) => {
                self.looked(link, drawer, (page, more), out);
            }
            (Ask::Pass { link, bundle }, Found::Target(why_not)) => {
                let (id, count) = (bundle.first.id, bundle.count() as u32);
                let frame = match why_not {
                    None => FromServer::Passed { id, count, readers: 0 },
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
