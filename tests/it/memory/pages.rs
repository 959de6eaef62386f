//! Starting points of readers, and pages, in the model store.

use qmsg::durable::{Page, PageItem, Record};
use qmsg::wire::{Seq, Start, Target, UserId};

use super::MemoryStore;
use super::joining::join;

impl MemoryStore {
    pub(crate) fn begin(&self, logs: &[Target], start: Start) -> Option<Seq> {
        let logs = logs.iter().filter_map(|log| self.logs.get(log));
        let records = logs.flat_map(|log| log.records.iter().map(|(record, _)| record));
        match start {
            Start::Unacked => panic!("nothing to look up"),
            Start::Since(ms) => {
                let since = records.filter(|record| record.bundle.first.time_ms >= ms);
                Some(since.map(|record| record.seq - 1).min().unwrap_or(self.last_seq))
            }
            Start::After(id) => {
                records.filter(|r| r.bundle.first.id == id).map(|record| record.seq).max()
            }
        }
    }

    pub(crate) fn page(
        &self,
        logs: &[(Target, Seq)],
        reader: &UserId,
        messages: u32,
        bytes: u64,
    ) -> Page {
        let mut all = vec![];
        for (target, after) in logs {
            let Some(log) = self.logs.get(target) else { continue };
            let (seq, ordinal) = log.removed;
            if seq > *after {
                all.push((PageItem::Removed { log: target.clone(), seq, ordinal }, 0));
            }
            for (record, rotten) in log.records.iter().filter(|(r, _)| r.seq > *after) {
                let own = matches!(target, Target::User(_));
                if !own && record.bundle.first.from == *reader {
                    continue;
                }
                let Record { seq, ordinal, .. } = *record;
                let rot = PageItem::Corrupt { log: target.clone(), seq, ordinal };
                let item = if *rotten { rot } else { PageItem::Messages(record.clone()) };
                all.push((item, record.bundle.first.len_bytes()));
            }
        }
        all.sort_by_key(|(item, _)| item.last());
        let mut page = Page { items: vec![], through: self.last_seq, complete: true };
        let (mut count, mut sum) = (0, 0);
        for (item, size) in all {
            if !matches!(item, PageItem::Removed { .. }) {
                if count > 0 && (count >= messages || sum + size > bytes) {
                    page.through = page.items.last().map(PageItem::last).unwrap();
                    page.complete = false;
                    break;
                }
                (count, sum) = (count + 1, sum + size);
            }
            page.items.push(item);
        }
        // A store may join messages fully, partly or not at all; the model does each in turn.
        let most = [u64::MAX, 3, 1][(self.last_seq + page.items.len() as u64) as usize % 3];
        page.items = page.items.into_iter().fold(vec![], |items, item| join(items, item, most));
        page
    }
}
