//! Long bodies on their way in: part by part to the disk, to those who read now, or nowhere.

use std::sync::Arc;

use crate::durable::{DiskFull, NotStored, Upload, Write};
use crate::wire::{Body, Bundle, FromServer, Message};

use super::answers::verdict;
use super::io::{LinkId, Output};
use super::pending::{PendingAppend, PendingChunk};
use super::relaying::VolatileId;
use super::router::Hub;

/// Where the parts of a body go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    /// To the store.
    Upload(Upload),
    /// To readers.
    VolatileId(VolatileId),
    /// Nobody needs them: the sender has its answer and will hear it.
    Nowhere,
}

impl Hub {
    /// Begins to store a long body. Its parts follow without waiting for the answers.
    pub(super) fn begin_upload(
        &mut self,
        link: LinkId,
        bundle: Arc<Bundle>,
        out: &mut Vec<Output>,
    ) {
        let upload = Upload(self.name());
        self.aim(link, Incoming::Upload(upload));
        self.uploads.insert(upload, (link, bundle.clone()));
        let ticket = self.ask(|pending| &mut pending.begun_uploads, upload);
        out.push(Output::Write(ticket, Write::BeginUpload { upload, bundle }));
    }

    /// What comes of a message's body, if more of it comes, is of no use.
    pub(super) fn swallow(&mut self, link: LinkId, message: &Message) {
        if message.is_long() {
            self.aim(link, Incoming::Nowhere);
        }
    }

    /// Says where the parts that come on a link go.
    pub(super) fn aim(&mut self, link: LinkId, incoming: Incoming) {
        if let Some(link) = self.links.get_mut(&link) {
            link.incoming = Some(incoming);
        }
    }

    /// What was on its way there goes nowhere.
    pub(super) fn divert(&mut self, link: LinkId, from: Incoming) {
        if let Some(link) = self.links.get_mut(&link)
            && link.incoming == Some(from)
        {
            link.incoming = Some(Incoming::Nowhere);
        }
    }

    /// A part has come, which the link's bodies allow.
    pub(super) fn part(&mut self, id: LinkId, body: Body, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let last = !link.bodies.is_partial();
        let incoming = if last { link.incoming.take() } else { link.incoming };
        match incoming {
            Some(Incoming::Upload(upload)) => {
                let chunk = PendingChunk { link: id, upload };
                let ticket = self.ask(|pending| &mut pending.chunks, chunk);
                out.push(Output::Write(ticket, Write::AppendChunk { upload, body }));
                if last {
                    self.end_upload(upload, out);
                }
            }
            Some(Incoming::VolatileId(passage)) => self.relay_part(passage, body, last, out),
            Some(Incoming::Nowhere) | None => self.allow(id, 1),
        }
    }

    fn end_upload(&mut self, upload: Upload, out: &mut Vec<Output>) {
        let Some((link, bundle)) = self.uploads.get(&upload).cloned() else { return };
        let append = PendingAppend { link, bundle: bundle.clone(), upload: Some(upload) };
        let ticket = self.ask(|pending| &mut pending.appends, append);
        out.push(Output::Write(ticket, Write::Append { bundle, upload: Some(upload) }));
    }

    /// A sender ends its body early, most often because it has its answer.
    pub(super) fn cut(&mut self, id: LinkId, out: &mut Vec<Output>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let incoming = link.incoming.take();
        if let Some(bundle) = self.abandon(incoming, out)
            && let Some(link) = self.links.get_mut(&id)
        {
            link.answered(&bundle);
        }
    }

    /// The rest of a body does not come. Its message, if it was not answered.
    pub(super) fn abandon(
        &mut self,
        incoming: Option<Incoming>,
        out: &mut Vec<Output>,
    ) -> Option<Arc<Bundle>> {
        match incoming? {
            Incoming::Upload(upload) => {
                let (_, bundle) = self.uploads.remove(&upload)?;
                let ticket = self.request();
                out.push(Output::Write(ticket, Write::DiscardUpload { upload }));
                Some(bundle)
            }
            Incoming::VolatileId(passage) => self.cut_relay(passage, out),
            Incoming::Nowhere => None,
        }
    }

    /// The store has said whether it takes a long body.
    pub(super) fn begun(
        &mut self,
        upload: Upload,
        outcome: Result<(), NotStored>,
        out: &mut Vec<Output>,
    ) {
        if let Err(why) = outcome {
            self.turn_down(upload, why, out);
        }
    }

    /// The store has a part, which makes room for another.
    pub(super) fn part_stored(
        &mut self,
        link: LinkId,
        upload: Upload,
        outcome: Result<(), DiskFull>,
        out: &mut Vec<Output>,
    ) {
        self.allow(link, 1);
        self.begun(upload, outcome.map_err(NotStored::from), out);
    }

    /// The sender is told at once; what still comes of the body goes nowhere.
    fn turn_down(&mut self, upload: Upload, why: NotStored, out: &mut Vec<Output>) {
        let Some((link, bundle)) = self.uploads.remove(&upload) else { return };
        self.divert(link, Incoming::Upload(upload));
        self.answer(link, &bundle, verdict(&bundle, Err(why)), out);
    }

    /// A link may send so many parts more. It is told at the end of the turn.
    pub(super) fn allow(&mut self, link: LinkId, parts: u32) {
        *self.allowed.entry(link).or_default() += parts;
    }

    /// Tells those who may send more parts.
    pub(super) fn allow_more(&mut self, out: &mut Vec<Output>) {
        while let Some((id, parts)) = self.allowed.pop_first() {
            if let Some(link) = self.links.get_mut(&id)
                && parts > 0
            {
                link.parts_in = link.parts_in.saturating_sub(parts);
                out.push(Output::Frame { link: id, frame: FromServer::ChunkCredit { parts } });
            }
        }
    }
}
