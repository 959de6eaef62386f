//! The one loop of a server: group commit, back-pressure, and an orderly end.

use std::pin::pin;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::durable::StoreError;
use crate::logic::{Hub, Input, Output};
use crate::server::accept::ServerEvent;
use crate::server::clock::ServerClock;
use crate::server::limits::EVENTS_MAX;
use crate::server::links::Links;
use crate::server::store_work::StoreWork;
use crate::store::{Done, Store};
use crate::wire::FromServer;

/// The hub, and everything it can ask for: links, the store, the time.
pub(super) struct ServerLoop<'a> {
    hub: Hub,
    clock: ServerClock,
    links: Links,
    work: StoreWork<'a>,
}

impl<'a> ServerLoop<'a> {
    pub(super) fn new(hub: Hub, store: &'a Store, clock: ServerClock) -> Self {
        Self { hub, clock, links: Links::default(), work: StoreWork::new(store) }
    }

    /// Serves until `stop` is ready and every write is on disk, or until the store fails.
    ///
    /// While the batch is full, links are not heard, and their clients have to wait.
    pub(super) async fn serve(
        &mut self,
        events: &mut mpsc::Receiver<ServerEvent>,
        answers: &mut mpsc::Receiver<Done>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StoreError> {
        let mut stop = pin!(stop);
        let mut stopping = false;
        let mut waiting = Vec::with_capacity(EVENTS_MAX);
        while !(stopping && self.work.is_all_written()) {
            let deadline = self.hub.deadline().map(|at_ms| self.clock.instant(at_ms));
            let takes = !stopping && self.work.has_room();
            tokio::select! {
                biased;
                () = &mut stop, if !stopping => stopping = true,
                Some(done) = answers.recv() => self.on_answer(done)?,
                _ = events.recv_many(&mut waiting, EVENTS_MAX), if takes => {
                    for event in waiting.drain(..) {
                        self.on_event(event);
                    }
                }
                () = until(deadline), if !stopping => self.feed([Input::Tick]),
            }
            self.flush();
            self.work.submit();
        }
        Ok(())
    }

    /// Tells every link that the server stops.
    pub(super) async fn say_farewell(self) {
        self.links.say_farewell().await;
    }

    fn on_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Opened { link, key, outgoing } => {
                self.links.open(link, outgoing);
                self.feed([Input::Opened { link, key }]);
            }
            ServerEvent::Frames(link, frames) => {
                self.feed(frames.into_iter().map(|frame| Input::Frame { link, frame }));
            }
            ServerEvent::Closed(link) => {
                self.links.forget(link);
                self.feed([Input::Closed { link }]);
            }
        }
    }

    fn on_answer(&mut self, done: Done) -> Result<(), StoreError> {
        match done {
            Done::Durable(answers) => {
                self.work.batch_done();
                self.feed([Input::Durable(answers)]);
            }
            Done::Late(answers) => self.feed([Input::Durable(answers)]),
            Done::Found(request, found) => {
                self.work.read_done();
                self.feed([Input::Found(request, found)]);
            }
            Done::Failed(error) => return Err(error),
        }
        Ok(())
    }

    /// Handles inputs of one moment, and the loss of links that results.
    fn feed(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let (now, mut outputs) = (self.clock.now(), Vec::new());
        for input in inputs {
            self.hub.handle(now, input, &mut outputs);
        }
        loop {
            for output in outputs.drain(..) {
                self.carry_out(output);
            }
            let Some(link) = self.links.pop_lost() else { return };
            self.hub.handle(now, Input::Closed { link }, &mut outputs);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Frame { link, frame } => self.links.send(link, &frame),
            Output::Deliver { links, record } => {
                let frame = FromServer::deliver(record.seq, &record.bundle);
                self.links.send_to_all(links, &frame);
            }
            Output::Volatile { links, bundle } => {
                self.links.send_to_all(links, &FromServer::volatile(&bundle));
            }
            Output::Chunk { links, body } => {
                self.links.send_to_all(links, &FromServer::Chunk(body));
            }
            Output::Close { link, code } => self.links.close(link, code),
            Output::Write(request, write) => self.work.add_write(request, write),
            Output::Read(request, read) => self.work.add_read(request, read),
        }
    }

    /// Sends the frames of this turn, and those that the loss of links leads to.
    fn flush(&mut self) {
        self.links.flush();
        while let Some(link) = self.links.pop_lost() {
            self.feed([Input::Closed { link }]);
            self.links.flush();
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
