//! Delivery states of messages in the model store.

use std::collections::{BTreeMap, BTreeSet};

use qmsg::durable::{Disposition, Found, Record};
use qmsg::wire::{DeliveryState, MsgId, Note, RecipientStatus, Seq, Target, UserId};

use super::MemoryStore;

#[derive(Default)]
pub(crate) struct Levels {
    /// The log of each message and its recipients: those who read the log then and still do.
    recipients: BTreeMap<Seq, (Target, BTreeSet<UserId>)>,
    verdicts: BTreeMap<(UserId, Seq), (Disposition, u64)>,
}

impl Levels {
    pub(crate) fn begin(&mut self, record: &Record, readers: &BTreeSet<UserId>) {
        let log = record.bundle.first.to.clone();
        self.recipients.insert(record.seq, (log, readers.clone()));
    }

    pub(crate) fn excuse(&mut self, user: &UserId, log: &Target) {
        let of_log = self.recipients.values_mut().filter(|(of, _)| of == log);
        of_log.for_each(|(_, users)| _ = users.remove(user));
    }
}

impl MemoryStore {
    /// Records a reader's disposition of a message.
    pub(crate) fn say(&mut self, user: &UserId, (seq, verdict, at_ms): (Seq, Disposition, u64)) {
        assert!(self.is_processed(user, seq), "said of one that is not covered");
        if let Disposition::Rejected { attempts, reason } = &verdict {
            self.bury(user, seq, (*attempts, reason.clone()), at_ms);
        }
        let before = self.levels.verdicts.insert((user.clone(), seq), (verdict, at_ms));
        assert_eq!(before, None, "said twice of {seq}");
    }

    /// Returns the seq of a message, the newest if there are several.
    pub(crate) fn located(&self, to: &Target, from: &UserId, id: MsgId) -> Option<Seq> {
        let records = self.logs.get(to)?.records.iter().map(|(record, _)| record);
        let mine =
            |record: &&Record| record.bundle.first.id == id && record.bundle.first.from == *from;
        records.filter(mine).map(|record| record.seq).next_back()
    }

    pub(crate) fn expires_ms(&self, seq: Seq) -> Option<u64> {
        let first = &self.owed[&seq].0.bundle.first;
        first.headers.expires_ms(first.time_ms)
    }

    pub(crate) fn standings(&self, seq: Seq, after: Option<&UserId>) -> Found {
        let all = self.all_standings(seq);
        let mut rest = all.into_iter().filter(|standing| Some(&standing.user) > after);
        let page = rest.by_ref().take(self.most.page).collect();
        Found::Recipients(page, rest.next().is_some())
    }

    /// Returns the delivery states of a message in the order of the recipients' ids; none if the
    /// message was removed.
    pub(crate) fn all_standings(&self, seq: Seq) -> Vec<RecipientStatus> {
        let Some((log, users)) = self.levels.recipients.get(&seq) else { return vec![] };
        let there = self.logs[log].records.iter().any(|(record, _)| record.seq == seq);
        let users = users.iter().filter(|_| there);
        users.map(|user| self.standing(user, seq)).collect()
    }

    fn standing(&self, user: &UserId, seq: Seq) -> RecipientStatus {
        let (state, time_ms, note) = match self.levels.verdicts.get(&(user.clone(), seq)) {
            Some((Disposition::Replied(note), at_ms)) => {
                (DeliveryState::Processed, *at_ms, Some(note))
            }
            Some((Disposition::Rejected { reason, .. }, at_ms)) => {
                (DeliveryState::Rejected, *at_ms, Some(reason))
            }
            Some((Disposition::Expired, at_ms)) => (DeliveryState::Gone, *at_ms, None),
            None if self.is_processed(user, seq) => (DeliveryState::Processed, 0, None),
            None => (DeliveryState::Accepted, self.owed[&seq].0.bundle.first.time_ms, None),
        };
        let note: Option<Note> = note.cloned();
        RecipientStatus { user: user.clone(), state, time_ms, note }
    }

    /// Returns whether a user is no longer a recipient of a message, or it expired unread for the
    /// user.
    pub(crate) fn is_gone(&self, user: &UserId, seq: Seq) -> bool {
        let verdict = self.levels.verdicts.get(&(user.clone(), seq));
        let there = self.all_standings(seq).iter().any(|standing| standing.user == *user);
        !there || matches!(verdict, Some((Disposition::Expired, _)))
    }

    pub(crate) fn is_refused(&self, user: &UserId, seq: Seq) -> bool {
        let verdict = self.levels.verdicts.get(&(user.clone(), seq));
        matches!(verdict, Some((Disposition::Rejected { .. }, _)))
    }

    /// Returns the seqs of a message in a log, including copies that were removed.
    pub(crate) fn seqs_of(&self, from: &UserId, id: MsgId, to: &Target) -> Vec<Seq> {
        let records = self.owed.values().map(|(record, _)| record);
        let mine = |record: &&Record| {
            let message = &record.bundle.first;
            (&message.from, message.id, &message.to) == (from, id, to)
        };
        records.filter(mine).map(|record| record.seq).collect()
    }

    /// Returns the dispositions of messages, by user.
    pub(crate) fn verdicts(&self) -> &BTreeMap<(UserId, Seq), (Disposition, u64)> {
        &self.levels.verdicts
    }
}
