//! The script of each conversation.

use qmsg::logic::{Command, Draft, Prefetch};
use qmsg::wire::{CHUNK_LEN_MAX, Envelope, Headers, MsgId, ParkedKind, Start};

use super::talk::Talk;
use crate::logic::server::START;
use crate::logic::tracking::note;
use crate::logic::{body_of, id, room, target};

type Script = fn(&mut Talk);

pub(super) const SCRIPTS: [(&str, Script); 8] = [
    ("send", send),
    ("long", long),
    ("volatile", volatile),
    ("rooms", rooms),
    ("track", track),
    ("parked", parked),
    ("share", share),
    ("replay", replay),
];

const READS: Prefetch = Prefetch { messages: 10, bytes: 1 << 20, ..Prefetch::DEFAULT };

fn draft(n: u64, to: &str) -> Draft {
    let pairs = vec![("title".into(), "disk full".into())];
    let body = body_of(id(n), 5);
    Envelope::new(id(n), target(to), Headers::new(pairs).unwrap(), body).into()
}

/// Single messages, a bundle, a repeated id, and a target that does not exist.
fn send(talk: &mut Talk) {
    talk.join("alice", None);
    talk.join("bob", Some(READS));
    talk.user("alice", Command::Send(vec![draft(1, "bob")]));
    talk.user("alice", Command::Send((2..5).map(|n| draft(n, "bob")).collect()));
    talk.user("bob", Command::Ack(vec![1, 2]));
    talk.user("bob", Command::Ack(vec![3, 4]));
    talk.user("alice", Command::Send(vec![draft(1, "bob")]));
    talk.user("alice", Command::Send(vec![draft(5, "nobody")]));
    talk.user("alice", Command::Send(vec![draft(6, "@all")]));
    talk.user("bob", Command::Ack(vec![5]));
}

/// A body in chunks, stored and volatile, and one that its sender aborts.
fn long(talk: &mut Talk) {
    talk.join("alice", None);
    talk.join("bob", Some(READS));
    for (n, volatile) in [(1, false), (2, true)] {
        let mut draft = Draft { volatile, ..draft(n, "bob") };
        draft.size = 2 * CHUNK_LEN_MAX as u64 + 7;
        draft.body = talk.chunk(draft.size, 0);
        talk.user("alice", Command::Send(vec![draft]));
        talk.user("bob", Command::ChunksConsumed(3));
        talk.user("bob", Command::Ack(vec![if volatile { 0 } else { 1 }]));
    }
}

fn volatile(talk: &mut Talk) {
    talk.join("alice", None);
    talk.join("bob", Some(READS));
    let volatile = |n, to: &str| Draft { volatile: true, ..draft(n, to) };
    talk.user("alice", Command::Send(vec![volatile(1, "bob")]));
    talk.user("alice", Command::Send((2..4).map(|n| volatile(n, "bob")).collect()));
    talk.user("bob", Command::Ack(vec![0, 0, 0]));
    talk.user("alice", Command::Send(vec![volatile(4, "alice")]));
}

fn rooms(talk: &mut Talk) {
    talk.join("alice", Some(READS));
    talk.join("bob", Some(READS));
    talk.user("bob", Command::JoinRoom(room("ops")));
    talk.user("bob", Command::JoinRoom(room("ops")));
    talk.user("alice", Command::Send(vec![draft(1, "@ops")]));
    talk.user("bob", Command::Ack(vec![1]));
    talk.user("bob", Command::LeaveRoom(room("ops")));
    talk.user("bob", Command::LeaveRoom(room("dev")));
    talk.user("alice", Command::Send(vec![draft(2, "@dev")]));
}

fn track(talk: &mut Talk) {
    talk.join("alice", None);
    talk.join("bob", Some(READS));
    let to = || target("bob");
    talk.user("alice", Command::Send(vec![draft(1, "bob"), draft(2, "bob")]));
    talk.user("alice", Command::Track { id: id(1), to: to() });
    talk.user("alice", Command::Track { id: id(2), to: to() });
    talk.user("alice", Command::Track { id: id(3), to: to() });
    talk.user("bob", Command::Reply { seq: 1, reply: note("yes") });
    talk.user("alice", Command::Untrack(id(2)));
    talk.user("bob", Command::Ack(vec![2]));
}

/// Dead letters, and scheduled messages.
fn parked(talk: &mut Talk) {
    talk.join("alice", None);
    talk.join("bob", Some(READS));
    talk.user("alice", Command::Send(vec![draft(1, "bob"), draft(2, "bob")]));
    for seq in [1, 2] {
        talk.user("bob", Command::Reject { seq, attempts: 3, reason: note("no") });
    }
    let (dead, scheduled) = (ParkedKind::DeadLetters, ParkedKind::Scheduled);
    talk.user("bob", Command::ListParked(dead));
    let take = |drawer, id: Option<MsgId>, back| Command::TakeParked { drawer, id, back };
    talk.user("bob", take(dead, Some(id(1)), true));
    talk.user("bob", take(dead, None, false));
    let later = |n| Draft { due_ms: Some(START.unix_ms + 1_000), ..draft(n, "bob") };
    talk.user("alice", Command::Send(vec![later(3), later(4)]));
    talk.user("alice", Command::ListParked(scheduled));
    talk.user("alice", take(scheduled, Some(id(4)), false));
    talk.passes(1_000);
}

/// Readers that share; a lost one resumes its deliveries.
fn share(talk: &mut Talk) {
    let shares = Prefetch { messages: 2, share: true, ..READS };
    talk.join("alice", None);
    talk.join("bob", Some(shares));
    talk.user("alice", Command::Send((1..5).map(|n| draft(n, "bob")).collect()));
    talk.user("bob", Command::Ack(vec![1]));
    talk.user("bob", Command::Release(vec![2]));
    talk.loses("bob");
    talk.user("bob", Command::Ack(vec![3]));
}

/// A reader that begins with earlier messages.
fn replay(talk: &mut Talk) {
    talk.join("alice", None);
    talk.join("bob", None);
    talk.user("alice", Command::Send(vec![draft(1, "bob"), draft(2, "bob")]));
    talk.join("bob", Some(Prefetch { start: Start::Since(START.unix_ms), ..READS }));
    talk.user("bob", Command::Ack(vec![1, 2]));
    talk.join("bob", Some(Prefetch { start: Start::After(id(1)), ..READS }));
    talk.loses("bob");
}
