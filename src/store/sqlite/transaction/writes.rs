//! Each kind of write, carried out.

use super::Transaction;
use super::sweep;
use crate::durable::{
    AppendOutcome, Claimed, MessageOutcome, NotClaimed, NotStored, Outcome, Swept, Upload, Write,
};
use crate::store::limits::CHUNKS_REMOVED_MAX;
use crate::store::sqlite::names::owner;
use crate::store::sqlite::numbers::{LogNo, UserNo};
use crate::store::sqlite::record::{Long, chunk_count};
use crate::store::sqlite::sql::{Num, execute};
use crate::store::sqlite::{bodies, codes};
use crate::wire::{Bundle, JoinCode, Message, Pin, UserId};

impl Transaction<'_> {
    /// Carries out one write.
    pub(in crate::store::sqlite) fn write(&mut self, write: &Write) -> rusqlite::Result<Outcome> {
        match write {
            Write::Claim { id, key, code_needed, code, now_ms } => {
                let claimed = self.claim(id, *key, *code_needed, code.as_ref(), *now_ms)?;
                Ok(Outcome::Claim(claimed))
            }
            Write::Invite { code, expires_ms } => {
                codes::add(self.db, code, *expires_ms)?;
                Ok(Outcome::Invite(Ok(())))
            }
            Write::Append { bundle, upload } => Ok(Outcome::Append(self.append(bundle, *upload)?)),
            Write::BeginUpload { upload, bundle } => {
                Ok(Outcome::BeginUpload(self.begin(*upload, &bundle.first)?))
            }
            Write::AppendChunk { upload, body } => {
                self.note_chunk();
                bodies::put(self.db, *upload, body)?;
                Ok(Outcome::AppendChunk(Ok(())))
            }
            Write::DiscardUpload { upload } => {
                bodies::discard(self.db, *upload)?;
                Ok(Outcome::DiscardUpload)
            }
            Write::Ack { user, log, cursor, messages, bytes, verdicts } => {
                self.settle(user, log, cursor, (*messages, *bytes), verdicts)?;
                Ok(Outcome::Ack)
            }
            Write::JoinRoom { user, room } => Ok(Outcome::JoinRoom(self.enter(user, room)?)),
            Write::LeaveRoom { user, room } => Ok(Outcome::LeaveRoom(self.leave(user, room)?)),
            Write::Sweep { now_ms } => Ok(Outcome::Sweep(self.sweep(*now_ms)?)),
            Write::Schedule { message, due_ms } => {
                Ok(Outcome::Schedule(self.schedule(message, *due_ms)?))
            }
            Write::ReleaseDue { now_ms } => Ok(Outcome::ReleaseDue(Ok(self.release(*now_ms)?))),
            Write::TakeParked { user, drawer, id, back, now_ms } => {
                let taken = self.withdraw(user, *drawer, *id, back.then_some(*now_ms))?;
                Ok(Outcome::TakeParked(Ok(taken)))
            }
        }
    }

    fn claim(
        &mut self,
        id: &UserId,
        key: Pin,
        code_needed: bool,
        code: Option<&JoinCode>,
        now_ms: u64,
    ) -> rusqlite::Result<Result<Claimed, NotClaimed>> {
        if let Some(owner) = owner(self.db, id)? {
            let same = owner == key;
            return Ok(if same { Ok(Claimed { new: false }) } else { Err(NotClaimed::Taken) });
        }
        if code_needed && code.is_none() {
            return Ok(Err(NotClaimed::CodeNeeded));
        }
        if self.highest("SELECT max(no) FROM user")? >= self.quotas.users_max {
            return Ok(Err(NotClaimed::Full));
        }
        if let Some(code) = code {
            let is_good = codes::spend(self.db, code, now_ms)?;
            if code_needed && !is_good {
                return Ok(Err(NotClaimed::CodeBad));
            }
        }
        let all = self.tail.log(self.db, LogNo::ALL)?;
        const SQL: &str =
            "INSERT INTO user (id, key, since_seq, since_ordinal) VALUES (?1, ?2, ?3, ?4)";
        let since = (Num(all.last_seq), Num(all.last_ordinal));
        execute(self.db, SQL, (id.as_str(), key.0, since.0, since.1))?;
        Ok(Ok(Claimed { new: true }))
    }

    fn begin(
        &mut self,
        upload: Upload,
        message: &Message,
    ) -> rusqlite::Result<Result<(), NotStored>> {
        let db = self.db;
        let sender = self.names.user(db, &message.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &message.to)?) else {
            return Ok(Err(self.names.missing(db, &message.to)?.into()));
        };
        if self.has_sent(sender, message)? {
            return Ok(Err(NotStored::Duplicate));
        }
        if !self.admits(no, message)? {
            return Ok(Err(NotStored::Full));
        }
        self.note_chunk();
        let begun = bodies::begin(db, upload, message)?;
        Ok(if begun { Ok(()) } else { Err(NotStored::DiskFull) })
    }

    fn append(
        &mut self,
        bundle: &Bundle,
        upload: Option<Upload>,
    ) -> rusqlite::Result<AppendOutcome> {
        let Some(long) = bodies::finish(self.db, upload, &bundle.first)? else {
            // Chunks are missing; for example, one of them found no room.
            return Ok(AppendOutcome::All(Err(NotStored::DiskFull)));
        };
        let outcome = self.append_all(bundle, long)?;
        if let (Some(long), false) = (long, matches!(outcome, AppendOutcome::All(Ok(_)))) {
            bodies::loosen(self.db, long.first, chunk_count(long))?;
        }
        Ok(outcome)
    }

    fn append_all(
        &mut self,
        bundle: &Bundle,
        long: Option<Long>,
    ) -> rusqlite::Result<AppendOutcome> {
        let (db, first) = (self.db, &bundle.first);
        let sender = self.names.user(db, &first.from)?;
        let (Some(sender), Some(no)) = (sender, self.names.log(db, &first.to)?) else {
            let missing = self.names.missing(db, &first.to)?;
            return Ok(AppendOutcome::All(Err(missing.into())));
        };
        let each = bundle.messages().map(|message| self.append_one((sender, no), &message, long));
        AppendOutcome::try_join(each)
    }

    fn append_one(
        &mut self,
        (sender, no): (UserNo, LogNo),
        message: &Message,
        long: Option<Long>,
    ) -> rusqlite::Result<MessageOutcome> {
        if !self.admits(no, message)? {
            let before = self.has_sent(sender, message)?;
            return Ok(Err(if before { NotStored::Duplicate } else { NotStored::Full }));
        }
        if !self.note_sent(sender, message)? {
            return Ok(Err(NotStored::Duplicate));
        }
        self.put((sender, no), message, long).map(Ok)
    }

    fn sweep(&mut self, now_ms: u64) -> rusqlite::Result<Swept> {
        // Chunks that became loose earlier are removed first, so that they do not pile up.
        if bodies::remove(self.db, CHUNKS_REMOVED_MAX)? {
            return Ok(Swept { more: true });
        }
        self.write_cursors()?;
        self.write_messages()?;
        let (after, more) = sweep::sweep(self, self.sweep_after(), now_ms)?;
        self.end_sweep(after);
        let more = bodies::remove(self.db, CHUNKS_REMOVED_MAX)? || more;
        Ok(Swept { more })
    }
}
