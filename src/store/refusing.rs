//! What is answered to a batch for which there is no room: that, but for what is there already.
//!
//! Who sends again, not having heard that it was stored, must not be told that it was not.

use super::batch::{Batch, each, owner};
use crate::durable::{Outcome, Write};
use crate::wire::Message;

impl Batch<'_> {
    /// The answer to a write that is not carried out. Writes nothing.
    pub(super) fn refuse(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        match write {
            Write::Append { bundle, .. } => {
                each(bundle.messages(), |message| self.refuse_message(&message))
            }
            Write::BeginUpload { bundle, .. } => self.refuse_message(&bundle.first),
            Write::Schedule { message, .. } => self.refuse_message(message),
            Write::Claim { id, key, .. } if owner(self.db, id)? == Some(*key) => {
                Ok(Outcome::Claimed { new: false })
            }
            _ => Ok(Outcome::DiskFull),
        }
    }

    fn refuse_message(&mut self, message: &Message) -> rusqlite::Result<Outcome> {
        let sender = self.names.user(self.db, &message.from)?;
        let before = sender.map_or(Ok(false), |sender| self.has_sent(sender, message))?;
        Ok(if before { Outcome::Duplicate } else { Outcome::DiskFull })
    }
}
