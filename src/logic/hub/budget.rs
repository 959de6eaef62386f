//! What is on its way to readers, of all of them together: bounded, however many they are.
//!
//! A reader that takes nothing more keeps what was handed to it in the server's memory, up to its
//! window. So that many of those together are not more than the server has, windows shrink when
//! much is under way. A small one stays to each, so that nobody waits for others.

use crate::logic::limits::Limits;
use crate::wire::CHUNK_LEN_MAX;

/// What a message takes beside its body and headers, in bytes.
const MESSAGE_LEN: u64 = 64;

/// Bytes that readers were given and have not dealt with.
pub(super) struct DeliveryBudget {
    bytes: u64,
    max: u64,
    /// Of each reader, whatever the others have.
    min: u64,
}

/// Messages and their bytes.
pub(super) type Load = (u64, u64);

impl DeliveryBudget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { bytes: 0, max: limits.budget_bytes_max, min: limits.budget_link_bytes_min }
    }

    pub(super) fn add(&mut self, load: Load) {
        self.bytes += weight(load);
    }

    pub(super) fn remove(&mut self, load: Load) {
        self.bytes = self.bytes.saturating_sub(weight(load));
    }

    pub(super) fn add_parts(&mut self, count: u32) {
        self.bytes += len(count);
    }

    pub(super) fn remove_parts(&mut self, count: u32) {
        self.bytes = self.bytes.saturating_sub(len(count));
    }

    /// What of its window is open to a reader that has so much already, counting that.
    pub(super) fn window(&self, (messages, bytes): Load, has: Load) -> Load {
        let free = self.max.saturating_sub(self.bytes);
        let open = |has: u64, unit: u64| (has + free / unit).max(self.min / unit);
        (messages.min(open(has.0, MESSAGE_LEN).max(1)), bytes.min(open(has.1, 1)))
    }

    /// Whether a link that has parts already may have one more.
    pub(super) fn has_room_for_part(&self) -> bool {
        self.bytes + len(1) <= self.max
    }
}

fn weight((messages, bytes): Load) -> u64 {
    messages * MESSAGE_LEN + bytes
}

fn len(parts: u32) -> u64 {
    u64::from(parts) * CHUNK_LEN_MAX as u64
}

#[cfg(test)]
mod tests {
    use super::{CHUNK_LEN_MAX, DeliveryBudget, Limits, MESSAGE_LEN};

    #[test]
    fn windows_shrink_when_much_is_under_way_and_grow_again() {
        let max = 100 * MESSAGE_LEN;
        let limits = Limits {
            budget_bytes_max: max,
            budget_link_bytes_min: 2 * MESSAGE_LEN,
            ..Limits::default()
        };
        let mut flight = DeliveryBudget::new(&limits);
        let window = (50, 5_000);
        assert_eq!(flight.window(window, (0, 0)), window);
        let most = (90, 0);
        flight.add(most);
        assert_eq!(flight.window(window, (0, 0)), (10, 10 * MESSAGE_LEN));
        assert_eq!(flight.window(window, (45, 100)), (50, 100 + 10 * MESSAGE_LEN));
        flight.add((10, 0));
        assert_eq!(flight.window(window, (0, 0)), (2, 2 * MESSAGE_LEN));
        assert_eq!(flight.window((1, 3), (0, 0)), (1, 3));
        flight.add((1_000, 0));
        assert_eq!(flight.window(window, (0, 0)), (2, 2 * MESSAGE_LEN));
        flight.remove((1_010, 0));
        flight.remove(most);
        assert_eq!(flight.window(window, (0, 0)), window);
    }

    #[test]
    fn parts_count_as_well() {
        let part = CHUNK_LEN_MAX as u64;
        let limits = Limits { budget_bytes_max: 3 * part, ..Limits::default() };
        let mut flight = DeliveryBudget::new(&limits);
        flight.add_parts(2);
        assert!(flight.has_room_for_part());
        flight.add((0, 1));
        assert!(!flight.has_room_for_part());
        flight.remove_parts(1);
        assert!(flight.has_room_for_part());
    }
}
