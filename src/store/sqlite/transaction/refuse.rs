//! Answers to a batch for which there is no room. Messages that are already stored are reported as
//! duplicates: a client that sends one again must not hear that it was not stored.

use super::Transaction;
use crate::durable::{
    AppendOutcome, Claimed, DiskFull, NotClaimed, NotStored, Outcome, RoomNotJoined, RoomNotLeft,
    Swept, Write,
};
use crate::store::sqlite::names::owner;
use crate::wire::Message;

impl Transaction<'_> {
    /// Returns the answer to a write, without carrying it out. Writes nothing.
    pub(in crate::store::sqlite) fn refuse(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        Ok(match write {
            Write::Claim { id, key, .. } => {
                let same = owner(self.db, id)? == Some(*key);
                let known = Ok(Claimed { new: false });
                Outcome::Claim(if same { known } else { Err(NotClaimed::DiskFull) })
            }
            Write::Invite { .. } => Outcome::Invite(Err(DiskFull)),
            Write::Append { bundle, .. } => {
                let each = bundle.messages();
                let each = each.map(|message| self.refuse_message(&message).map(Err));
                Outcome::Append(AppendOutcome::try_join(each)?)
            }
            Write::BeginUpload { bundle, .. } => {
                Outcome::BeginUpload(Err(self.refuse_message(&bundle.first)?))
            }
            Write::AppendChunk { .. } => Outcome::AppendChunk(Err(DiskFull)),
            Write::DiscardUpload { .. } => Outcome::DiscardUpload,
            Write::Ack { .. } => Outcome::Ack,
            Write::Schedule { message, .. } => {
                Outcome::Schedule(Err(self.refuse_message(message)?))
            }
            Write::ReleaseDue { .. } => Outcome::ReleaseDue(Err(DiskFull)),
            Write::TakeParked { .. } => Outcome::TakeParked(Err(DiskFull)),
            Write::JoinRoom { .. } => Outcome::JoinRoom(Err(RoomNotJoined::DiskFull)),
            Write::LeaveRoom { .. } => Outcome::LeaveRoom(Err(RoomNotLeft::DiskFull)),
            Write::Sweep { .. } => Outcome::Sweep(Swept { more: false }),
        })
    }

    fn refuse_message(&mut self, message: &Message) -> rusqlite::Result<NotStored> {
        let sender = self.names.user(self.db, &message.from)?;
        let before = sender.map_or(Ok(false), |sender| self.has_sent(sender, message))?;
        Ok(if before { NotStored::Duplicate } else { NotStored::DiskFull })
    }
}
