//! Sends: messages that are to be stored, from the sender to the store, and the answer.

use std::sync::Arc;

use crate::durable::{NotStored, Write};
use crate::wire::{Bundle, Envelope, FromServer, Message, MsgId, Refusal, UserId};

use super::io::LinkId;
use super::pending::PendingAppend;
use super::turn::Turn;

/// Returns the message of an envelope, with its sender and the time of this turn.
pub(super) fn accept(turn: &Turn, from: &UserId, envelope: Envelope) -> Message {
    Message { from: from.clone(), time_ms: turn.now().unix_ms, envelope }
}

/// Returns the reason for which a message with this id is refused, if any. An id derived from a key
/// has no time; the store remembers it as long as others.
pub(super) fn check_id(turn: &Turn, id: MsgId) -> Result<(), Refusal> {
    let (limits, now_ms) = (turn.limits(), turn.now().unix_ms);
    if id.is_keyed() {
        Ok(())
    } else if id.unix_ms() + limits.id_age_ms_max < now_ms {
        Err(Refusal::IdTooOld)
    } else if id.unix_ms() > now_ms + limits.id_ahead_ms_max {
        Err(Refusal::IdInFuture)
    } else {
        Ok(())
    }
}

/// Asks the store to append messages whose bodies are whole.
pub(super) fn append(turn: &mut Turn, link: LinkId, bundle: Arc<Bundle>) {
    let waiting = PendingAppend { link, bundle: bundle.clone(), upload: None };
    let write = Write::Append { bundle, upload: None };
    turn.write(|pending| &mut pending.appends, waiting, write);
}

/// Returns the frame that tells a sender whether messages are stored.
pub(super) fn verdict(bundle: &Bundle, outcome: Result<(), NotStored>) -> FromServer {
    let (id, count) = (bundle.first.id, bundle.count() as u32);
    match outcome {
        Ok(()) => FromServer::Accepted { id, count, duplicate: false },
        Err(NotStored::Duplicate) => FromServer::Accepted { id, count, duplicate: true },
        Err(NotStored::UnknownTarget) => refusal(bundle, Refusal::UnknownTarget),
        Err(NotStored::OtherKind) => refusal(bundle, Refusal::OtherKind),
        Err(NotStored::Full) => refusal(bundle, Refusal::MailboxFull),
        Err(NotStored::DiskFull) => refusal(bundle, Refusal::DiskFull),
    }
}

/// Returns the frame that tells a sender why messages are not stored.
pub(super) fn refusal(bundle: &Bundle, why: Refusal) -> FromServer {
    FromServer::Refused { id: bundle.first.id, count: bundle.count() as u32, why }
}
