//! Readers that begin elsewhere than at the first unacked message.

use crate::durable::Record;
use crate::wire::Seq;

use super::Mailbox;
use super::deliver::delivery_of;
use crate::logic::hub::io::LinkId;
use crate::logic::hub::turn::Turn;

impl Mailbox {
    /// Lets a reader begin after this seq; `None`: at the first unacked message.
    pub(crate) fn begin_behind(&mut self, turn: &mut Turn, link: LinkId, seq: Option<Seq>) {
        if let Some(reader) = self.readers.get_mut(&link) {
            reader.begin_behind(seq);
            self.fetch(turn, link);
        }
    }

    /// Delivers acked messages to a reader that replays, as far as they fit. Returns their number.
    pub(super) fn replay(&mut self, turn: &mut Turn, link: LinkId, record: &Record) -> u64 {
        let Some(reader) = self.readers.get_mut(&link) else { return 0 };
        let count = reader.admits(&record.bundle, turn.budget());
        if count > 0 {
            reader.add_delivery(record.seq, delivery_of(record, count), turn.budget_mut());
            reader.deliver(turn, record.slice(0, count));
        }
        count
    }
}
