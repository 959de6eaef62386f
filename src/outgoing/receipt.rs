//! Receipts: the result of a message with one recipient, for people and programs.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde_json::Value;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::message::content::Content;
use crate::message::received::Received;
use crate::outgoing::job::Until;
use crate::wire::{Body, DeliveryState, Envelope, Headers, Message, MsgId, Note, Target, UserId};

/// Longest time in milliseconds between the acceptance of a message and the report of it here.
const HEARD_LATE_MS: u64 = 1_000;

/// An accepted message, as far as its receipts need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcceptedMessage {
    /// Number of the message in the input, from 1.
    pub(crate) number: u64,
    pub(crate) to: Target,
    pub(crate) duplicate: bool,
    /// Time of the server's answer by this machine's clock, in milliseconds since 1970.
    pub(crate) heard_ms: u64,
    /// Time to live of the message, in milliseconds. `None`: for ever.
    pub(crate) ttl_ms: Option<u64>,
}

/// True if the time to live of the message is over at this time. Only right if the message is not a
/// duplicate: then it was sent just now.
fn is_over(accepted: &AcceptedMessage, now_ms: u64) -> bool {
    let over = |ttl_ms: u64| accepted.heard_ms.saturating_add(ttl_ms) <= now_ms;
    accepted.ttl_ms.is_some_and(over)
}

/// The result of a message with one recipient. Made once for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: MsgId,
    pub(crate) message: AcceptedMessage,
    /// The recipient. `None`: all recipients of a room that are not known.
    pub(crate) user: Option<UserId>,
    pub(crate) outcome: RecipientOutcome,
    pub(crate) state: DeliveryState,
    /// Time of the state in milliseconds since 1970. 0: unknown.
    pub(crate) time_ms: u64,
    pub(crate) note: Option<Note>,
}

/// The outcome of a message with one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecipientOutcome {
    /// The message reached the wanted state.
    Reached,
    /// The time was up before a reader received the message.
    Undelivered,
    /// The time was up after a reader received the message, and before it was processed.
    Unprocessed,
    /// A reader rejected the message.
    Refused,
    /// The message will not be delivered.
    Gone,
}

impl RecipientOutcome {
    /// The outcome of a state. `None` if a later state is wanted.
    pub(crate) fn from_state(wanted: Until, state: DeliveryState) -> Option<Self> {
        match (state, wanted) {
            (DeliveryState::Gone, _) => Some(Self::Gone),
            (DeliveryState::Processed, _) => Some(Self::Reached),
            // A reader that rejects a message has received it.
            (DeliveryState::Rejected, Until::Processed) => Some(Self::Refused),
            (DeliveryState::Delivered, Until::Processed) | (DeliveryState::Accepted, _) => None,
            (DeliveryState::Delivered | DeliveryState::Rejected, _) => Some(Self::Reached),
        }
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Reached => Exit::Success,
            Self::Undelivered | Self::Gone => Exit::Undelivered,
            Self::Unprocessed => Exit::Unprocessed,
            Self::Refused => Exit::Refused,
        }
    }
}

/// Fields of the receipt's line of `--json`.
pub(crate) fn fields(receipt: &Receipt, now_ms: u64) -> Vec<(&'static str, Value)> {
    let Receipt { id, message, user, state, note, .. } = receipt;
    let time = since(receipt, now_ms).map(clock::rfc3339);
    let mut fields = vec![
        ("id", id.to_string().into()),
        ("to", message.to.to_string().into()),
        ("number", message.number.into()),
        ("duplicate", message.duplicate.into()),
        ("user", user.as_ref().map(UserId::as_str).into()),
        ("state", word(*state).into()),
        ("time", time.into()),
    ];
    if let Some(note) = note {
        let names = if *state == DeliveryState::Rejected {
            ("reason", "reason_b64")
        } else {
            ("body", "body_b64")
        };
        let bytes = &note.body().0;
        fields.push(match str::from_utf8(bytes) {
            Ok(text) => (names.0, text.into()),
            Err(_) => (names.1, BASE64.encode(bytes).into()),
        });
    }
    fields
}

/// Time at which the message reached its state. The server does not keep all times; for a message
/// that was sent just now the time of acceptance, or the time now, is near enough.
fn since(receipt: &Receipt, now_ms: u64) -> Option<u64> {
    match (receipt.time_ms, receipt.state) {
        (1.., _) => Some(receipt.time_ms),
        _ if receipt.message.duplicate => None,
        (0, DeliveryState::Accepted) => Some(receipt.message.heard_ms),
        (0, _) => Some(now_ms),
    }
}

