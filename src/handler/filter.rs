//! The filter of a listener. Messages that do not match it stay unprocessed on the server.

use crate::message::known_headers::{PRIORITIES, PRIORITY, TITLE, priority_number};
use crate::message::received::header;
use crate::wire::{Message, Target, UserId};

/// Conditions on a message, all of which must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Allowed senders; empty for all.
    from: Vec<UserId>,
    /// Allowed targets; empty for all.
    room: Vec<Target>,
    /// Lowest allowed priority.
    priority: Option<Priority>,
    /// Text in the title; case is ignored.
    title: Option<String>,
}

/// The priority of a message, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Min,
    Low,
    Default,
    High,
    Max,
}

impl Filter {
    pub(crate) fn new(
        from: Vec<UserId>,
        room: Vec<Target>,
        priority: Option<Priority>,
        title: Option<String>,
    ) -> Self {
        Self { from, room, priority, title }
    }

    /// True if a message matches.
    pub(crate) fn takes(&self, message: &Message) -> bool {
        let title = || header(message, TITLE).unwrap_or_default().to_lowercase();
        (self.from.is_empty() || self.from.contains(&message.from))
            && (self.room.is_empty() || self.room.contains(&message.to))
            && self.priority.is_none_or(|least| Priority::in_message(message) >= least)
            && self.title.as_ref().is_none_or(|text| title().contains(&text.to_lowercase()))
    }

    /// True if every message matches.
    pub(crate) fn is_open(&self) -> bool {
        let Self { from, room, priority, title } = self;
        from.is_empty() && room.is_empty() && priority.is_none() && title.is_none()
    }
}

impl Priority {
    /// Priorities with names; their numbers are 1 to 5.
    pub(crate) const NAMED: [(&str, Self); 5] = [
        (PRIORITIES[0], Self::Min),
        (PRIORITIES[1], Self::Low),
        (PRIORITIES[2], Self::Default),
        (PRIORITIES[3], Self::High),
        (PRIORITIES[4], Self::Max),
    ];

    /// Reads the priority of a message. An unknown value counts as the default one.
    fn in_message(message: &Message) -> Self {
        let number = header(message, PRIORITY).and_then(priority_number);
        number.map_or(Self::Default, |number| Self::NAMED[number - 1].1)
    }
}
