//! The server's loop: takes what happens on links and in the store, lets the [`Hub`] decide, and
//! carries it out.
//!
//! One loop serves everything. It takes all that waits, lets the hub handle each, and hands all
//! writes that came of it to the store as one batch. While that batch is being written the next
//! one gathers, so batches grow with the load and nothing waits for a timer.

mod accepting;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use accepting::{Event, accept};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::durable::{Quotas, READS_IN_WORK_MAX, Read, RequestId, StoreError, Write};
use crate::logic::{Hub, Input, Limits, LinkId, Output, Time, greeting, link_queue_max};
use crate::quic::{self, Listener, Outgoing};
use crate::store::{self, Done, OpenError, Store};
use crate::wire::{CloseCode, FromServer, encode};

/// Events of links that wait for the loop; each is at most what one read brought.
const EVENTS_MAX: usize = 64;
/// Answers of the store that wait for the loop: a batch, and the reads in work.
const ANSWERS_MAX: usize = 8;
/// What a batch that gathers may hold before the loop takes no more from links.
const BATCH_WRITES_MAX: usize = 16_384;
const BATCH_BYTES_MAX: u64 = 16 << 20;
/// Frames from here on go to a link as they are; smaller ones are copied together.
const COPY_LEN_MAX: usize = 4 << 10;
/// How long links have to be told that the server stops.
const FAREWELL: Duration = Duration::from_millis(250);

/// What a server is to be.
pub struct Settings {
    /// Where the store is.
    pub data: PathBuf,
    /// Address, key, secrets of the endpoint.
    pub endpoint: quic::ServerSettings,
    /// What the hub allows.
    pub limits: Limits,
    /// What the store keeps.
    pub quotas: Quotas,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The address cannot be used.
    #[error(transparent)]
    Bind(#[from] quic::BindError),
}

/// Where a store's answers go. Called from the threads of the store.
pub type AnswerSink = Box<dyn Fn(Done) + Send + Sync>;

/// A server that can be reached.
pub struct Server {
    listener: Arc<Listener>,
    store: Store,
    answers: mpsc::Receiver<Done>,
    limits: Limits,
}

impl Server {
    /// Opens the store, then the endpoint. Needs a tokio runtime.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings { data, endpoint, limits, quotas } = settings;
        Self::start_on(&endpoint, limits, |done| store::open(&data, quotas, done))
    }

    /// Starts on a store that `open` makes, whose answers go where it is told.
    pub fn start_on(
        endpoint: &quic::ServerSettings,
        limits: Limits,
        open: impl FnOnce(AnswerSink) -> Result<Store, OpenError>,
    ) -> Result<Self, StartError> {
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        // Nobody listens any more when the loop has ended: then the answer is of no use.
        let store = open(Box::new(move |done| drop(sender.blocking_send(done))))?;
        let listener = Arc::new(Listener::bind(endpoint)?);
        if let Some(quic::UdpBuffers { asked, receive, send }) = listener.buffers() {
            tracing::info!(asked, receive, send, "UDP buffers, in bytes");
        }
        Ok(Self { listener, store, answers, limits })
    }

    /// The address it listens on, its port a real one.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready, then finishes what it has taken and tells everybody. An error
    /// of the store ends it at once, with nothing acknowledged after it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StoreError> {
        let Self { listener, store, mut answers, limits } = self;
        let clock = Clock::start();
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        let queue_max = link_queue_max(&limits);
        let greeting = move || encoded(&greeting(&limits, clock.now()));
        let accepting = tokio::spawn(accept(listener.clone(), greeting, queue_max, sender));
        let mut shell = Shell::new(Hub::new(limits), &store, clock);
        let mut result = shell.serve(&mut events, &mut answers, stop).await;
        accepting.abort();
        shell.farewell().await;
        listener.close().await;
        drop(events);
        let closing = tokio::task::spawn_blocking(|| store.close());
        // To put the log away may fail too. Answers end with the threads of the store.
        while let Some(done) = answers.recv().await {
            if let Done::Failed(error) = done {
                result = Err(error);
            }
        }
        // It has no panic of its own.
        let _ = closing.await;
        result
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy)]
struct Clock {
    start: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now() }
    }

    fn now(self) -> Time {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time { mono_ms: self.start.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as u64 }
    }

    fn at(self, mono_ms: u64) -> tokio::time::Instant {
        (self.start + Duration::from_millis(mono_ms)).into()
    }
}

fn encoded(frame: &FromServer) -> Bytes {
    let mut bytes = BytesMut::new();
    encode(frame, &mut bytes);
    bytes.freeze()
}

/// What the loop holds: the hub, the links, and the work that the store has and will have.
struct Shell<'a> {
    hub: Hub,
    store: &'a Store,
    clock: Clock,
    links: BTreeMap<LinkId, Line>,
    /// Links with something in their buffer.
    touched: Vec<LinkId>,
    batch: Vec<(RequestId, Write)>,
    batch_bytes: u64,
    /// The store is writing a batch.
    writing: bool,
    reads: VecDeque<(RequestId, Read)>,
    reading: usize,
}

/// The way to one link.
struct Line {
    outgoing: mpsc::Sender<Outgoing>,
    /// Small frames that leave together, at the end of a turn of the loop.
    buffer: BytesMut,
}

impl<'a> Shell<'a> {
    fn new(hub: Hub, store: &'a Store, clock: Clock) -> Self {
        Self {
            hub,
            store,
            clock,
            links: BTreeMap::new(),
            touched: Vec::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            writing: false,
            reads: VecDeque::new(),
            reading: 0,
        }
    }

