//! What became of messages with their recipients, and how it is said.

use std::borrow::Cow;

use data_encoding::BASE64;
use serde_json::Value;

use crate::cli::clock;
use crate::cli::content::Content;
use crate::cli::fail::{Exit, Failure};
use crate::cli::job::Until;
use crate::cli::render::Letter;
use crate::wire::{Body, Headers, Message, MsgId, Note, State, Target, UserId};

/// What an accepted message is, for the one who reads about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    /// Its place in the input, from 1.
    pub(super) number: u64,
    pub(super) to: Target,
    pub(super) duplicate: bool,
}

/// What became of a message with a recipient. Said once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) id: MsgId,
    pub(super) about: About,
    /// `None`: with those who are not known.
    pub(super) user: Option<UserId>,
    pub(super) outcome: Outcome,
    pub(super) state: State,
    /// 0: not known.
    pub(super) time_ms: u64,
    pub(super) note: Option<Note>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It came as far as was wanted.
    Reached,
    /// The time was up before a reader had it.
    Undelivered,
    /// The time was up when a reader had it.
    Unprocessed,
    /// A reader refused it for good.
    Refused,
    /// It will not be delivered any more.
    Gone,
}

impl Outcome {
    /// What a state comes to. `None`: it is to be waited for.
    pub(super) fn of(wanted: Until, state: State) -> Option<Self> {
        match (state, wanted) {
            (State::Gone, _) => Some(Self::Gone),
            (State::Processed, _) => Some(Self::Reached),
            // Whoever refuses it has got it.
            (State::Refused, Until::Processed) => Some(Self::Refused),
            (State::Delivered, Until::Processed) | (State::Accepted, _) => None,
            (State::Delivered | State::Refused, _) => Some(Self::Reached),
        }
    }

    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Reached => Exit::Success,
            Self::Undelivered | Self::Gone => Exit::Undelivered,
            Self::Unprocessed => Exit::Unprocessed,
            Self::Refused => Exit::Refused,
        }
    }
}

impl News {
    /// Its line of `--json`.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value)> {
        let Self { id, about, user, state, time_ms, note, .. } = self;
        let time = (*time_ms > 0).then(|| clock::rfc3339(*time_ms));
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
            let names = if *state == State::Refused {
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

    /// The answer, as a message from the one who gave it to the one who asked.
    pub(super) fn reply(&self, asker: &UserId) -> Option<Letter> {
        let (user, note) = (self.user.as_ref()?, self.note.as_ref()?);
        let body = note.body();
        if self.state != State::Processed {
            return None;
        }
        let message = Message {
            id: self.id,
            from: user.clone(),
            to: Target::User(asker.clone()),
            time_ms: self.time_ms,
            headers: Headers::default(),
            size: body.len() as u64,
            body: Body::default(),
        };
        Some(Letter { seq: 0, message, content: Content::Memory(body.0.clone()) })
    }

    /// What is wrong with it, if it is the only one.
    pub(super) fn failure(&self) -> Option<Failure> {
        let who = self.who();
        let hint = match self.outcome {
            Outcome::Reached => return None,
            Outcome::Undelivered => format!(
                "it waits on the server, so do not send it again; does anybody listen as {who}?"
            ),
            Outcome::Unprocessed => {
                "it stays on the server until it is processed, so do not send it again".into()
            }
            Outcome::Refused => format!("it is kept for {who}: qmsg listen --dead"),
            Outcome::Gone => format!(
                "its time to live was over, or {who} has left the room, or it made place for others"
            ),
        };
        Some(Failure::new(self.outcome.exit(), self.text()).hint(hint))
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let who = self.who();
        match self.outcome {
            Outcome::Reached => format!("{who}: {}", word(self.state)),
            Outcome::Undelivered => format!("{who} has not got the message in time"),
            Outcome::Unprocessed => {
                format!("{who} has got the message, and not dealt with it in time")
            }
            Outcome::Refused => match self.reason() {
                Some(reason) => format!("{who} has refused the message: {reason}"),
                None => format!("{who} has refused the message"),
            },
            Outcome::Gone => format!("{who} will not get the message any more"),
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
fn word(state: State) -> &'static str {
    match state {
        State::Accepted => "accepted",
        State::Delivered => "delivered",
        State::Gone => "gone",
        State::Refused => "refused",
        State::Processed => "processed",
    }
}