/// The reply as a message from the recipient to the sender. `None` if the receipt has no reply.
pub(crate) fn reply(receipt: &Receipt, asker: &UserId) -> Option<Received> {
    let (user, note) = (receipt.user.as_ref()?, receipt.note.as_ref()?);
    let body = note.body();
    if receipt.state != DeliveryState::Processed {
        return None;
    }
    let (to, headers) = (Target::User(asker.clone()), Headers::default());
    let size = body.len() as u64;
    let envelope = Envelope { size, ..Envelope::new(receipt.id, to, headers, Body::default()) };
    let message = Message { from: user.clone(), time_ms: receipt.time_ms, envelope };
    Some(Received::new(0, message, Content::Memory(body.0.clone())))
}

/// The failure of the command if this receipt is the only one. `None` for a success.
pub(crate) fn failure(receipt: &Receipt, now_ms: u64) -> Option<Failure> {
    let who = who(receipt);
    let hint = match receipt.outcome {
        RecipientOutcome::Reached => return None,
        RecipientOutcome::Undelivered => undelivered_hint(receipt, now_ms),
        RecipientOutcome::Unprocessed => {
            "it stays on the server until it is processed, so do not send it again".into()
        }
        RecipientOutcome::Refused => format!("it is kept for {who}: qmsg listen --dead"),
        RecipientOutcome::Gone => gone_hint(receipt, now_ms),
    };
    Some(Failure::new(receipt.outcome.exit(), text(receipt)).hint(hint))
}

/// Hint about a message that was not delivered in time.
fn undelivered_hint(receipt: &Receipt, now_ms: u64) -> String {
    let who = who(receipt);
    match receipt.message.ttl_ms {
        None => format!(
            "it waits on the server, so do not send it again; is anybody listening as {who}?"
        ),
        Some(_) if is_over(&receipt.message, now_ms) => {
            format!("its time to live is over; is anybody listening as {who}?")
        }
        Some(_) => format!(
            "it waits on the server until its time to live is over; \
             is anybody listening as {who}?"
        ),
    }
}

/// The reason why a message will not be delivered.
fn gone_hint(receipt: &Receipt, now_ms: u64) -> String {
    let who = who(receipt);
    if !receipt.message.duplicate && is_over(&receipt.message, now_ms.saturating_add(HEARD_LATE_MS))
    {
        return format!("it expired before {who} read it");
    }
    let ttl = if receipt.message.ttl_ms.is_some() { "it expired, or " } else { "" };
    let other = match &receipt.message.to {
        Target::User(_) => "it was removed before it was read".into(),
        _ => format!("{who} left the room, or it was removed to make room for newer messages"),
    };
    format!("{ttl}{other}")
}

/// The receipt as text for people.
pub(crate) fn text(receipt: &Receipt) -> String {
    let who = who(receipt);
    match receipt.outcome {
        RecipientOutcome::Reached => format!("{who}: {}", word(receipt.state)),
        RecipientOutcome::Undelivered => format!("{who} did not receive the message in time"),
        RecipientOutcome::Unprocessed => {
            format!("{who} received the message but did not process it in time")
        }
        RecipientOutcome::Refused => match reason(receipt) {
            Some(reason) => format!("{who} refused the message: {reason}"),
            None => format!("{who} refused the message"),
        },
        RecipientOutcome::Gone => format!("{who} will not receive the message"),
    }
}

fn who(receipt: &Receipt) -> Cow<'_, str> {
    match &receipt.user {
        Some(user) => user.as_str().into(),
        None => receipt.message.to.to_string().into(),
    }
}

fn reason(receipt: &Receipt) -> Option<String> {
    let reason = String::from_utf8_lossy(&receipt.note.as_ref()?.body().0).trim().to_owned();
    (!reason.is_empty()).then_some(reason)
}

