//! Joining of like messages of a page that were stored one by one.

use std::sync::Arc;

use crate::durable::{PageItem, Record};
use crate::wire::{BUNDLE_MAX, Body, Bundle, CHUNK_LEN_MAX};

/// A record to which the next messages may be joined.
#[derive(Default)]
pub(super) struct BundleJoiner {
    first: Option<Record>,
    others: Vec<Body>,
    len: u64,
}

impl BundleJoiner {
    /// Adds the next message of a page. It is joined to those before it, or starts a new record.
    pub(super) fn add(&mut self, next: Record, items: &mut Vec<PageItem>) {
        let message = &next.bundle.first;
        if self.first.as_ref().is_some_and(|first| self.goes_on(first, &next)) {
            self.len += message.size;
            self.others.push(message.body.clone());
        } else {
            self.end(items);
            self.len = message.size;
            self.first = Some(next);
        }
    }

    /// Ends the current record.
    pub(super) fn end(&mut self, items: &mut Vec<PageItem>) {
        let Some(mut record) = self.first.take() else { return };
        if !self.others.is_empty() {
            let first = record.bundle.first.clone();
            record.bundle = Arc::new(Bundle { first, others: self.others.iter().collect() });
            self.others.clear();
        }
        items.push(PageItem::Messages(record));
    }

    fn goes_on(&self, first: &Record, next: &Record) -> bool {
        let count = 1 + self.others.len() as u64;
        let before = &first.bundle.first;
        let message = &next.bundle.first;
        next.seq == first.seq + count
            && next.ordinal == first.ordinal + count
            && message.id == before.id.plus(count)
            && (&message.from, &message.to) == (&before.from, &before.to)
            && message.time_ms == before.time_ms
            && message.headers == before.headers
            && next.parts == 0
            && first.parts == 0
            && count < BUNDLE_MAX as u64
            && self.len.saturating_add(message.size) <= CHUNK_LEN_MAX as u64
    }
}
