//! Accepted connections: a task for each shakes hands, and then carries its frames.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::logic::LinkId;
use crate::quic::{Listener, Outgoing};
use crate::wire::{FromClient, Pin};

/// Something that a link's task reports to the loop.
pub(super) enum ServerEvent {
    Opened { link: LinkId, key: Pin, outgoing: mpsc::Sender<Outgoing> },
    Frames(LinkId, Vec<FromClient>),
    Closed(LinkId),
}

/// Accepts clients until the listener closes. Each gets `greeting()` as its first frame, and a
/// queue for `queue_max` pieces.
pub(super) async fn accept(
    listener: Arc<Listener>,
    greeting: impl Fn() -> Bytes,
    queue_max: usize,
    events: mpsc::Sender<ServerEvent>,
) {
    let mut number = 0;
    while let Some(incoming) = listener.accept().await {
        let link = LinkId(number);
        number += 1;
        let greeting = greeting();
        let events = events.clone();
        // A slow handshake holds nobody up: each has a task of its own.
        tokio::spawn(async move {
            let connection = match incoming.establish(greeting).await {
                Ok(connection) => connection,
                Err(error) => return tracing::debug!(%error, "no link"),
            };
            let (key, remote) = (connection.pin(), connection.remote_address());
            let (outgoing, queue) = mpsc::channel(queue_max);
            if events.send(ServerEvent::Opened { link, key, outgoing }).await.is_err() {
                return;
            }
            tracing::debug!(?link, %remote, %key, "link");
            let wrap = |frames| ServerEvent::Frames(link, frames);
            let end = connection.run(queue, events.clone(), wrap).await;
            tracing::debug!(?link, ?end, "link ended");
            // The loop may have ended before.
            let _ = events.send(ServerEvent::Closed(link)).await;
        });
    }
}
