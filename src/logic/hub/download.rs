//! A long body on its way to a reader: one at a time on a link, as fast as its client gives credit
//! for chunks.

use std::collections::VecDeque;

use crate::durable::{Missing, Record, RequestId};
use crate::logic::limits::CHUNK_READS_MAX;
use crate::wire::{Body, CHUNK_LEN_MAX, Seq, Target};

/// Number of a long volatile body that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VolatileId(pub(super) u64);

/// Source of the body.
pub(super) enum Download {
    /// The store.
    Stored(StoredDownload),
    /// The sender of the volatile message, who is sending the body now.
    Volatile(VolatileId),
}

/// Chunks of a stored body that are still to be read.
pub(super) struct StoredDownload {
    seq: Seq,
    log: Target,
    /// The next chunk to ask the store for.
    next: u64,
    end: u64,
    /// Chunks asked for, in order, each with its bytes once they were read.
    asked: VecDeque<(RequestId, Option<Body>)>,
}

impl StoredDownload {
    /// Begins with the second chunk: the first goes out with the message.
    pub(super) fn new(record: &Record) -> Self {
        let count = record.bundle.first.size.div_ceil(CHUNK_LEN_MAX as u64);
        let (next, end) = (record.parts + 1, record.parts + count);
        let log = record.bundle.first.to.clone();
        Self { seq: record.seq, log, next, end, asked: VecDeque::new() }
    }

    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    pub(super) fn log(&self) -> &Target {
        &self.log
    }

    /// Number of chunks asked for and not sent yet.
    pub(super) fn asked_count(&self) -> usize {
        self.asked.len()
    }

    /// The next chunk to ask for, if one is left and `free` more chunks fit on the link.
    pub(super) fn wanted(&self, free: usize) -> Option<u64> {
        let wanted = self.next < self.end && self.asked.len() < free.min(CHUNK_READS_MAX);
        wanted.then_some(self.next)
    }

    /// Notes that the wanted chunk was asked for.
    pub(super) fn add_request(&mut self, request: RequestId) {
        self.next += 1;
        self.asked.push_back((request, None));
    }

    /// Takes a chunk; the store may answer in any order. `None` if an earlier download, which has
    /// ended, asked for it.
    pub(super) fn add_chunk(
        &mut self,
        request: RequestId,
        chunk: Result<Body, Missing>,
    ) -> Option<Result<(), Missing>> {
        let at = self.asked.iter().position(|(asked, _)| *asked == request)?;
        Some(chunk.map(|body| self.asked[at].1 = Some(body)))
    }

    /// Returns the next chunk in order, if it has come.
    pub(super) fn next_chunk(&mut self) -> Option<Body> {
        let body = self.asked.front_mut()?.1.take()?;
        self.asked.pop_front();
        Some(body)
    }

    /// True once all chunks were sent.
    pub(super) fn is_complete(&self) -> bool {
        self.next == self.end && self.asked.is_empty()
    }
}
