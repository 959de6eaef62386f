//! Answers of a store to its caller, until the first failure.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::durable::{Found, Outcome, RequestId, StoreError};

/// An answer of a store.
#[derive(Debug)]
pub enum Done {
    /// A batch is on disk: the answers to its writes in their order. Deferred writes of the batch
    /// are missing; earlier deferred writes that are on disk now are included. Sent once for each
    /// commit.
    Durable(Vec<(RequestId, Outcome)>),
    /// Acks that were deferred while the disk was full are on disk. Belongs to no batch.
    Late(Vec<(RequestId, Outcome)>),
    /// A read is answered.
    Found(RequestId, Found),
    /// The store has stopped. Writes that were not answered may or may not be on disk. Sent once.
    Failed(StoreError),
}

/// Callback for answers; silent after the first failure.
pub(super) struct Report {
    done: Box<dyn Fn(Done) + Send + Sync>,
    failed: AtomicBool,
}

impl Report {
    pub(super) fn new(done: impl Fn(Done) + Send + Sync + 'static) -> Self {
        Self { done: Box::new(done), failed: AtomicBool::new(false) }
    }

    pub(super) fn done(&self, done: Done) {
        if !self.has_failed() {
            (self.done)(done);
        }
    }

    pub(super) fn fail(&self, error: StoreError) {
        if !self.failed.swap(true, Ordering::SeqCst) {
            (self.done)(Done::Failed(error));
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }
}