    async fn serve(
        &mut self,
        events: &mut mpsc::Receiver<Event>,
        answers: &mut mpsc::Receiver<Done>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StoreError> {
        let mut stop = pin!(stop);
        let mut stopping = false;
        let mut waiting = Vec::with_capacity(EVENTS_MAX);
        while !(stopping && !self.writing && self.batch.is_empty()) {
            let deadline = self.hub.deadline().map(|at_ms| self.clock.at(at_ms));
            let takes = !stopping
                && self.batch.len() < BATCH_WRITES_MAX
                && self.batch_bytes < BATCH_BYTES_MAX;
            tokio::select! {
                biased;
                () = &mut stop, if !stopping => stopping = true,
                Some(done) = answers.recv() => self.answered(done)?,
                _ = events.recv_many(&mut waiting, EVENTS_MAX), if takes => {
                    for event in waiting.drain(..) {
                        self.happened(event);
                    }
                }
                () = until(deadline), if !stopping => self.feed([Input::Tick]),
            }
            self.flush();
            self.submit();
        }
        Ok(())
    }

    /// Takes what happened at one moment.
    fn feed(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let (now, mut outputs) = (self.clock.now(), Vec::new());
        for input in inputs {
            self.hub.handle(now, input, &mut outputs);
        }
        for output in outputs {
            self.carry_out(output);
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Opened { link, key, outgoing } => {
                self.links.insert(link, Line { outgoing, buffer: BytesMut::new() });
                self.feed([Input::Opened { link, key }]);
            }
            Event::Frames(link, frames) => {
                self.feed(frames.into_iter().map(|frame| Input::Frame { link, frame }));
            }
            Event::Closed(link) => {
                self.links.remove(&link);
                self.feed([Input::Closed { link }]);
            }
        }
    }

    fn answered(&mut self, done: Done) -> Result<(), StoreError> {
        match done {
            Done::Durable(answers) => {
                self.writing = false;
                self.feed([Input::Durable(answers)]);
            }
            Done::Late(answers) => self.feed([Input::Durable(answers)]),
            Done::Found(ticket, found) => {
                self.reading -= 1;
                self.feed([Input::Found(ticket, found)]);
            }
            Done::Failed(error) => return Err(error),
        }
        Ok(())
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Frame { link, frame } => {
                if let Some(line) = self.links.get_mut(&link) {
                    if line.buffer.is_empty() {
                        self.touched.push(link);
                    }
                    encode(&frame, &mut line.buffer);
                }
            }
            Output::Deliver { links, record } => {
                self.share(links, &FromServer::deliver(record.seq, &record.bundle));
            }
            Output::Volatile { links, bundle } => self.share(links, &FromServer::volatile(&bundle)),
            Output::Chunk { links, body } => self.share(links, &FromServer::Chunk(body)),
            Output::Close { link, code } => {
                self.flush_link(link);
                self.pass(link, Outgoing::Close(code));
                self.links.remove(&link);
            }
            Output::Write(ticket, write) => {
                self.batch_bytes += write.len_bytes();
                self.batch.push((ticket, write));
            }
            Output::Read(ticket, read) => self.reads.push_back((ticket, read)),
        }
    }

    fn share(&mut self, links: Vec<LinkId>, frame: &FromServer) {
        let frame = encoded(frame);
        for link in links {
            self.transmit(link, &frame);
        }
    }

    /// Sends an encoded frame that may go to many links: shared when large, copied when small.
    fn transmit(&mut self, link: LinkId, frame: &Bytes) {
        let Some(line) = self.links.get_mut(&link) else { return };
        if frame.len() > COPY_LEN_MAX {
            self.flush_link(link);
            return self.pass(link, Outgoing::Frames(frame.clone()));
        }
        if line.buffer.is_empty() {
            self.touched.push(link);
        }
        line.buffer.extend_from_slice(frame);
    }

    fn flush(&mut self) {
        for link in std::mem::take(&mut self.touched) {
            self.flush_link(link);
        }
    }

    fn flush_link(&mut self, link: LinkId) {
        if let Some(line) = self.links.get_mut(&link)
            && !line.buffer.is_empty()
        {
            let frames = std::mem::take(&mut line.buffer).freeze();
            self.pass(link, Outgoing::Frames(frames));
        }
    }

    /// A full queue is a client that takes nothing: the hub's limits bound what an honest one has.
    fn pass(&mut self, link: LinkId, outgoing: Outgoing) {
        let Some(line) = self.links.get(&link) else { return };
        if line.outgoing.try_send(outgoing).is_err() {
            tracing::debug!(?link, "queue full or link gone");
            self.links.remove(&link);
            self.feed([Input::Closed { link }]);
        }
    }

    /// Gives the store what it can take now: one batch at a time, so many reads at a time.
    fn submit(&mut self) {
        if !self.writing && !self.batch.is_empty() {
            self.writing = true;
            self.batch_bytes = 0;
            self.store.commit(std::mem::take(&mut self.batch));
        }
        while self.reading < READS_IN_WORK_MAX
            && let Some((ticket, read)) = self.reads.pop_front()
        {
            self.reading += 1;
            self.store.read(ticket, read);
        }
    }

    /// Tells every link that the server stops, and gives the words a moment to leave.
    async fn farewell(&mut self) {
        self.flush();
        let links = std::mem::take(&mut self.links);
        for line in links.values() {
            // A link whose queue is full, or that is gone, learns it from its closed connection.
            let _ = line.outgoing.try_send(Outgoing::Close(CloseCode::Stopping));
        }
        let gone = async {
            for line in links.values() {
                line.outgoing.closed().await;
            }
        };
        // Those that take longer learn it from the endpoint.
        let _ = tokio::time::timeout(FAREWELL, gone).await;
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
