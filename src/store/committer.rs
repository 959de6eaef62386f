//! The writing thread: makes each batch one transaction, and answers it when it is on disk. A full
//! disk is not an error: see [`Committer::commit_without_room`].

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::deferred::{DeferredWrites, TakeAlong};
use super::report::{Done, Report};
use crate::durable::{Chores, CommitError, Outcome, RequestId, StoreError, Write, WriteEngine};

/// A write with the number for its answer.
pub(super) type Request = (RequestId, Write);
type Answers = Vec<(RequestId, Outcome)>;

/// Time without a batch, after which chores are done and deferred writes are tried again.
const IDLE_MS: u64 = 1000;

/// Owner of the engine's writing half.
pub(super) struct Committer<E> {
    engine: E,
    deferred: DeferredWrites,
    report: Arc<Report>,
}

impl<E: WriteEngine> Committer<E> {
    pub(super) fn new(engine: E, report: Arc<Report>) -> Self {
        Self { engine, deferred: DeferredWrites::default(), report }
    }

    /// Works until no more batches can come, or until an error.
    pub(super) fn run(mut self, batches: &Receiver<Vec<Request>>) {
        if let Err(error) = self.work(batches) {
            // From here on nobody knows whether an earlier write is on disk. Another try could make
            // it look as if it were.
            self.report.fail(error);
        }
    }

    fn work(&mut self, batches: &Receiver<Vec<Request>>) -> Result<(), StoreError> {
        while !self.report.has_failed() {
            match self.next_batch(batches) {
                Ok(batch) => self.commit(batch)?,
                Err(RecvTimeoutError::Timeout) if self.engine.chores() == Chores::Now => {
                    self.engine.do_chores()?;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.engine.do_chores()?;
                    self.retry_late()?;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.retry_late()?;
                    return self.engine.close();
                }
            }
        }
        Ok(())
    }

    /// Waits for a batch; wakes up without one only if there is other work.
    fn next_batch(
        &self,
        batches: &Receiver<Vec<Request>>,
    ) -> Result<Vec<Request>, RecvTimeoutError> {
        match self.engine.chores() {
            Chores::Now => batches.recv_timeout(Duration::ZERO),
            Chores::None if self.deferred.is_empty() => {
                batches.recv().map_err(|_| RecvTimeoutError::Disconnected)
            }
            Chores::Idle | Chores::None => batches.recv_timeout(Duration::from_millis(IDLE_MS)),
        }
    }

    fn commit(&mut self, batch: Vec<Request>) -> Result<(), StoreError> {
        let answers = match self.try_commit(&batch, TakeAlong::Acks)? {
            Some(answers) => answers,
            None => self.commit_without_room(batch)?,
        };
        self.report.done(Done::Durable(answers));
        self.engine.after_commit()
    }

    /// Refuses writes that need room, defers acks and ends of uploads, and carries out writes that
    /// make room.
    fn commit_without_room(&mut self, batch: Vec<Request>) -> Result<Answers, StoreError> {
        tracing::warn!("the disk is full, or the store as large as it may be");
        let mut answers = Vec::with_capacity(batch.len());
        let (mut refused, mut making_room) = (Vec::new(), Vec::new());
        for (request, write) in batch {
            match write {
                Write::Ack { .. } => self.deferred.defer_ack(request, write),
                Write::Sweep { .. } | Write::TakeParked { back: false, .. } => {
                    making_room.push((request, write));
                }
                Write::DiscardUpload { upload } => {
                    self.deferred.end_upload(upload);
                    answers.push((request, Outcome::DiscardUpload));
                }
                Write::Append { upload: Some(upload), .. }
                | Write::BeginUpload { upload, .. }
                | Write::AppendChunk { upload, .. } => {
                    self.deferred.end_upload(upload);
                    refused.push((request, write));
                }
                Write::Append { upload: None, .. }
                | Write::Schedule { .. }
                | Write::Claim { .. }
                | Write::Invite { .. }
                | Write::JoinRoom { .. }
                | Write::LeaveRoom { .. }
                | Write::ReleaseDue { .. }
                | Write::TakeParked { .. } => refused.push((request, write)),
            }
        }
        answers.extend(self.refuse(&refused)?);
        self.engine.make_room()?;
        self.try_commit(&[], TakeAlong::NoAck)?;
        for alone in making_room.chunks(1) {
            match self.try_commit(alone, TakeAlong::NoAck)? {
                Some(done) => answers.extend(done),
                None => answers.extend(self.refuse(alone)?),
            }
        }
        answers.extend(self.retry()?);
        // In the order of the requests.
        answers.sort_by_key(|(request, _)| *request);
        Ok(answers)
    }

    fn refuse(&mut self, requests: &[Request]) -> Result<Answers, StoreError> {
        let outcomes = self.engine.refuse(requests.iter().map(|(_, write)| write))?;
        Ok(requests.iter().map(|(request, _)| *request).zip(outcomes).collect())
    }

    /// Tries the deferred writes on their own.
    fn retry_late(&mut self) -> Result<(), StoreError> {
        if self.deferred.is_empty() {
            return Ok(());
        }
        let answers = self.retry()?;
        if !answers.is_empty() {
            self.report.done(Done::Late(answers));
        }
        Ok(())
    }

    /// Tries all deferred writes. If they do not fit, tries acks without dispositions: they need no
    /// room, and they make some.
    fn retry(&mut self) -> Result<Answers, StoreError> {
        for along in [TakeAlong::Acks, TakeAlong::PlainAcks] {
            if let Some(answers) = self.try_commit(&[], along)? {
                return Ok(answers);
            }
        }
        Ok(Vec::new())
    }

    /// Makes one transaction of a batch and the deferred writes chosen by `along`. `None`: no room.
    fn try_commit(
        &mut self,
        batch: &[Request],
        along: TakeAlong,
    ) -> Result<Option<Answers>, StoreError> {
        let deferred = self.deferred.writes(along);
        let mut outcomes = match self.engine.commit(deferred.chain(batch.iter().map(|r| &r.1))) {
            Ok(outcomes) => outcomes.into_iter(),
            Err(CommitError::Full) => return Ok(None),
            Err(CommitError::Failed(error)) => return Err(error),
        };
        let mut answers = self.deferred.committed(along, &mut outcomes);
        answers.extend(batch.iter().map(|(request, _)| *request).zip(outcomes));
        Ok(Some(answers))
    }
}
