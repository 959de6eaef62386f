//! Acks in the model store: cursors that move, and messages that expired unread.

use qmsg::durable::{Disposition, Record, StoredCursor};
use qmsg::wire::{Seq, Target, UserId};

use super::MemoryStore;
use super::ranges::{check_stretches, done, has};

impl MemoryStore {
    /// Moves a cursor. Returns false if the cursor does not exist: leaving a room ends the cursor,
    /// and a later membership has another.
    pub(super) fn settle(
        &mut self,
        user: &UserId,
        log: &Target,
        cursor: &StoredCursor,
        messages: u64,
    ) -> bool {
        let key = (user.clone(), log.clone());
        let Some(before) = self.cursors.get_mut(&key) else { return false };
        check_stretches(cursor, self.owed.values().map(|(record, _)| record), log);
        if cursor.through >= before.through {
            let kept = |seq: &Seq| *seq <= cursor.through || has(&cursor.above, *seq);
            let known = done(&before.above);
            assert!(known.iter().all(kept), "{user} in {log}: {before:?} to {cursor:?}");
            *before = cursor.clone();
        } else {
            assert!(matches!(log, Target::Room(_)), "a cursor goes back: {before:?} to {cursor:?}");
            return false;
        }
        if *log == Target::User(user.clone()) {
            let unread = |(record, _): &&(Record, bool)| !self.is_processed(user, record.seq);
            let truth = self.logs[log].records.iter().filter(unread).count() as u64;
            let log = self.logs.get_mut(log).unwrap();
            log.kept -= messages;
            assert!(log.removed.0 > 0 || log.kept == truth, "{} counted, {truth} there", log.kept);
        }
        true
    }

    /// Records dispositions of expired messages, which must not be handed out again, and of
    /// messages that were removed unread.
    pub(super) fn expire(&mut self, user: &UserId, verdicts: &[(Seq, Disposition, u64)]) {
        for (seq, _, time_ms) in verdicts.iter().filter(|said| said.1 == Disposition::Expired) {
            let Some((record, readers)) = self.owed.get_mut(seq) else { continue };
            let first = &record.bundle.first;
            if first.headers.ttl_ms().is_some_and(|ttl| first.time_ms + ttl <= *time_ms) {
                readers.remove(user);
            }
            // The message may have been removed meanwhile.
            self.gaps.remove(&(user.clone(), first.to.clone(), *seq));
        }
    }
}
