//! Links as the loop writes to them: a bounded queue each, and a buffer for the frames of a turn.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::logic::LinkId;
use crate::quic::Outgoing;
use crate::server::limits::{COPY_LEN_MAX, FAREWELL};
use crate::wire::{CloseCode, FromServer, encode};

/// Every link there is. Nothing is sent on a link that is gone.
#[derive(Default)]
pub(super) struct Links {
    open: BTreeMap<LinkId, LinkQueue>,
    /// Links with something in their buffer, some of them twice.
    touched: Vec<LinkId>,
    /// Links dropped because their queue was full or their task had ended. The hub is to know.
    lost: Vec<LinkId>,
}

/// The way to one link.
struct LinkQueue {
    outgoing: mpsc::Sender<Outgoing>,
    /// Small frames that leave together, at the end of a turn.
    buffer: BytesMut,
}

impl Links {
    pub(super) fn open(&mut self, link: LinkId, outgoing: mpsc::Sender<Outgoing>) {
        self.open.insert(link, LinkQueue { outgoing, buffer: BytesMut::new() });
    }

    pub(super) fn forget(&mut self, link: LinkId) {
        self.open.remove(&link);
    }

    pub(super) fn send(&mut self, link: LinkId, frame: &FromServer) {
        if let Some(buffer) = self.buffer(link) {
            encode(frame, buffer);
        }
    }

    /// Sends a frame to many links, encoded once: shared when large, copied when small.
    pub(super) fn send_to_all(&mut self, links: Vec<LinkId>, frame: &FromServer) {
        let frame = encoded(frame);
        for link in links {
            if frame.len() > COPY_LEN_MAX {
                self.flush_link(link);
                self.enqueue(link, Outgoing::Frames(frame.clone()));
            } else if let Some(buffer) = self.buffer(link) {
                buffer.extend_from_slice(&frame);
            }
        }
    }

    /// Closes a link behind everything that was sent on it.
    pub(super) fn close(&mut self, link: LinkId, code: CloseCode) {
        self.flush_link(link);
        self.enqueue(link, Outgoing::Close(code));
        self.open.remove(&link);
    }

    /// Moves the frames of this turn from the buffers to the queues.
    pub(super) fn flush(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        for link in touched.drain(..) {
            self.flush_link(link);
        }
        self.touched = touched;
    }

    /// Returns a link that was lost, each once.
    pub(super) fn pop_lost(&mut self) -> Option<LinkId> {
        self.lost.pop()
    }

    /// Tells every link that the server stops, and waits up to [`FAREWELL`] for their tasks to end.
    pub(super) async fn say_farewell(mut self) {
        self.flush();
        for queue in self.open.values() {
            // A link whose queue is full, or that is gone, learns it from its closed connection.
            let _ = queue.outgoing.try_send(Outgoing::Close(CloseCode::Stopping));
        }
        let all_gone = async {
            for queue in self.open.values() {
                queue.outgoing.closed().await;
            }
        };
        // Those that take longer learn it when the endpoint closes.
        let _ = timeout(FAREWELL, all_gone).await;
    }

    /// The buffer of a link, which the next flush empties.
    fn buffer(&mut self, link: LinkId) -> Option<&mut BytesMut> {
        let buffer = &mut self.open.get_mut(&link)?.buffer;
        if buffer.is_empty() {
            self.touched.push(link);
        }
        Some(buffer)
    }

    fn flush_link(&mut self, link: LinkId) {
        if let Some(queue) = self.open.get_mut(&link)
            && !queue.buffer.is_empty()
        {
            let frames = std::mem::take(&mut queue.buffer).freeze();
            self.enqueue(link, Outgoing::Frames(frames));
        }
    }

    /// Puts something into a link's queue. The queue has room for all that a client can have asked
    /// for within the hub's limits, so one whose queue is full does not read, and loses its link.
    fn enqueue(&mut self, link: LinkId, outgoing: Outgoing) {
        let Some(queue) = self.open.get(&link) else { return };
        if queue.outgoing.try_send(outgoing).is_err() {
            tracing::debug!(?link, "queue full or link gone");
            self.open.remove(&link);
            self.lost.push(link);
        }
    }
}

pub(super) fn encoded(frame: &FromServer) -> Bytes {
    let mut bytes = BytesMut::new();
    encode(frame, &mut bytes);
    bytes.freeze()
}
