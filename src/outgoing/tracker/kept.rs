//! Messages that found no server, and wait in the spool.

use anyhow::Result;

use crate::failure::{Exit, Failure};
use crate::outgoing::tracker::{SendTracker, SentMessage};
use crate::spool::deliver::Spool;
use crate::spool::file::Spooled;
use crate::wire::MsgId;

impl SendTracker<'_> {
    /// Puts what is not answered into the spool, in its order.
    pub(crate) fn keep(&mut self, spool: &Spool<'_>) -> Result<()> {
        let mut unanswered: Vec<(&MsgId, &SentMessage)> = self.unanswered.iter().collect();
        // Ids made of a key tell no order.
        unanswered.sort_by_key(|(_, sent)| sent.number);
        let parcels = unanswered.into_iter().map(|(id, SentMessage { to, content, .. })| Spooled {
            id: *id,
            to: to.clone(),
            headers: self.headers_of(content),
            due_ms: self.due_ms(),
            content: content.clone(),
            is_cuttable: false,
        });
        let parcels: Vec<Spooled> = parcels.collect();
        let (count, result) = spool.keep(&parcels);
        for Spooled { id, .. } in parcels.into_iter().take(count) {
            let Some(SentMessage { number, to, .. }) = self.answered(id) else { continue };
            self.kept.insert(id);
            self.print(id, number, &to, &[("state", "spooled".into())]);
        }
        result
    }

    pub(crate) fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Some of what was kept may have been sent from the spool meanwhile, or been set aside there.
    pub(crate) fn look_into(&mut self, spool: &Spool<'_>) -> Result<()> {
        if !self.has_kept() {
            return Ok(());
        }
        let (waiting, aside) = spool.ids()?;
        for id in std::mem::take(&mut self.kept) {
            if waiting.contains(&id) {
                self.kept.insert(id);
            } else if aside.contains(&id) {
                let failure = Failure::new(Exit::Data, "a message was set aside in the spool");
                self.failed(failure.hint("qmsg spool list tells why").into());
            } else {
                self.accepted += 1;
            }
        }
        Ok(())
    }

    /// For an end in the middle.
    pub(crate) fn note_accepted(&mut self) {
        for (count, what) in [(self.accepted, "accepted"), (self.kept.len() as u64, "kept")] {
            if count > 0 {
                self.note(&format!("{count} messages were {what} before"));
            }
        }
    }
}
