//! Long bodies on their way out of the store: one at a time on a link, as fast as its client takes
//! the parts.

use std::collections::VecDeque;

use crate::durable::{Missing, Page, Read, Record, RequestId};
use crate::wire::{
    Body, CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX, CloseCode, FromServer, Seq, Span, Target,
};

use super::budget::DeliveryBudget;
use super::io::{LinkId, Output};
use super::link::{Link, Reader};
use super::relaying::VolatileId;
use super::router::Hub;
use crate::logic::seqs::unacked::Delivery;

/// Most parts that are being read for one link.
const READS_MAX: usize = 8;

/// A long body on its way to a reader.
pub(super) enum Download {
    /// From the store.
    Stored(DownloadState),
    /// From a sender.
    Passed(VolatileId),
}

/// What is still to be read of a stored body.
pub(super) struct DownloadState {
    pub(super) seq: Seq,
    log: Target,
    /// The parts that are to be asked for.
    next: u64,
    end: u64,
    /// Those asked for, in order, each with its bytes once they have come.
    asked: VecDeque<(RequestId, Option<Body>)>,
}

impl DownloadState {
    fn new(record: &Record) -> Self {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        let (next, end) = (record.parts + 1, record.parts + count);
        let log = record.bundle.first.to.clone();
        Self { seq: record.seq, log, next, end, asked: VecDeque::new() }
    }
}

impl Link {
    /// Whether one more part may be sent on it.
    pub(super) fn takes_part(&self) -> bool {
        self.parts_out < CHUNKS_AHEAD_MAX
    }

    /// Whether it has taken so much of what it was sent that nobody has to be waited for who has
    /// taken nothing meanwhile.
    pub(super) fn is_far_ahead(&self) -> bool {
        self.parts_out <= CHUNKS_AHEAD_MAX / 2
    }

    /// Nothing is on its way any more.
    pub(super) fn land(&mut self, flight: &mut DeliveryBudget) {
        let asked = self.stream().map_or(0, |stream| stream.asked.len() as u32);
        flight.remove_parts(self.parts_out + asked);
        if let Some(reader) = &self.reader {
            flight.remove(reader.flying());
        }
    }

    fn stream(&mut self) -> Option<&mut DownloadState> {
        match self.reader.as_mut()?.streaming.as_mut()? {
            Download::Stored(stream) => Some(stream),
            Download::Passed(_) => None,
        }
    }

    /// The part to be asked for now, if there is one for which there is room.
    fn next_part(&mut self, flight: &DeliveryBudget) -> Option<u64> {
        let parts_out = self.parts_out as usize;
        let free = (CHUNKS_AHEAD_MAX as usize).saturating_sub(parts_out);
        let stream = self.stream()?;
        let is_first = parts_out + stream.asked.len() == 0;
        let has_room = is_first || flight.has_room_for_part();
        let wanted = stream.next < stream.end && stream.asked.len() < free.min(READS_MAX);
        (wanted && has_room).then_some(stream.next)
    }
}

impl Hub {
    /// Delivers a message of a page: all of it, or its first part, and the rest as it is read.
    pub(super) fn deliver(&mut self, id: LinkId, record: Record, out: &mut Vec<Output>) {
        let stream = record.bundle.first.is_long().then(|| DownloadState::new(&record));
        if stream.is_none() {
            self.delivered(&[id], &record.bundle.first.to, record.span());
        }
        out.push(Output::Deliver { links: vec![id], record });
        if let (Some(stream), Some(reader)) = (stream, self.reader(id)) {
            reader.streaming = Some(Download::Stored(stream));
            self.read_on(id, out);
        }
    }

    pub(super) fn is_streaming(&self, id: LinkId) -> bool {
        let reader = self.links.get(&id).and_then(|link| link.reader.as_ref());
        reader.is_some_and(|reader| reader.streaming.is_some())
    }

    /// Puts off what is left of a page, which was handed out up to `reached`, until the body ends
    /// that is under way.
    pub(super) fn park(&mut self, id: LinkId, reached: Seq, rest: Page) {
        let Some(reader) = self.reader(id) else { return };
        if !reader.rewound {
            reader.position = reader.position.max(reached);
        }
        reader.parked = Some(rest);
    }

