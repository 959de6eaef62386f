//! Receipts: what became of a message with a recipient, for people and programs.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde_json::Value;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::message::content::Content;
use crate::message::received::Received;
use crate::outgoing::job::Until;
use crate::wire::{Body, DeliveryState, Envelope, Headers, Message, MsgId, Note, Target, UserId};

/// Most time between the acceptance of a message by the server and the news of it here.
const HEARD_LATE_MS: u64 = 1_000;

/// An accepted message, as its receipts describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcceptedMessage {
    /// Its place in the input, from 1.
    pub(crate) number: u64,
    pub(crate) to: Target,
    pub(crate) duplicate: bool,
    /// When this was heard, by this machine's clock.
    pub(crate) heard_ms: u64,
    /// Time to live of the message. `None`: for ever.
    pub(crate) ttl_ms: Option<u64>,
}

impl AcceptedMessage {
    /// True if the time to live is over, which is known of a message that was sent just now.
    fn is_over(&self, now_ms: u64) -> bool {
        let over = |ttl_ms: u64| self.heard_ms.saturating_add(ttl_ms) <= now_ms;
        self.ttl_ms.is_some_and(over)
    }
}

/// The end of a message with one recipient. Made once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: MsgId,
    pub(crate) about: AcceptedMessage,
    /// `None`: with those who are not known.
    pub(crate) user: Option<UserId>,
    pub(crate) outcome: RecipientOutcome,
    pub(crate) state: DeliveryState,
    /// 0: not known.
    pub(crate) time_ms: u64,
    pub(crate) note: Option<Note>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecipientOutcome {
    /// The message came as far as was wanted.
    Reached,
    /// The time was up before a reader had it.
    Undelivered,
    /// The time was up when a reader had it.
    Unprocessed,
    /// A reader refused it for good.
    Refused,
    /// The message will not be delivered any more.
    Gone,
}

