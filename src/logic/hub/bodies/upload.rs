//! Long bodies on their way in: chunk by chunk to the store, to those who read now, or nowhere.

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

/// The long bodies that clients are sending.
#[derive(Default)]
pub(crate) struct Uploads {
    /// Where the chunks go that come on a link. No entry: nowhere.
    incoming: BTreeMap<LinkId, Incoming>,
    /// Bodies being stored whose senders were not answered.
    uploads: BTreeMap<Upload, (LinkId, Arc<Bundle>)>,
}

/// Where the chunks of a body go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// To the store.
    Upload(Upload),
    /// To readers.
    Volatile(VolatileId),
}

/// A body that its sender has ended early.
pub(crate) enum Aborted {
    /// A body for the store. The sender of its message was not answered.
    Stored(Arc<Bundle>),
    /// A volatile one.
    Volatile(VolatileId),
}

impl Uploads {
    /// Begins to store a long body. Its chunks follow without waiting for the answers.
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

    /// Drops the chunks that still come of a body.
    pub(crate) fn drop_rest(&mut self, link: LinkId, of: Incoming) {
        if self.incoming.get(&link) == Some(&of) {
            self.incoming.remove(&link);
        }
    }

    /// Takes a chunk. Returns it if it is of a volatile body.
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

    /// All chunks of a body are with the store: its message may be appended.
    fn append(&mut self, turn: &mut Turn, upload: Upload) {
        let Some((link, bundle)) = self.uploads.get(&upload).cloned() else { return };
        let upload = Some(upload);
        let waiting = PendingAppend { link, bundle: bundle.clone(), upload };
        turn.write(|pending| &mut pending.appends, waiting, Write::Append { bundle, upload });
    }

    /// Ends the body that comes on a link early, most often because its sender has the answer.
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

    /// Takes the answer to a chunk of a body that comes on a link, which makes room for another.
    pub(crate) fn chunk_stored(
        &mut self,
        turn: &mut Turn,
        chunk: &PendingChunk,
        outcome: Result<(), NotStored>,
    ) {
        turn.credit_chunks(chunk.link, 1);
        self.begun(turn, chunk.upload, outcome);
    }

    /// Takes the answer of the store whether it takes a body. If not the sender is told at once,
    /// and the rest of the body is dropped.
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

    /// Ends an upload whose message was appended, or was not. `false`: its sender was told before
    /// that it is refused.
    pub(crate) fn end(&mut self, upload: Upload) -> bool {
        self.uploads.remove(&upload).is_some()
    }
}
