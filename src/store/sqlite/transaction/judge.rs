//! Dispositions of messages, stored with the acks that bring them.

use super::Transaction;
use crate::durable::{Disposition, Quotas};
use crate::store::sqlite::cursor::{cursor, is_past};
use crate::store::sqlite::dispositions::put;
use crate::store::sqlite::numbers::{LogNo, UserNo};
use crate::wire::{Seq, Target};

impl Transaction<'_> {
    /// Stores a user's dispositions of messages that were not acked before. Ignores all of a room
    /// that the user has left. For a user who has left and come back, earlier messages count as
    /// acked, so a disposition that was under way meanwhile is ignored too.
    pub(super) fn judge(
        &mut self,
        user: UserNo,
        (no, log): (LogNo, &Target),
        verdicts: &[(Seq, Disposition, u64)],
    ) -> rusqlite::Result<()> {
        let before = cursor(self.db, user, no)?;
        if no.is_room() && before.is_none() {
            return Ok(());
        }
        let moved = self.cursors.get(&(user, no)).cloned();
        let dealt_with = |seq| [&before, &moved].into_iter().flatten().any(|at| is_past(at, seq));
        for (seq, verdict, time_ms) in verdicts.iter().filter(|(seq, ..)| !dealt_with(*seq)) {
            let until_ms = time_ms.saturating_add(keep_ms(no, self.quotas));
            let new = put(self.db, (*seq, user), verdict, *time_ms, until_ms)?;
            if let (true, Disposition::Rejected { attempts, reason }) = (new, verdict) {
                self.bury(user, (no, log, *seq), (*attempts, reason, *time_ms))?;
            }
        }
        Ok(())
    }
}

/// Returns the time for which a disposition is kept: as long as its message may be stored. A
/// message in a user's log has one reader; in a room it may be kept for other readers.
fn keep_ms(no: LogNo, quotas: &Quotas) -> u64 {
    let &Quotas { keep_processed_ms, keep_unprocessed_ms, .. } = quotas;
    if no.is_own() { keep_processed_ms } else { keep_processed_ms.max(keep_unprocessed_ms) }
}
