//! Messages that are kept in the spool because no server could be reached.

use anyhow::Result;

use crate::failure::{Exit, Failure};
use crate::outgoing::tracker::{SendTracker, SentMessage};
use crate::spool::deliver::Spool;
use crate::spool::file::Spooled;
use crate::wire::MsgId;

impl SendTracker<'_> {
    /// Writes unanswered messages to the spool, in the order of the input.
    pub(crate) fn spool_unanswered(&mut self, spool: &Spool<'_>) -> Result<()> {
        let mut unanswered: Vec<(&MsgId, &SentMessage)> = self.unanswered.iter().collect();
        // Ids made from a key are in no order.
        unanswered.sort_by_key(|(_, sent)| sent.number);
        let messages =
            unanswered.into_iter().map(|(id, SentMessage { to, content, .. })| Spooled {
                id: *id,
                to: to.clone(),
                headers: self.headers_of(content),
                due_ms: self.due_ms(),
                content: content.clone(),
                is_cuttable: false,
            });
        let messages: Vec<Spooled> = messages.collect();
        let (count, result) = spool.keep(&messages);
        for Spooled { id, .. } in messages.into_iter().take(count) {
            let Some(SentMessage { number, to, .. }) = self.answered(id) else { continue };
            self.spooled.insert(id);
            self.print(id, number, &to, &[("state", "spooled".into())]);
        }
        result
    }

    pub(crate) fn has_spooled(&self) -> bool {
        !self.spooled.is_empty()
    }

    /// Counts spooled messages again: some may have been sent meanwhile, or set aside.
    pub(crate) fn recount_spooled(&mut self, spool: &Spool<'_>) -> Result<()> {
        if !self.has_spooled() {
            return Ok(());
        }
        let (waiting, aside) = spool.ids()?;
        for id in std::mem::take(&mut self.spooled) {
            if waiting.contains(&id) {
                self.spooled.insert(id);
            } else if aside.contains(&id) {
                let failure = Failure::new(Exit::Data, "a message was set aside in the spool");
                self.count_failure(failure.hint("qmsg spool list tells why").into());
            } else {
                self.accepted += 1;
            }
        }
        Ok(())
    }

    /// Notes the messages that were accepted or kept before an error.
    pub(crate) fn note_accepted(&mut self) {
        for (count, what) in [(self.accepted, "accepted"), (self.spooled.len() as u64, "kept")] {
            if count > 0 {
                self.note(&format!("{count} messages were {what} before"));
            }
        }
    }
}
