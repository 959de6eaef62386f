//! Budget of deliveries: bytes under way to all readers together.
//!
//! Unacked deliveries of a slow reader stay in the server's memory, up to its window. A page that
//! is read for it counts as well, until it is delivered. All windows shrink as the budget fills, so
//! that many slow readers together cannot exhaust the memory. Each reader keeps a small window, so
//! that none waits for the others.

use std::collections::BTreeMap;

use super::io::LinkId;
use crate::logic::limits::Limits;
use crate::wire::{CHUNK_LEN_MAX, CHUNKS_AHEAD_MAX};

/// Bytes that a message takes beside its body and headers.
const MESSAGE_LEN: u64 = 64;

/// Number of messages, and their bytes.
pub(super) type Load = (u64, u64);

/// Bytes of unacked deliveries, of pages that are being read, and of chunks without credit.
pub(super) struct DeliveryBudget {
    bytes: u64,
    bytes_max: u64,
    /// Bytes granted to each reader, however full the budget is.
    link_bytes_min: u64,
    /// Chunks sent on each link for which the client has given no credit. No entry: none.
    chunks_out: BTreeMap<LinkId, u32>,
}

impl DeliveryBudget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            bytes: 0,
            bytes_max: limits.budget_bytes_max,
            link_bytes_min: limits.budget_link_bytes_min,
            chunks_out: BTreeMap::new(),
        }
    }

    /// Replaces a reader's load by a new one.
    pub(super) fn replace(&mut self, before: Load, after: Load) {
        self.bytes = self.bytes.saturating_sub(len_bytes(before)) + len_bytes(after);
    }

    /// The part of a reader's window that is open now. `has` is its present load, which counts as
    /// open.
    pub(super) fn window(&self, (messages, bytes): Load, has: Load) -> Load {
        let free = self.bytes_max.saturating_sub(self.bytes);
        let open = |has: u64, unit: u64| (has + free / unit).max(self.link_bytes_min / unit);
        (messages.min(open(has.0, MESSAGE_LEN).max(1)), bytes.min(open(has.1, 1)))
    }

    /// True if a link with chunks under way may have one more.
    pub(super) fn has_room_for_chunk(&self) -> bool {
        self.bytes + chunks_len(1) <= self.bytes_max
    }

    /// Counts a chunk that is being read for a link.
    pub(super) fn reserve_chunk(&mut self) {
        self.bytes += chunks_len(1);
    }

    /// Uncounts reserved chunks that are not read after all.
    pub(super) fn unreserve_chunks(&mut self, count: u32) {
        self.bytes = self.bytes.saturating_sub(chunks_len(count));
    }

    /// Counts a reserved chunk as sent.
    pub(super) fn send_reserved_chunk(&mut self, link: LinkId) {
        *self.chunks_out.entry(link).or_default() += 1;
    }

    /// Counts a chunk as sent, without a reservation.
    pub(super) fn send_chunk(&mut self, link: LinkId) {
        self.reserve_chunk();
        self.send_reserved_chunk(link);
    }

    /// Number of chunks sent on a link and not credited by its client.
    pub(super) fn chunks_out(&self, link: LinkId) -> u32 {
        self.chunks_out.get(&link).copied().unwrap_or_default()
    }

    /// True if one more chunk may be sent on a link.
    pub(super) fn is_open(&self, link: LinkId) -> bool {
        self.chunks_out(link) < CHUNKS_AHEAD_MAX
    }

    /// True if a client has given credit for at least half of the chunks that may be under way: it
    /// is half a window ahead of one that has given none.
    pub(super) fn is_far_ahead(&self, link: LinkId) -> bool {
        self.chunks_out(link) <= CHUNKS_AHEAD_MAX / 2
    }

    /// Takes a client's credit for chunks. Returns `false` if fewer chunks were sent.
    pub(super) fn credit_chunks(&mut self, link: LinkId, count: u32) -> bool {
        let out = self.chunks_out(link);
        if count == 0 || count > out {
            return false;
        }
        if count == out {
            self.chunks_out.remove(&link);
        } else {
            self.chunks_out.insert(link, out - count);
        }
        self.unreserve_chunks(count);
        true
    }

    /// Forgets the chunks of a link that is gone.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        let out = self.chunks_out.remove(&link).unwrap_or_default();
        self.unreserve_chunks(out);
    }
}

fn len_bytes((messages, bytes): Load) -> u64 {
    messages * MESSAGE_LEN + bytes
}

fn chunks_len(chunks: u32) -> u64 {
    u64::from(chunks) * CHUNK_LEN_MAX as u64
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LEN_MAX, DeliveryBudget, Limits, LinkId, MESSAGE_LEN};

    const NONE: (u64, u64) = (0, 0);

    #[test]
    fn windows_shrink_when_much_is_under_way_and_grow_again() {
        let max = 100 * MESSAGE_LEN;
        let limits = Limits {
            budget_bytes_max: max,
            budget_link_bytes_min: 2 * MESSAGE_LEN,
            ..Limits::default()
        };
        let mut budget = DeliveryBudget::new(&limits);
        let window = (50, 5_000);
        assert_eq!(budget.window(window, (0, 0)), window);
        let most = (90, 0);
        budget.replace(NONE, most);
        assert_eq!(budget.window(window, (0, 0)), (10, 10 * MESSAGE_LEN));
        assert_eq!(budget.window(window, (45, 100)), (50, 100 + 10 * MESSAGE_LEN));
        budget.replace(most, (100, 0));
        assert_eq!(budget.window(window, (0, 0)), (2, 2 * MESSAGE_LEN));
        assert_eq!(budget.window((1, 3), (0, 0)), (1, 3));
        budget.replace(NONE, (1_000, 0));
        assert_eq!(budget.window(window, (0, 0)), (2, 2 * MESSAGE_LEN));
        budget.replace((1_100, 0), NONE);
        assert_eq!(budget.window(window, (0, 0)), window);
    }

    #[test]
    fn chunks_count_as_well() {
        let chunk = CHUNK_LEN_MAX as u64;
        let limits = Limits { budget_bytes_max: 3 * chunk, ..Limits::default() };
        let mut budget = DeliveryBudget::new(&limits);
        let link = LinkId(7);
        budget.send_chunk(link);
        budget.reserve_chunk();
        assert!(budget.has_room_for_chunk());
        budget.replace(NONE, (0, 1));
        assert!(!budget.has_room_for_chunk());
        budget.unreserve_chunks(1);
        assert!(budget.has_room_for_chunk());
        assert!(!budget.credit_chunks(link, 2) && !budget.credit_chunks(link, 0));
        assert!(budget.credit_chunks(link, 1) && !budget.credit_chunks(link, 1));
        budget.send_chunk(link);
        budget.send_chunk(link);
        assert!(!budget.has_room_for_chunk());
        budget.forget_link(link);
        assert!(budget.has_room_for_chunk() && budget.chunks_out(link) == 0);
    }
}
