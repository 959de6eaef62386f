//! Pages of logs for a reader.

use crate::wire::{Seq, Target};

use super::Record;

/// Reason why a chunk cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The message of the chunk was removed.
    Removed,
    /// The stored bytes do not match their checksum.
    Corrupt,
}

/// Extract of several logs, merged by seq.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Items, ascending by seq.
    pub items: Vec<PageItem>,
    /// Seq up to which the logs were read: that of the last item if a limit cut the page, otherwise
    /// the newest seq of the store at that moment.
    pub through: Seq,
    /// True if no limit cut the page: the logs hold nothing more up to `through`.
    pub complete: bool,
}

/// One item that a reader meets in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageItem {
    /// Consecutive messages of one log.
    Messages(Record),
    /// All messages of this log up to this one were removed, some of them unread, by quota or age.
    /// Comes before the log's messages, and only if reading started before that position.
    Removed {
        /// The log.
        log: Target,
        /// The seq of the last message removed.
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
    /// Returns the last seq of the item.
    pub fn last(&self) -> Seq {
        match self {
            Self::Messages(record) => record.span().last,
            Self::Removed { seq, .. } | Self::Corrupt { seq, .. } => *seq,
        }
    }

    /// Returns the bytes of headers and bodies in it; of a long body only the first chunk counts.
    pub fn len_here(&self) -> u64 {
        match self {
            Self::Messages(record) => record.bundle.len_here(),
            Self::Removed { .. } | Self::Corrupt { .. } => 0,
        }
    }
}
