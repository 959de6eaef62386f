//! The job of a command that sends: recipients, headers, and the state that messages have to reach.

use std::time::Duration;

use anyhow::Result;

use crate::failure::{Exit, Failure};
use crate::message::content::Content;
use crate::message::known_headers::TITLE;
use crate::message::render::style::Style;
use crate::message::{headers, ids};
use crate::spool::bounds::Keeping;
use crate::wire::{CHUNK_LEN_MAX, Headers, MsgId, MsgIds, Target};

/// Default time that the server may be silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The state that a message has to reach before the command exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Until {
    /// The message is on the server's disk
    Accepted,
    /// A reader of each recipient has received it
    Delivered,
    /// A reader of each recipient has processed it
    Processed,
}

/// Output about the progress of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Nothing,
    /// A line for each message. The command goes on if nobody reads it.
    Json,
    /// The replies of the recipients. The command fails if they cannot be printed.
    Replies(Style),
}

impl Show {
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Replies(Style::Json))
    }
}

/// A job of a command that sends. The same for all messages of its input.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) targets: Vec<Target>,
    pub(crate) headers: Headers,
    /// Title of a message without a body, unless it has another one.
    pub(crate) name: Option<String>,
    /// The key that ids are made from. `None`: ids are random.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) volatile: bool,
    /// Time at which the server is to send the messages, in milliseconds since 1970.
    pub(crate) due_ms: Option<u64>,
    /// True if the time was given as a delay, which counts by the server's clock.
    pub(crate) is_delay: bool,
    pub(crate) until: Until,
    /// Time that the server may be silent before a message is accepted.
    pub(crate) patience: Duration,
    /// Time that an accepted message may take to reach the state of `until`.
    pub(crate) timeout: Option<Duration>,
    /// Number of replies after which the command ends.
    pub(crate) enough: Option<u64>,
    pub(crate) show: Show,
    /// The spool. Its messages are sent first, and messages that find no server are kept there.
    pub(crate) spool: Option<Keeping>,
    /// True if an excerpt is sent of a text that is too long for the server.
    pub(crate) excerpts: bool,
}

/// Makes a job that ends when its messages are accepted.
pub(crate) fn plain_job(targets: Vec<Target>, headers: Headers) -> Job {
    Job {
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

/// Makes the id of a message: from the job's key and the message's place in the input (0 if the
/// input is one message), or else by a clock that is `ahead_ms` ahead of this machine's.
pub(crate) fn message_id(
    job: &Job,
    ids: &mut MsgIds,
    to: &Target,
    place: u64,
    ahead_ms: i64,
) -> MsgId {
    match &job.key {
        Some(key) => ids::keyed(key, to, place),
        None => ids::fresh_by(ids, ahead_ms),
    }
}

/// Headers of a message with this body. The job's name is the title of a message without a body.
pub(crate) fn headers_of(job: &Job, content: &Content) -> Headers {
    match &job.name {
        Some(name) if content.size() == 0 => headers::with(&job.headers, TITLE, name),
        _ => job.headers.clone(),
    }
}

/// Checks whether a content can be sent, as far as is known without the server.
pub(crate) fn check(job: &Job, content: &Content) -> Result<(), Failure> {
    if job.due_ms.is_none() || content.size() <= CHUNK_LEN_MAX as u64 {
        return Ok(());
    }
    let size = content.size();
    let what = format!("a message of {size} bytes is too long to be kept for later");
    Err(Failure::new(Exit::Data, what)
        .hint(format!("{CHUNK_LEN_MAX} bytes are the limit; a longer one can be sent now")))
}
