//! Events from the server, sorted into wanted messages, messages to release, and notices.

use std::fmt::Display;

use anyhow::Result;

use crate::handler::filter::Filter;
use crate::logic::{Command, Event, numbered};
use crate::message::reassembly::Reassembly;
use crate::message::received::Received;
use crate::terminal::notices;
use crate::terminal::verbosity::Verbosity;
use crate::wire::{Message, Seq};

/// The messages that a listener wants.
#[derive(Debug)]
pub(crate) struct InboxWants {
    pub(crate) filter: Filter,
    /// Number of messages.
    pub(crate) count: u64,
    /// True if waiting messages are skipped.
    pub(crate) new: bool,
}

/// Sorts the events of a link: messages to handle, messages to release, and the progress of a long
/// message.
pub(crate) struct Inbox {
    mail: Reassembly,
    filter: Filter,
    /// Number of messages that may still be taken.
    wanted: u64,
    /// Messages to skip, because they were waiting when the first link had caught up.
    old: Old,
    /// Seq of the long message under way that is to be skipped, and its bytes still to come.
    unwanted: Option<(Seq, u64)>,
    caught_up: bool,
    welcomed: bool,
    /// True once the user knows that there is no link.
    offline: bool,
    server: String,
    talk: Verbosity,
}

/// Messages that count as old, and are skipped.
#[derive(Clone, Copy)]
enum Old {
    None,
    /// Every message so far; the last one was this.
    All(Seq),
    /// Every message up to this one.
    Until(Seq),
}

/// The outcome of a batch of events.
#[derive(Default)]
pub(crate) struct InboxOutput {
    pub(crate) letters: Vec<Received>,
    /// Commands for the server.
    pub(crate) commands: Vec<Command>,
}

impl Inbox {
    pub(crate) fn new(wants: InboxWants, server: &impl Display, talk: Verbosity) -> Self {
        let InboxWants { filter, count: wanted, new } = wants;
        let old = if new { Old::All(0) } else { Old::None };
        let (mail, server) = (Reassembly::new(talk), server.to_string());
        Self {
            mail,
            filter,
            wanted,
            old,
            unwanted: None,
            caught_up: false,
            welcomed: false,
            offline: false,
            server,
            talk,
        }
    }

    /// True once all wanted messages have come.
    pub(crate) fn is_full(&self) -> bool {
        self.wanted == 0
    }

    /// True once the backlog has come.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.caught_up
    }

    /// True if no message is half received.
    pub(crate) fn is_whole(&self) -> bool {
        self.mail.is_whole()
    }

    /// True once the server was reached.
    pub(crate) fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Takes a batch of events. `shows`: the progress of a long message is shown.
    pub(crate) fn receive(&mut self, batch: Vec<Event>, shows: bool) -> Result<InboxOutput> {
        let (mut taken, mut left, mut parts) = (InboxOutput::default(), Vec::new(), 0);
        for event in batch {
            match event {
                Event::Messages { seq, bundle } => {
                    for (seq, message) in numbered(seq, &bundle) {
                        if !self.is_wanted(seq, &message) {
                            left.extend(self.leave(seq, &message));
                        } else if self.wanted > 0 {
                            self.wanted -= 1;
                            taken.letters.extend(self.mail.message(seq, message)?);
                        }
                    }
                }
                Event::Chunk(body) => {
                    parts += 1;
                    left.extend(self.left_part(body.len() as u64));
                    let shows = shows && taken.letters.is_empty();
                    taken.letters.extend(self.mail.part(&body, shows)?);
                }
                Event::BodyAborted => {
                    self.unwanted = None;
                    self.wanted += u64::from(self.mail.drop_partial());
                }
                event => self.noted(event),
            }
        }
        // Releases go out before other commands for the messages that came with them.
        taken.commands = leaving(left);
        taken.commands.extend((parts > 0).then_some(Command::ChunksConsumed(parts)));
        if !taken.letters.is_empty() {
            self.hide_progress();
        }
        Ok(taken)
    }

    /// Counts messages that were taken and then released without being processed.
    pub(crate) fn gave_back(&mut self, count: usize) {
        self.wanted = self.wanted.saturating_add(count as u64);
    }

    /// Forgets a half-received message.
    pub(crate) fn clear(&mut self) {
        self.mail.drop_partial();
    }

    fn is_wanted(&mut self, seq: Seq, message: &Message) -> bool {
        let is_new = match &mut self.old {
            Old::None => true,
            // Volatile messages never wait on the server.
            _ if seq == 0 => true,
            Old::All(last) => {
                *last = seq.max(*last);
                false
            }
            Old::Until(last) => seq > *last,
        };
        is_new && self.filter.takes(message)
    }

    /// Skips an unwanted message. Returns its seq if it has come as a whole.
    fn leave(&mut self, seq: Seq, message: &Message) -> Option<Seq> {
        if !message.is_long() {
            return Some(seq);
        }
        self.unwanted = Some((seq, message.size - message.body.len() as u64));
        None
    }

    fn left_part(&mut self, length: u64) -> Option<Seq> {
        let (seq, missing) = self.unwanted.take()?;
        let missing = missing.saturating_sub(length);
        self.unwanted = (missing > 0).then_some((seq, missing));
        (missing == 0).then_some(seq)
    }

    fn noted(&mut self, event: Event) {
        match event {
            Event::CaughtUp => {
                tracing::info!("caught up");
                self.caught_up = true;
                if let Old::All(last) = self.old {
                    self.old = Old::Until(last);
                }
            }
            Event::Welcome { .. } => {
                let again = if std::mem::replace(&mut self.welcomed, true) { " again" } else { "" };
                if std::mem::take(&mut self.offline) {
                    self.note(&format!("linked to {}{again}", self.server));
                }
            }
            Event::Blocked(why) => {
                self.offline = true;
                self.note(&format!("no link to {}: {why}; trying again", self.server));
            }
            Event::Offline if self.offline => {}
            Event::Offline => {
                self.offline = true;
                self.note(&format!("no link to {}, trying again", self.server));
            }
            Event::Gap { to, count } => {
                self.note(&format!("{count} messages to {to} were removed before they were read"));
            }
            _ => {}
        }
    }

    /// Prints a notice on a line of its own.
    fn note(&mut self, text: &str) {
        self.hide_progress();
        notices::note(self.talk, text);
    }

    fn hide_progress(&mut self) {
        self.mail.hide_progress();
    }
}

/// Builds the commands that release messages. A volatile message, with seq 0, is not stored, so
/// there is nothing to release.
fn leaving(left: Vec<Seq>) -> Vec<Command> {
    let (volatile, stored): (Vec<Seq>, Vec<Seq>) = left.into_iter().partition(|seq| *seq == 0);
    let skipped = (!stored.is_empty()).then_some(Command::Release(stored));
    let dropped = (!volatile.is_empty()).then_some(Command::Ack(volatile));
    skipped.into_iter().chain(dropped).collect()
}
