//! Dead letters: looked at, put back, deleted.

use std::time::Duration;

use anyhow::Result;
use data_encoding::BASE64;
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::cli::fail::{self, Exit, Failure};
use crate::cli::json::{headers, json};
use crate::cli::profile::{self, Profile};
use crate::cli::render::visible;
use crate::cli::{Talk, clock, connect, print};
use crate::client;
use crate::logic::{Command, Event, Intent};
use crate::quic::Trust;
use crate::wire::{Drawer, Kept, Target};

use super::args::{ListenArgs, Which};

/// How long to go without an answer, unless --timeout says otherwise.
const PATIENCE: Duration = Duration::from_secs(10);
/// Batches between link and loop.
const QUEUE_MAX: usize = 16;
/// Of a body, in a line.
const TEXT_CHARS_MAX: usize = 60;

/// What to do with dead letters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task {
    List,
    Requeue(Which),
    Drop(Which),
}

/// What the flags ask for, if it is about dead letters.
pub(super) fn task(args: &ListenArgs) -> Option<Task> {
    let requeue = args.drawer.requeue.map(Task::Requeue);
    let drop = args.drawer.drop.map(Task::Drop);
    requeue.or(drop).or(args.drawer.dead.then_some(Task::List))
}

impl Task {
    fn command(self) -> Command {
        let drawer = Drawer::Dead;
        let take = |which, back| match which {
            Which::All => Command::Take { drawer, id: None, back },
            Which::One(id) => Command::Take { drawer, id: Some(id), back },
        };
        match self {
            Self::List => Command::Look(drawer),
            Self::Requeue(which) => take(which, true),
            Self::Drop(which) => take(which, false),
        }
    }

    /// Says what was done.
    fn told(self, count: u64, talk: Talk) -> Result<Exit> {
        let (which, done) = match self {
            Self::List => return Ok(Exit::Success),
            Self::Requeue(which) => (which, "put back"),
            Self::Drop(which) => (which, "deleted"),
        };
        match (which, count) {
            (Which::One(_), 0) => Err(Failure::new(Exit::NoUser, "no such dead letter")
                .hint("`qmsg listen --dead` lists them")
                .into()),
            (_, 1) => {
                fail::note(talk, &format!("1 dead letter is {done}"));
                Ok(Exit::Success)
            }
            (_, count) => {
                fail::note(talk, &format!("{count} dead letters are {done}"));
                Ok(Exit::Success)
            }
        }
    }
}

pub(super) fn run(args: &ListenArgs, task: Task, talk: Talk) -> Result<Exit> {
    let Profile { id, identity, server, pin } = profile::choose(&args.who)?;
    let patience_ms = Some(args.timeout.unwrap_or(PATIENCE).as_millis() as u64);
    let intent = Intent { id: id.clone(), claim: false, code: None, attach: None, patience_ms };
    let dial = connect::dial(&server, Trust::Pin(pin), identity, false);
    let settings = client::Settings { dial, dialer: None, intent, trust_remote: false };
    let line = if args.as_json() { object } else { text };
    let (result, count) = connect::runtime()?.block_on(async {
        let (commands, receiver) = mpsc::channel(1);
        let (sender, mut events) = mpsc::channel(QUEUE_MAX);
        // There is room for one.
        let _ = commands.try_send(task.command());
        drop(commands);
        let told = async {
            let mut taken = 0;
            while let Some(batch) = events.recv().await {
                for event in batch {
                    match event {
                        Event::Kept(kept) => print::line(&line(&kept))?,
                        Event::Taken { count, .. } => taken += count,
                        _ => {}
                    }
                }
            }
            anyhow::Ok(taken)
        };
        tokio::join!(client::run(settings, receiver, sender), told)
    });
    result.map_err(|error| fail::client_failure(error, &server.to_string(), id.as_str()))?;
    task.told(count?, talk)
}

/// What is shown of its body: no half character at its end, if it was cut there.
fn body(kept: &Kept) -> Result<&str, &[u8]> {
    let bytes = &kept.body.0[..];
    let is_cut = (bytes.len() as u64) < kept.size;
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            str::from_utf8(&bytes[..error.valid_up_to()]).map_err(|_| bytes)
        }
        Err(_) => Err(bytes),
    }
}

