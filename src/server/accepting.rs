//! Links as they come: each is made, and reads, in a task of its own.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::logic::LinkId;
use crate::quic::{Listener, Outgoing};
use crate::wire::{FromClient, Pin};

/// What links tell the loop.
pub(super) enum Event {
    Opened { link: LinkId, key: Pin, outgoing: mpsc::Sender<Outgoing> },
    Frames(LinkId, Vec<FromClient>),
    Closed(LinkId),
}

/// Takes clients until the listener closes. `greeting` is what each is told first.
pub(super) async fn accept(
    listener: Arc<Listener>,
    greeting: impl Fn() -> Bytes,
    queue_max: usize,
    events: mpsc::Sender<Event>,
) {
    let mut next = 0;
    while let Some(incoming) = listener.accept().await {
        let link = LinkId(next);
        next += 1;
        let greeting = greeting();
        let events = events.clone();
        // The handshake takes its time in its own task: others are accepted meanwhile.
        tokio::spawn(async move {
            let connection = match incoming.establish(greeting).await {
                Ok(connection) => connection,
                Err(error) => return tracing::debug!(%error, "no link"),
            };
            let (key, remote) = (connection.pin(), connection.remote_address());
            let (outgoing, queue) = mpsc::channel(queue_max);
            if events.send(Event::Opened { link, key, outgoing }).await.is_err() {
                return;
            }
            tracing::debug!(?link, %remote, %key, "link");
            let end =
                connection.run(queue, events.clone(), |frames| Event::Frames(link, frames)).await;
            tracing::debug!(?link, ?end, "link ended");
            // The loop may be gone, and then it needs no telling.
            let _ = events.send(Event::Closed(link)).await;
        });
    }
}
