//! Which messages are wanted. The others stay on the server as they are.

use crate::message::received::header;
use crate::wire::{Message, Target, UserId};

/// What a message has to be like. All that is given has to fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// One of these senders, unless there are none.
    pub(crate) from: Vec<UserId>,
    /// One of these targets, unless there are none.
    pub(crate) room: Vec<Target>,
    /// At least this priority.
    pub(crate) priority: Option<Priority>,
    /// A part of the title, whatever its case.
    pub(crate) title: Option<String>,
}

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    Min,
    Low,
    Default,
    High,
    Max,
}

impl Filter {
    /// Whether a message is wanted.
    pub(crate) fn takes(&self, message: &Message) -> bool {
        let title = || header(message, "title").unwrap_or_default().to_lowercase();
        (self.from.is_empty() || self.from.contains(&message.from))
            && (self.room.is_empty() || self.room.contains(&message.to))
            && self.priority.is_none_or(|least| Priority::of(message) >= least)
            && self.title.as_ref().is_none_or(|text| title().contains(&text.to_lowercase()))
    }

    /// Whether it takes everything.
    pub(crate) fn is_open(&self) -> bool {
        let Self { from, room, priority, title } = self;
        from.is_empty() && room.is_empty() && priority.is_none() && title.is_none()
    }
}

impl Priority {
    /// The five by name; their numbers are 1 to 5.
    pub(crate) const NAMED: [(&str, Self); 5] = [
        ("min", Self::Min),
        ("low", Self::Low),
        ("default", Self::Default),
        ("high", Self::High),
        ("max", Self::Max),
    ];

    /// One that is none of the five counts as the default one.
    fn of(message: &Message) -> Self {
        let given = header(message, "priority").and_then(|value| {
            let is = |(number, (name, _)): &(usize, (&str, Self))| {
                value.eq_ignore_ascii_case(name) || value == number.to_string()
            };
            (1..).zip(Self::NAMED).find(is)
        });
        given.map_or(Self::Default, |(_, (_, priority))| priority)
    }
}
