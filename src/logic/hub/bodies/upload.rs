//! Long bodies from their senders: each goes chunk by chunk to the store, to the readers of a
//! volatile message, or is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::durable::{NotStored, Upload, Write};
use crate::wire::{Body, Bundle};

use crate::logic::hub::download::VolatileId;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::pending::{PendingAppend, PendingChunk};
use crate::logic::hub::publish::verdict;
use crate::logic::hub::todo::Todo;
use crate::logic::hub::turn::Turn;

/// Long bodies that clients are sending.
#[derive(Default)]
pub(crate) struct Uploads {
    /// Destination of the chunks that come on a link. A link without an entry: chunks are dropped.
    incoming: BTreeMap<LinkId, Incoming>,
    /// Bodies that are being stored and whose senders have no answer yet.
    uploads: BTreeMap<Upload, (LinkId, Arc<Bundle>)>,
}

/// Destination of the chunks of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// The store.
    Upload(Upload),
    /// The readers of a volatile message.
    Volatile(VolatileId),
}

/// A body that its sender has ended early.
pub(crate) enum Aborted {
    /// A body for the store. Its sender has no answer yet.
    Stored(Arc<Bundle>),
    /// A body of a volatile message.
    Volatile(VolatileId),
}

impl Uploads {
    /// Begins to store a long body. Its chunks follow without waiting for answers of the store.
    pub(crate) fn begin(&mut self, turn: &mut Turn, link: LinkId, bundle: Arc<Bundle>) {
        let upload = Upload(turn.new_number());
        self.incoming.insert(link, Incoming::Upload(upload));
        self.uploads.insert(upload, (link, bundle.clone()));
        let write = Write::BeginUpload { upload, bundle };
        turn.write(|pending| &mut pending.begun_uploads, upload, write);
    }

    /// Sends the chunks that come on a link to readers.
    pub(crate) fn expect_volatile(&mut self, link: LinkId, body: VolatileId) {
        self.incoming.insert(link, Incoming::Volatile(body));
    }

    /// Drops the chunks of a body that are still to come.
    pub(crate) fn drop_rest(&mut self, link: LinkId, of: Incoming) {
        if self.incoming.get(&link) == Some(&of) {
            self.incoming.remove(&link);
        }
    }

    /// Takes a chunk from its link. Returns the chunk if it belongs to a volatile body.
    pub(crate) fn receive_chunk(
        &mut self,
        turn: &mut Turn,
        link: LinkId,
        (body, is_last): (Body, bool),
    ) -> Option<(VolatileId, Body)> {
        let incoming = match is_last {
            true => self.incoming.remove(&link),
            false => self.incoming.get(&link).copied(),
        };
        match incoming {
            Some(Incoming::Upload(upload)) => {
                let waiting = PendingChunk { link, upload };
                let write = Write::AppendChunk { upload, body };
                turn.write(|pending| &mut pending.chunks, waiting, write);
                if is_last {
                    self.append(turn, upload);
                }
                None
            }
            Some(Incoming::Volatile(id)) => Some((id, body)),
            None => {
                turn.credit_chunks(link, 1);
                None
            }
        }
    }

    /// Asks the store to append the message of a body: it has all chunks.
    fn append(&mut self, turn: &mut Turn, upload: Upload) {
        let Some((link, bundle)) = self.uploads.get(&upload).cloned() else { return };
        let upload = Some(upload);
        let waiting = PendingAppend { link, bundle: bundle.clone(), upload };
        turn.write(|pending| &mut pending.appends, waiting, Write::Append { bundle, upload });
    }

    /// Ends the body that comes on a link before its last chunk, mostly because its sender has the
    /// answer.
    pub(crate) fn abort(&mut self, turn: &mut Turn, link: LinkId) -> Option<Aborted> {
        match self.incoming.remove(&link)? {
            Incoming::Upload(upload) => {
                let (_, bundle) = self.uploads.remove(&upload)?;
                turn.write_alone(Write::DiscardUpload { upload });
                Some(Aborted::Stored(bundle))
            }
            Incoming::Volatile(body) => Some(Aborted::Volatile(body)),
        }
    }

    /// Takes the store's answer to a chunk. The sender may then send another.
    pub(crate) fn chunk_stored(
        &mut self,
        turn: &mut Turn,
        chunk: &PendingChunk,
        outcome: Result<(), NotStored>,
    ) {
        turn.credit_chunks(chunk.link, 1);
        self.begun(turn, chunk.upload, outcome);
    }

    /// Takes the store's answer to the begin of an upload or to a chunk. After a failure the sender
    /// is answered at once, and the rest of the body is dropped.
    pub(crate) fn begun(
        &mut self,
        turn: &mut Turn,
        upload: Upload,
        outcome: Result<(), NotStored>,
    ) {
        if outcome.is_ok() {
            return;
        }
        let Some((link, bundle)) = self.uploads.remove(&upload) else { return };
        self.drop_rest(link, Incoming::Upload(upload));
        let frame = verdict(&bundle, outcome);
        turn.note(Todo::Answer { link, bundle, frame });
    }

    /// Ends an upload once the store has answered the append. Returns `false` if the sender was
    /// already told of a failure.
    pub(crate) fn end(&mut self, upload: Upload) -> bool {
        self.uploads.remove(&upload).is_some()
    }
}
