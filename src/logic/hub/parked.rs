//! What users keep aside: dead letters, and messages that are due later.

use crate::durable::{DiskFull, ParkedTaken, Read, Write};
use crate::wire::{FromServer, MsgId, ParkedKind, ParkedMessage, UserId};

use super::io::{LinkId, Output};
use super::pending::PendingTake;
use super::router::Hub;
use crate::logic::limits::{LIST_PARKED_MAX, Time};

/// What is to be taken out of a drawer, and how many have been so far.
#[derive(Clone)]
pub(super) struct Taking {
    pub(super) drawer: ParkedKind,
    pub(super) id: Option<MsgId>,
    pub(super) back: bool,
    pub(super) count: u64,
}

impl Hub {
    pub(super) fn look(
        &mut self,
        link: LinkId,
        user: &UserId,
        (drawer, after): (ParkedKind, u64),
        out: &mut Vec<Output>,
    ) {
        let ticket = self.ask(|pending| &mut pending.parked, (link, drawer));
        out.push(Output::Read(ticket, Read::Parked { user: user.clone(), drawer, after }));
    }

    /// The store has shown what is in a drawer, and whether there is more.
    pub(super) fn looked(
        &mut self,
        link: LinkId,
        drawer: ParkedKind,
        (mut page, mut more): (Vec<ParkedMessage>, bool),
        out: &mut Vec<Output>,
    ) {
        if !self.links.contains_key(&link) {
            return;
        }
        more |= page.len() > LIST_PARKED_MAX;
        page.truncate(LIST_PARKED_MAX);
        let next = page.last().map(|kept| kept.number).filter(|_| more);
        let frames = page.into_iter().map(FromServer::Parked);
        out.extend(frames.map(|frame| Output::Frame { link, frame }));
        self.reply(link, FromServer::ParkedEnd { drawer, next }, out);
    }

    pub(super) fn take_out(
        &mut self,
        now: Time,
        link: LinkId,
        user: &UserId,
        taking: Taking,
        out: &mut Vec<Output>,
    ) {
        let Taking { drawer, id, back, .. } = taking;
        let take = PendingTake { link, user: user.clone(), taking };
        let ticket = self.ask(|pending| &mut pending.taken, take);
        let (user, now_ms) = (user.clone(), now.unix_ms);
        out.push(Output::Write(ticket, Write::TakeParked { user, drawer, id, back, now_ms }));
    }

    /// Messages are out of a drawer. If all of them are wanted there may be more.
    pub(super) fn taken_out(
        &mut self,
        now: Time,
        take: PendingTake,
        outcome: Result<ParkedTaken, DiskFull>,
        out: &mut Vec<Output>,
    ) {
        let PendingTake { link, user, mut taking } = take;
        let count = match outcome {
            Ok(ParkedTaken { count, records }) => {
                for record in records {
                    self.publish(record, out);
                }
                count
            }
            Err(DiskFull) => 0,
        };
        taking.count += count;
        if taking.id.is_none() && count > 0 && self.links.contains_key(&link) {
            return self.take_out(now, link, &user, taking, out);
        }
        let Taking { drawer, id, count, .. } = taking;
        self.reply(link, FromServer::ParkedTaken { drawer, id, count }, out);
    }
}
