//! Work for the store: the batch that gathers, and the reads that wait.

use std::collections::VecDeque;

use crate::durable::{READS_IN_WORK_MAX, Read, RequestId, Write};
use crate::server::limits::{BATCH_BYTES_MAX, BATCH_WRITES_MAX};
use crate::store::Store;

/// Reads and writes that the store does, and those it will get. It has one batch at a time, and at
/// most [`READS_IN_WORK_MAX`] reads.
pub(super) struct StoreWork<'a> {
    store: &'a Store,
    batch: Vec<(RequestId, Write)>,
    /// Bytes of messages in the batch.
    batch_bytes: u64,
    /// True while the store writes the batch before.
    is_writing: bool,
    reads: VecDeque<(RequestId, Read)>,
    reads_in_work: usize,
}

impl<'a> StoreWork<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            batch: Vec::new(),
            batch_bytes: 0,
            is_writing: false,
            reads: VecDeque::new(),
            reads_in_work: 0,
        }
    }

    /// True when no write waits and none is being written.
    pub(super) fn is_all_written(&self) -> bool {
        !self.is_writing && self.batch.is_empty()
    }

    /// True while the batch may grow.
    pub(super) fn has_room(&self) -> bool {
        self.batch.len() < BATCH_WRITES_MAX && self.batch_bytes < BATCH_BYTES_MAX
    }

    pub(super) fn add_write(&mut self, request: RequestId, write: Write) {
        self.batch_bytes += write.len_bytes();
        self.batch.push((request, write));
    }

    pub(super) fn add_read(&mut self, request: RequestId, read: Read) {
        self.reads.push_back((request, read));
    }

    /// Notes that the batch is on disk.
    pub(super) fn batch_done(&mut self) {
        self.is_writing = false;
    }

    /// Notes that a read is answered.
    pub(super) fn read_done(&mut self) {
        self.reads_in_work -= 1;
    }

    /// Hands the store what it can do now.
    pub(super) fn submit(&mut self) {
        if !self.is_writing && !self.batch.is_empty() {
            self.is_writing = true;
            self.batch_bytes = 0;
            self.store.commit(std::mem::take(&mut self.batch));
        }
        while self.reads_in_work < READS_IN_WORK_MAX
            && let Some((request, read)) = self.reads.pop_front()
        {
            self.reads_in_work += 1;
            self.store.read(request, read);
        }
    }
}