/// The name of a state in `--json`.
fn word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Accepted => "accepted",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Gone => "gone",
        DeliveryState::Rejected => "refused",
        DeliveryState::Processed => "processed",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::{AcceptedMessage, Receipt, RecipientOutcome, failure};
    use crate::wire::{Body, DeliveryState, MsgId, Note, Target};

    fn receipt(
        outcome: RecipientOutcome,
        state: DeliveryState,
        note: Option<&'static [u8]>,
    ) -> Receipt {
        let to: Target = "@ops".parse().unwrap();
        Receipt {
            id: MsgId::from_bytes([7; 16]),
            message: AcceptedMessage {
                number: 3,
                to,
                duplicate: false,
                heard_ms: 1_700_000_000_000,
                ttl_ms: None,
            },
            user: Some("bob".parse().unwrap()),
            outcome,
            state,
            time_ms: 0,
            note: note.map(|note| Note::new(Body(note.into())).unwrap()),
        }
    }

    fn fields(receipt: &Receipt) -> BTreeMap<&'static str, Value> {
        super::fields(receipt, 1_700_000_009_000).into_iter().collect()
    }

    #[test]
    fn an_object_says_who_how_far_and_when() {
        let (came, now) = ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:29.000Z");
        let accepted = receipt(RecipientOutcome::Undelivered, DeliveryState::Accepted, None);
        let printed = fields(&accepted);
        assert_eq!((&printed["user"], &printed["to"]), (&"bob".into(), &"@ops".into()));
        assert_eq!((&printed["state"], &printed["time"]), (&"accepted".into(), &came.into()));
        let kept = fields(&Receipt { time_ms: 1_700_000_009_000, ..accepted.clone() });
        assert_eq!(kept["time"], now, "what the server knows goes first");
        let unknown = fields(&Receipt { user: None, ..accepted });
        assert_eq!(unknown["user"], Value::Null);
        let mut done = receipt(RecipientOutcome::Reached, DeliveryState::Processed, Some(b"\xff"));
        let printed = fields(&done);
        assert_eq!((&printed["time"], &printed["body_b64"]), (&now.into(), &"/w==".into()));
        done.message.duplicate = true;
        assert_eq!(fields(&done)["time"], Value::Null, "it may have been long ago");
        let refused =
            fields(&receipt(RecipientOutcome::Refused, DeliveryState::Rejected, Some(b"no")));
        assert_eq!((&refused["state"], &refused["reason"]), (&"refused".into(), &"no".into()));
        assert!(!refused.contains_key("body"));
    }

    #[test]
    fn only_a_reply_is_a_reply() {
        let asker = "alice".parse().unwrap();
        let reply =
            |state, note| super::reply(&receipt(RecipientOutcome::Reached, state, note), &asker);
        assert!(reply(DeliveryState::Processed, None).is_none());
        assert!(reply(DeliveryState::Rejected, Some(b"no")).is_none());
        let reply_message = reply(DeliveryState::Processed, Some(b"yes")).unwrap();
        assert_eq!(
            (reply_message.message().from.as_str(), reply_message.content().size()),
            ("bob", 3)
        );
    }

    #[test]
    fn a_failure_says_what_to_do() {
        for (outcome, state, note, what) in [
            (
                RecipientOutcome::Undelivered,
                DeliveryState::Accepted,
                None,
                "bob did not receive the message in time",
            ),
            (RecipientOutcome::Refused, DeliveryState::Rejected, None, "bob refused the message"),
            (
                RecipientOutcome::Refused,
                DeliveryState::Rejected,
                Some(&b" no\n"[..]),
                "refused the message: no",
            ),
            (RecipientOutcome::Gone, DeliveryState::Gone, None, "bob will not receive the message"),
        ] {
            let failure = failure(&receipt(outcome, state, note), 0).unwrap();
            assert!(failure.to_string().ends_with(what), "{failure}");
        }
        assert!(
            failure(&receipt(RecipientOutcome::Reached, DeliveryState::Processed, None), 0)
                .is_none()
        );
    }

    #[test]
    fn a_message_that_is_gone_does_not_wait_on_the_server() {
        let (undelivered, gone) = (RecipientOutcome::Undelivered, RecipientOutcome::Gone);
        let (young, old) = (4_999, 5_000);
        for (outcome, ttl_ms, age_ms, to, hint) in [
            (undelivered, None, old, "@ops", "it waits on the server, so do not send it again"),
            (undelivered, Some(5_000), young, "bob", "until its time to live is over"),
            (undelivered, Some(5_000), old, "bob", "its time to live is over; is anybody"),
            (gone, Some(5_000), old, "bob", "it expired before bob read it"),
            (gone, Some(5_000), young, "bob", "it expired before bob read it"),
            (gone, Some(9_000), young, "@ops", "it expired, or bob left the room"),
            (gone, None, old, "bob", "it was removed before it was read"),
            (gone, None, old, "@ops", "bob left the room, or it was removed"),
        ] {
            let mut receipt = receipt(outcome, DeliveryState::Accepted, None);
            (receipt.message.ttl_ms, receipt.message.to) = (ttl_ms, to.parse().unwrap());
            let printed = format!("{:?}", failure(&receipt, 1_700_000_000_000 + age_ms).unwrap());
            assert!(printed.contains(hint), "{ttl_ms:?} after {age_ms}: {printed}");
            let waits = printed.contains("it waits on the server");
            assert_eq!(waits, outcome == undelivered && (ttl_ms.is_none() || age_ms == young));
        }
    }
}