/// For people and scripts: id, when it was refused, who sent it, why it was refused, and what it
/// says, with tabs in between.
fn text(kept: &Kept) -> String {
    let to = match &kept.to {
        Target::User(_) => String::new(),
        group => format!(" {group}"),
    };
    let title = kept.headers.iter().find(|(name, _)| *name == "title");
    let text = match (title, body(kept)) {
        (Some((_, title)), _) => title,
        (None, Ok(text)) => text,
        (None, Err(_)) => "(no text)",
    };
    let text = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let text: String = text.trim().chars().take(TEXT_CHARS_MAX).collect();
    let reason = String::from_utf8_lossy(&kept.reason.body().0);
    let (id, time, from) = (kept.id, clock::local(kept.at_ms), &kept.from);
    let attempts = match kept.attempts {
        1 => "1 attempt".to_owned(),
        count => format!("{count} attempts"),
    };
    let line = [format!("{id}\t{time}\t{from}{to}\t{reason}, {attempts}"), text].join("\t");
    visible(&line).replace('\n', "\u{240a}")
}

/// The documented fields.
fn object(kept: &Kept) -> String {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("id", kept.id.to_string().into());
    put("from", kept.from.to_string().into());
    put("to", kept.to.to_string().into());
    put("time", clock::rfc3339(kept.time_ms).into());
    put("dead", clock::rfc3339(kept.at_ms).into());
    put("attempts", kept.attempts.into());
    put("reason", String::from_utf8_lossy(&kept.reason.body().0).into());
    put("headers", headers(&kept.headers));
    put("size", kept.size.into());
    match body(kept) {
        Ok(text) => put("body", text.into()),
        Err(bytes) => put("body_b64", BASE64.encode(bytes).into()),
    };
    if (kept.body.len() as u64) < kept.size {
        put("cut", true.into());
    }
    json(&Value::Object(object))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use serde_json::Value;

    use super::{object, text};
    use crate::wire::{Body, Drawer, Headers, Kept, MsgId, Note};

    fn kept(to: &str, body: &'static [u8], size: u64, headers: &[(&str, &str)]) -> Kept {
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Kept {
            drawer: Drawer::Dead,
            number: 1,
            id: MsgId::new(1_700_000_000_000, [7; 10]),
            from: "alice".parse().unwrap(),
            to: to.parse().unwrap(),
            time_ms: 1_700_000_000_123,
            at_ms: 1_700_000_005_000,
            attempts: 5,
            reason: Note::new(Body(b"exit code 1"[..].into())).unwrap(),
            headers: Headers::new(pairs.collect()).unwrap(),
            size,
            body: Body(body.into()),
        }
    }

    fn last(kept: &Kept) -> String {
        text(kept).rsplit('\t').next().unwrap().to_owned()
    }

    #[test]
    fn a_line_says_what_and_why() {
        let line = text(&kept("@ops", b"\n  disk full\nreally", 20, &[]));
        assert!(line.starts_with("018bcfe5-6800-7707-8707-070707070707\t2023-11-1"), "{line}");
        assert!(line.ends_with("\talice @ops\texit code 1, 5 attempts\tdisk full"), "{line}");
        assert_eq!(last(&kept("bob", b"x", 1, &[("title", "a\x1b[2J\nb")])), "a\u{241b}[2J");
        assert_eq!(last(&kept("bob", b"\xff", 1, &[])), "(no text)");
        assert_eq!(last(&kept("bob", b"", 0, &[])), "");
        assert_eq!(last(&kept("bob", b"\xe2\x82\xac\xe2\x82", 9, &[])), "\u{20ac}");
    }

    #[test]
    fn an_object_has_all_fields() {
        let value = |kept| serde_json::from_str::<Value>(&object(&kept)).unwrap();
        let whole = value(kept("@ops", b"a", 1, &[("title", "t")]));
        let wanted = serde_json::json!({
            "id": "018bcfe5-6800-7707-8707-070707070707",
            "from": "alice",
            "to": "@ops",
            "time": "2023-11-14T22:13:20.123Z",
            "dead": "2023-11-14T22:13:25.000Z",
            "attempts": 5,
            "reason": "exit code 1",
            "headers": { "title": "t" },
            "size": 1,
            "body": "a",
        });
        assert_eq!(whole, wanted);
        let cut = value(kept("bob", b"\xe2\x82\xac\xe2\x82", 9, &[]));
        assert_eq!((&cut["body"], &cut["cut"]), (&"\u{20ac}".into(), &true.into()));
        assert_eq!(value(kept("bob", b"\xff", 1, &[]))["body_b64"], "/w==");
    }
}
