//! How the model store says of several messages at once what it did with each.

use std::sync::Arc;

use qmsg::durable::{Outcome, PageItem};
use qmsg::wire::{Body, Bundle};

/// What came of messages one by one, as the answer for all of them.
pub(crate) fn mixed(each: Vec<Outcome>) -> Outcome {
    let mut parts: Vec<(u64, Outcome)> = vec![];
    for outcome in each {
        match (parts.last_mut(), &outcome) {
            (Some((count, Outcome::Stored { seq, .. })), Outcome::Stored { seq: next, .. })
                if *seq + *count == *next =>
            {
                *count += 1;
            }
            (Some((count, known)), outcome) if known == outcome => *count += 1,
            _ => parts.push((1, outcome)),
        }
    }
    if parts.len() == 1 { parts.remove(0).1 } else { Outcome::Mixed(parts) }
}

/// Adds a message to the items of a page, to the last one if both are alike and it has room.
pub(super) fn join(mut items: Vec<PageItem>, item: PageItem, most: u64) -> Vec<PageItem> {
    if let (Some(PageItem::Messages(last)), PageItem::Messages(next)) = (items.last_mut(), &item) {
        let Bundle { first, others } = &*last.bundle;
        let count = last.bundle.count();
        let message = &next.bundle.first;
        let (id, size, body) = (first.id.plus(count), message.size, message.body.clone());
        let mut wanted = first.clone();
        (wanted.id, wanted.size, wanted.body) = (id, size, body);
        let alike = *message == wanted;
        let follows = (next.seq, next.ordinal) == (last.seq + count, last.ordinal + count);
        if alike && follows && count < most && last.parts + next.parts == 0 {
            let bodies: Vec<Body> =
                last.bundle.messages().skip(1).map(|m| m.envelope.body).collect();
            assert_eq!(bodies.len(), others.count());
            let others = bodies.iter().chain([&message.body]).collect();
            last.bundle = Arc::new(Bundle { first: first.clone(), others });
            return items;
        }
    }
    items.push(item);
    items
}
