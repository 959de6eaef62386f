//! The life of a server: start, run, stop.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::durable::StoreError;
use crate::logic::{Hub, Limits, greeting, link_queue_max};
use crate::quic::{self, Listener};
use crate::server::accept::accept;
use crate::server::clock::ServerClock;
use crate::server::error::StartError;
use crate::server::event_loop::ServerLoop;
use crate::server::limits::{ANSWERS_MAX, EVENTS_MAX};
use crate::server::links::encoded;
use crate::server::settings::Settings;
use crate::store::{self, Done, OpenError, Store};

/// Receiver of a store's answers. Called from the threads of the store.
pub type AnswerSink = Box<dyn Fn(Done) + Send + Sync>;

/// A server whose address is bound and whose store is open.
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

    /// Starts with the store that `open` makes, which sends its answers to the given sink.
    pub fn start_on(
        endpoint: &quic::ServerSettings,
        limits: Limits,
        open: impl FnOnce(AnswerSink) -> Result<Store, OpenError>,
    ) -> Result<Self, StartError> {
        let (sender, answers) = mpsc::channel(ANSWERS_MAX);
        // Sending fails only when the loop has ended, and then nobody needs the answer.
        let store = open(Box::new(move |done| drop(sender.blocking_send(done))))?;
        let listener = Arc::new(Listener::bind(endpoint)?);
        if let Some(quic::UdpBuffers { asked, receive, send }) = listener.buffers() {
            tracing::info!(asked, receive, send, "UDP buffers, in bytes");
        }
        Ok(Self { listener, store, answers, limits })
    }

    /// The address it listens on. Its port is never 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready, then finishes the writes it has begun and closes every link.
    /// An error of the store ends it at once, and nothing is acknowledged after it.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), StoreError> {
        let Self { listener, store, mut answers, limits } = self;
        let clock = ServerClock::start();
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        let queue_max = link_queue_max(&limits);
        let greeting = move || encoded(&greeting(&limits, clock.now()));
        let accepting = tokio::spawn(accept(listener.clone(), greeting, queue_max, sender));
        let mut server_loop = ServerLoop::new(Hub::new(limits), &store, clock);
        let mut result = server_loop.serve(&mut events, &mut answers, stop).await;
        accepting.abort();
        server_loop.say_farewell().await;
        listener.close().await;
        drop(events);
        let closing = tokio::task::spawn_blocking(|| store.close());
        // Closing the write-ahead log may fail too. Answers end with the threads of the store.
        while let Some(done) = answers.recv().await {
            if let Done::Failed(error) = done {
                result = Err(error);
            }
        }
        // Closing does not panic: a panic in a thread of the store came as `Failed`.
        let _ = closing.await;
        result
    }
}
