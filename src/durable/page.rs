//! Pages of logs for a reader.

use crate::wire::{Seq, Target};

use super::Record;

/// Why there is no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Its message was removed.
    Removed,
    /// The stored bytes do not match their checksum.
    Corrupt,
}

/// Part of several logs, merged by seq.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Ascending by seq.
    pub items: Vec<PageItem>,
    /// End of what was looked at in these logs: the seq of the last item where a limit cut the
    /// page, otherwise the last seq given out when the page was read.
    pub through: Seq,
    /// No limit cut it: the logs hold nothing more up to `through`.
    pub complete: bool,
}

/// One thing a reader meets in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageItem {
    /// Messages.
    Messages(Record),
    /// Messages were removed unread by quota or age: all of this log up to this place. Comes before
    /// the log's messages, only if the place is behind where reading started.
    Removed {
        /// The log.
        log: Target,
        /// The seq of the last one removed.
        seq: Seq,
        /// Its ordinal.
        ordinal: u64,
    },
    /// The stored bytes do not match their checksum; they are not handed out.
    Corrupt {
        /// The log.
        log: Target,
        /// The seq of the message.
        seq: Seq,
        /// Its ordinal.
        ordinal: u64,
    },
}

impl PageItem {
    /// The last place of it in the order of all messages.
    pub fn last(&self) -> Seq {
        match self {
            Self::Messages(record) => record.span().last,
            Self::Removed { seq, .. } | Self::Corrupt { seq, .. } => *seq,
        }
    }

    /// Bytes of headers and bodies, as far as they are here.
    pub fn len_here(&self) -> u64 {
        match self {
            Self::Messages(record) => record.bundle.len_here(),
            Self::Removed { .. } | Self::Corrupt { .. } => 0,
        }
    }
}
