//! What is to be sent, to whom, and what is wanted of it: the same for all commands that send.

use std::time::Duration;

use anyhow::Result;

use crate::failure::{Exit, Failure};
use crate::message::content::Content;
use crate::message::render::style::Style;
use crate::message::{headers, ids};
use crate::spool::bounds::Keeping;
use crate::wire::{CHUNK_LEN_MAX, Headers, MsgId, MsgIds, Target};

/// How long the server may be silent, if nothing else is said.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How far a message has to get before the command exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    /// It is on the server's disk
    Accepted,
    /// A reader of each recipient has received it
    Delivered,
    /// A reader of each recipient has processed it
    Processed,
}

/// What is printed of what becomes of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Nothing,
    /// A line for each. Nobody need read it.
    Json,
    /// What the recipients answer, which is what the command is for.
    Replies(Style),
}

impl Show {
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Replies(Style::Json))
    }
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) targets: Vec<Target>,
    pub(crate) headers: Headers,
    /// Title of a message without a body, unless another is given.
    pub(crate) name: Option<String>,
    /// What the ids are made of, if not of chance.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) volatile: bool,
    /// When the server is to send it, in milliseconds since 1970.
    pub(crate) due_ms: Option<u64>,
    /// That was said as a time from now on, so the clock by which it is sent is the server's.
    pub(crate) is_delay: bool,
    pub(crate) until: Until,
    /// How long the server may be silent before a message is accepted.
    pub(crate) patience: Duration,
    /// How long a message that is accepted may take to come as far as it is to.
    pub(crate) timeout: Option<Duration>,
    /// So many replies are enough.
    pub(crate) enough: Option<u64>,
    pub(crate) show: Show,
    /// What waits on this machine is sent, too, and what finds no server may wait.
    pub(crate) spool: Option<Keeping>,
    /// An excerpt is sent of a text that is too long.
    pub(crate) excerpts: bool,
}

impl Job {
    /// Messages that are to be accepted, and no more.
    pub(crate) fn new(targets: Vec<Target>, headers: Headers) -> Self {
        Self {
            targets,
            headers,
            name: None,
            key: None,
            volatile: false,
            due_ms: None,
            is_delay: false,
            until: Until::Accepted,
            patience: PATIENCE,
            timeout: None,
            enough: None,
            show: Show::Nothing,
            spool: None,
            excerpts: false,
        }
    }

    /// The id of the message at this place of the input, 0 if it is all of it, by a clock that is
    /// so far ahead of this machine's.
    pub(crate) fn id(&self, ids: &mut MsgIds, to: &Target, place: u64, ahead_ms: i64) -> MsgId {
        match &self.key {
            Some(key) => ids::keyed(key, to, place),
            None => ids::fresh_by(ids, ahead_ms),
        }
    }

    /// The headers of a message with this body: without anything in it, its name says what it is.
    pub(crate) fn headers_of(&self, content: &Content) -> Headers {
        match &self.name {
            Some(name) if content.size() == 0 => headers::with(&self.headers, "title", name),
            _ => self.headers.clone(),
        }
    }

    /// Whether this can be sent, as far as is known without the server.
    pub(crate) fn check(&self, content: &Content) -> Result<(), Failure> {
        if self.due_ms.is_none() || content.size() <= CHUNK_LEN_MAX as u64 {
            return Ok(());
        }
        let size = content.size();
        let what = format!("a message of {size} bytes is too long to be kept for later");
        Err(Failure::new(Exit::Data, what)
            .hint(format!("{CHUNK_LEN_MAX} bytes are the limit; a longer one can be sent now")))
    }
}
