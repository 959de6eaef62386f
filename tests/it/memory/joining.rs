//! Joining of messages of a page in the model store.

use std::sync::Arc;

use qmsg::durable::PageItem;
use qmsg::wire::{Body, Bundle};

/// Adds a message to the items of a page. It is joined to the last item if both are alike and that
/// has room.
pub(crate) fn join(mut items: Vec<PageItem>, item: PageItem, most: u64) -> Vec<PageItem> {
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