impl RecipientOutcome {
    /// The outcome of a state. `None`: a later one is waited for.
    pub(crate) fn from_state(wanted: Until, state: DeliveryState) -> Option<Self> {
        match (state, wanted) {
            (DeliveryState::Gone, _) => Some(Self::Gone),
            (DeliveryState::Processed, _) => Some(Self::Reached),
            // Whoever refuses it has got it.
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

impl Receipt {
    /// Fields of the line of `--json`, for news of this time.
    pub(crate) fn fields(&self, now_ms: u64) -> Vec<(&'static str, Value)> {
        let Self { id, about, user, state, note, .. } = self;
        let time = self.since(now_ms).map(clock::rfc3339);
        let mut fields = vec![
            ("id", id.to_string().into()),
            ("to", about.to.to_string().into()),
            ("number", about.number.into()),
            ("duplicate", about.duplicate.into()),
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

    /// When it came so far. The server does not keep all times; what was sent just now has come as
    /// far as it is between then and now.
    fn since(&self, now_ms: u64) -> Option<u64> {
        match (self.time_ms, self.state) {
            (1.., _) => Some(self.time_ms),
            _ if self.about.duplicate => None,
            (0, DeliveryState::Accepted) => Some(self.about.heard_ms),
            (0, _) => Some(now_ms),
        }
    }

    /// The answer, as a message from the one who gave it to the one who asked.
    pub(crate) fn reply(&self, asker: &UserId) -> Option<Received> {
        let (user, note) = (self.user.as_ref()?, self.note.as_ref()?);
        let body = note.body();
        if self.state != DeliveryState::Processed {
            return None;
        }
        let (to, headers) = (Target::User(asker.clone()), Headers::default());
        let size = body.len() as u64;
        let envelope = Envelope { size, ..Envelope::new(self.id, to, headers, Body::default()) };
        let message = Message { from: user.clone(), time_ms: self.time_ms, envelope };
        Some(Received::new(0, message, Content::Memory(body.0.clone())))
    }

    /// The failure that this receipt is at this time, if it is the only one.
    pub(crate) fn failure(&self, now_ms: u64) -> Option<Failure> {
        let who = self.who();
        let hint = match self.outcome {
            RecipientOutcome::Reached => return None,
            RecipientOutcome::Undelivered => self.fate(now_ms),
            RecipientOutcome::Unprocessed => {
                "it stays on the server until it is processed, so do not send it again".into()
            }
            RecipientOutcome::Refused => format!("it is kept for {who}: qmsg listen --dead"),
            RecipientOutcome::Gone => self.cause(now_ms),
        };
        Some(Failure::new(self.outcome.exit(), self.text()).hint(hint))
    }

    /// Hint about the message now that nobody waits for it any longer.
    fn fate(&self, now_ms: u64) -> String {
        let who = self.who();
        match self.about.ttl_ms {
            None => format!(
                "it waits on the server, so do not send it again; is anybody listening as {who}?"
            ),
            Some(_) if self.about.is_over(now_ms) => {
                format!("its time to live is over; is anybody listening as {who}?")
            }
            Some(_) => format!(
                "it waits on the server until its time to live is over; \
                 is anybody listening as {who}?"
            ),
        }
    }

    /// Why it will not be delivered.
    fn cause(&self, now_ms: u64) -> String {
        let who = self.who();
        if !self.about.duplicate && self.about.is_over(now_ms.saturating_add(HEARD_LATE_MS)) {
            return format!("it expired before {who} read it");
        }
        let ttl = if self.about.ttl_ms.is_some() { "it expired, or " } else { "" };
        let other = match &self.about.to {
            Target::User(_) => "it was removed before it was read".into(),
            _ => format!("{who} left the room, or it was removed to make room for newer messages"),
        };
        format!("{ttl}{other}")
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let who = self.who();
        match self.outcome {
            RecipientOutcome::Reached => format!("{who}: {}", word(self.state)),
            RecipientOutcome::Undelivered => format!("{who} did not receive the message in time"),
            RecipientOutcome::Unprocessed => {
                format!("{who} received the message but did not process it in time")
            }
            RecipientOutcome::Refused => match self.reason() {
                Some(reason) => format!("{who} refused the message: {reason}"),
                None => format!("{who} refused the message"),
            },
            RecipientOutcome::Gone => format!("{who} will not receive the message"),
        }
    }

    fn who(&self) -> Cow<'_, str> {
        match &self.user {
            Some(user) => user.as_str().into(),
            None => self.about.to.to_string().into(),
        }
    }

    fn reason(&self) -> Option<String> {
        let reason = String::from_utf8_lossy(&self.note.as_ref()?.body().0).trim().to_owned();
        (!reason.is_empty()).then_some(reason)
    }
}

/// As it is called in `--json`.
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

    use super::{AcceptedMessage, Receipt, RecipientOutcome};
    use crate::wire::{Body, DeliveryState, MsgId, Note, Target};

    fn news(
        outcome: RecipientOutcome,
        state: DeliveryState,
        note: Option<&'static [u8]>,
    ) -> Receipt {
        let to: Target = "@ops".parse().unwrap();
        Receipt {
            id: MsgId::from_bytes([7; 16]),
            about: AcceptedMessage {
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

    fn fields(news: &Receipt) -> BTreeMap<&'static str, Value> {
        news.fields(1_700_000_009_000).into_iter().collect()
    }

    #[test]
    fn an_object_says_who_how_far_and_when() {
        let (came, now) = ("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:29.000Z");
        let accepted = news(RecipientOutcome::Undelivered, DeliveryState::Accepted, None);
        let told = fields(&accepted);
        assert_eq!((&told["user"], &told["to"]), (&"bob".into(), &"@ops".into()));
        assert_eq!((&told["state"], &told["time"]), (&"accepted".into(), &came.into()));
        let kept = fields(&Receipt { time_ms: 1_700_000_009_000, ..accepted.clone() });
        assert_eq!(kept["time"], now, "what the server knows goes first");
        let unknown = fields(&Receipt { user: None, ..accepted });
        assert_eq!(unknown["user"], Value::Null);
        let mut done = news(RecipientOutcome::Reached, DeliveryState::Processed, Some(b"\xff"));
        let told = fields(&done);
        assert_eq!((&told["time"], &told["body_b64"]), (&now.into(), &"/w==".into()));
        done.about.duplicate = true;
        assert_eq!(fields(&done)["time"], Value::Null, "it may have been long ago");
        let refused =
            fields(&news(RecipientOutcome::Refused, DeliveryState::Rejected, Some(b"no")));
        assert_eq!((&refused["state"], &refused["reason"]), (&"refused".into(), &"no".into()));
        assert!(!refused.contains_key("body"));
    }

    #[test]
    fn only_a_reply_is_a_reply() {
        let asker = "alice".parse().unwrap();
        let reply = |state, note| news(RecipientOutcome::Reached, state, note).reply(&asker);
        assert!(reply(DeliveryState::Processed, None).is_none());
        assert!(reply(DeliveryState::Rejected, Some(b"no")).is_none());
        let letter = reply(DeliveryState::Processed, Some(b"yes")).unwrap();
        assert_eq!((letter.message().from.as_str(), letter.content().size()), ("bob", 3));
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
            let failure = news(outcome, state, note).failure(0).unwrap();
            assert!(failure.to_string().ends_with(what), "{failure}");
        }
        assert!(
            news(RecipientOutcome::Reached, DeliveryState::Processed, None).failure(0).is_none()
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
            let mut news = news(outcome, DeliveryState::Accepted, None);
            (news.about.ttl_ms, news.about.to) = (ttl_ms, to.parse().unwrap());
            let told = format!("{:?}", news.failure(1_700_000_000_000 + age_ms).unwrap());
            assert!(told.contains(hint), "{ttl_ms:?} after {age_ms}: {told}");
            let waits = told.contains("it waits on the server");
            assert_eq!(waits, outcome == undelivered && (ttl_ms.is_none() || age_ms == young));
        }
    }
}
