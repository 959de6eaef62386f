//! The two threads of a store: one writes, one reads.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::committer::{Committer, Request};
use super::limits::BATCHES_WAITING_MAX;
use super::report::{Done, Report};
use crate::durable::{
    READS_IN_WORK_MAX, Read, ReadEngine, RequestId, StoreError, Write, WriteEngine,
};

/// A running store. When dropped, its threads end after their current work; [`Store::close`] waits
/// for that.
pub struct Store {
    batches: SyncSender<Vec<Request>>,
    reads: SyncSender<(RequestId, Read)>,
    writer: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl Store {
    /// Starts the threads of an engine. Fails if the system cannot start a thread.
    ///
    /// The store's own threads call `done`, and wait if it blocks.
    pub fn start(
        writing: impl WriteEngine,
        mut reading: impl ReadEngine,
        done: impl Fn(Done) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let report = Arc::new(Report::new(done));
        let (batches, to_write) = sync_channel(BATCHES_WAITING_MAX);
        let (reads, to_read) = sync_channel::<(RequestId, Read)>(READS_IN_WORK_MAX);
        let committer = Committer::new(writing, Arc::clone(&report));
        let writer = spawn("store-writer", &report, move |_| committer.run(&to_write))?;
        let reader = spawn("store-reader", &report, move |report| {
            answer_reads(&mut reading, &to_read, report);
        })?;
        Ok(Self { batches, reads, writer, reader })
    }

    /// Makes writes durable together. Answer: [`Done::Durable`].
    pub fn commit(&self, batch: Vec<(RequestId, Write)>) {
        // The writer is gone only after `Failed`, which answers this batch too.
        let _ = self.batches.send(batch);
    }

    /// Looks something up. Answer: [`Done::Found`].
    pub fn read(&self, request: RequestId, read: Read) {
        // The reader is gone only after `Failed`, which answers this request too.
        let _ = self.reads.send((request, read));
    }

    /// Waits for the current work and ends. Its answers still come through `done`, which must not
    /// wait for the caller of `close`.
    pub fn close(self) {
        let Self { batches, reads, writer, reader } = self;
        drop((batches, reads));
        // A panic has been reported as `Failed`.
        let _ = reader.join();
        let _ = writer.join();
    }
}

/// Answers reads until no more can come, or until an error.
fn answer_reads(
    engine: &mut impl ReadEngine,
    reads: &Receiver<(RequestId, Read)>,
    report: &Report,
) {
    for (request, read) in reads {
        if report.has_failed() {
            break;
        }
        match engine.read(&read) {
            Ok(found) => report.done(Done::Found(request, found)),
            Err(error) => return report.fail(error),
        }
    }
}

fn spawn(
    name: &str,
    report: &Arc<Report>,
    run: impl FnOnce(&Report) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    /// Reports a panic while it unwinds: otherwise callers would wait for answers forever.
    struct PanicReport(Arc<Report>);
    impl Drop for PanicReport {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.fail(StoreError::Panicked);
            }
        }
    }
    let report = PanicReport(Arc::clone(report));
    thread::Builder::new().name(name.into()).spawn(move || run(&report.0))
}