    /// Reads as many parts as the link has room for.
    fn read_on(&mut self, id: LinkId, out: &mut Vec<Output>) {
        while let Some(at) = self.links.get_mut(&id).and_then(|link| link.next_part(&self.flight)) {
            self.flight.add_parts(1);
            let ticket = self.ask(|pending| &mut pending.downloads, id);
            if let Some(stream) = self.links.get_mut(&id).and_then(Link::stream) {
                stream.next += 1;
                stream.asked.push_back((ticket, None));
            }
            out.push(Output::Read(ticket, Read::Chunk { at }));
        }
    }

    /// The store has a part, or has it no more. Answers may come in any order.
    pub(super) fn part_read(
        &mut self,
        id: LinkId,
        ticket: RequestId,
        part: Result<Body, Missing>,
        out: &mut Vec<Output>,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        // Of a body that was broken off some answers are still to come.
        let Some(stream) = link.stream() else { return };
        let Some(at) = stream.asked.iter().position(|(asked, _)| *asked == ticket) else { return };
        match part {
            Ok(body) => stream.asked[at].1 = Some(body),
            Err(missing) => return self.break_off(id, missing, out),
        }
        while let Some((_, body @ Some(_))) = link.stream().and_then(|s| s.asked.front_mut()) {
            let body = body.take().unwrap_or_default();
            link.stream().and_then(|stream| stream.asked.pop_front());
            link.parts_out += 1;
            out.push(Output::Chunk { links: vec![id], body });
        }
        match link.stream().filter(|s| s.next == s.end && s.asked.is_empty()) {
            Some(stream) => {
                let (log, span) = (stream.log.clone(), Span::one(stream.seq));
                self.delivered(&[id], &log, span);
                self.end_stream(id, out);
            }
            None => self.read_on(id, out),
        }
    }

    /// The rest of a stored body is not there. The message is as if it had not been delivered; what
    /// became of it the reader hears instead.
    fn break_off(&mut self, id: LinkId, missing: Missing, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(seq) = link.stream().map(|stream| stream.seq) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some(reader) = link.reader.as_mut() else { return };
        out.push(Output::Frame { link: id, frame: FromServer::AbortBody });
        if let Some(Download::Stored(stream)) = &reader.streaming {
            self.flight.remove_parts(stream.asked.len() as u32);
        }
        if let Some((_, offer)) = reader.offers.remove(Span::one(seq)).pop() {
            reader.settled(1, offer.len_bytes(seq, Span::one(seq)), &mut self.flight);
            match missing {
                Missing::Removed => reader.rewind(seq - 1),
                Missing::Corrupt => {
                    let places = self.mailboxes.get(&user).map(|mailbox| &mailbox.places);
                    let place = places.and_then(|places| places.get(offer.log()));
                    if place.is_some_and(|place| !place.is_acked(seq)) {
                        self.notice(
                            id,
                            seq,
                            Delivery::notice(seq, offer.log().clone(), offer.counts_in_quotas()),
                            1,
                            out,
                        );
                    }
                }
            }
        }
        self.end_stream(id, out);
    }

    /// A stored body has come to its end on a link. Those from senders have their turn next.
    fn end_stream(&mut self, id: LinkId, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some(reader) = link.reader.as_mut() else { return };
        reader.streaming = None;
        self.pass_held(&user, out);
        self.resume(id, out);
    }

    /// Goes on with what was put off while a body was under way, if none is now.
    pub(super) fn resume(&mut self, id: LinkId, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(user) = link.user().cloned() else { return };
        let Some(reader) = link.reader.as_mut() else { return };
        if reader.streaming.is_some() {
            return;
        }
        match reader.parked.take() {
            Some(page) => self.paged(id, page, out),
            None => self.pump(id, &user, out),
        }
    }

    /// A client has dealt with parts, which makes room for others.
    pub(super) fn more(&mut self, id: LinkId, parts: u32, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if parts == 0 || parts > link.parts_out {
            return self.close(id, CloseCode::OutOfTurn, out);
        }
        link.parts_out -= parts;
        self.flight.remove_parts(parts);
        match link.reader.as_ref().and_then(|reader| reader.streaming.as_ref()) {
            Some(&Download::Passed(passage)) => self.relay(passage, out),
            Some(Download::Stored(_)) => self.read_on(id, out),
            None => {}
        }
    }

    pub(super) fn reader(&mut self, id: LinkId) -> Option<&mut Reader> {
        self.links.get_mut(&id)?.reader.as_mut()
    }
}
