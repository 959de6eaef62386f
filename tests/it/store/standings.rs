//! Delivery states of messages, and search for messages by id.

use bytes::Bytes;
use qmsg::durable::{Disposition, Found, Quotas, Read, StoredCursor, Write};
use qmsg::wire::{
    Body, CHUNK_LEN_MAX, DeliveryState, Message, MsgId, Note, ParkedKind, RecipientStatus,
    STATUSES_MAX, Seq,
};
use tempfile::TempDir;

use super::Verdict;
use super::drawers::look;
use super::{
    DAY_MS, NOW_MS, Rig, append, claim, cursor, enter, leave, message, message_at, settle, sweep,
    target, with,
};

/// Time at which readers decide on messages.
const SAID_MS: u64 = NOW_MS + 1000;

pub(super) fn note(text: &str) -> Note {
    Note::new(Body(Bytes::copy_from_slice(text.as_bytes()))).unwrap()
}

pub(super) fn answered(text: &str) -> Disposition {
    Disposition::Replied(note(text))
}

pub(super) fn rejected(attempts: u32, text: &str) -> Disposition {
    Disposition::Rejected { attempts, reason: note(text) }
}

/// Makes an ack up to a seq, with dispositions of some of the messages.
pub(super) fn judge(
    user: &str,
    log: &str,
    through: StoredCursor,
    said: &[(Seq, Disposition)],
) -> Write {
    let mut write = settle(user, log, through, said.len() as u64, 0);
    if let Write::Ack { verdicts, .. } = &mut write {
        verdicts.extend(said.iter().map(|(seq, verdict)| (*seq, verdict.clone(), SAID_MS)));
    }
    write
}

pub(super) fn sent(rig: &mut Rig, to: &str, id: MsgId, from: &str) -> Option<Seq> {
    match rig.read(Read::FindMessage { to: target(to), id, from: from.parse().unwrap() }) {
        Found::MessageFound(at) => at.map(|(seq, _)| seq),
        other => panic!("{other:?}"),
    }
}

fn page(
    rig: &mut Rig,
    to: &str,
    seq: Seq,
    from: &str,
    after: Option<&str>,
) -> (Vec<RecipientStatus>, bool) {
    let after = after.map(|after| after.parse().unwrap());
    match rig.read(Read::Recipients { to: target(to), seq, from: from.parse().unwrap(), after }) {
        Found::Recipients(page, more) => (page, more),
        other => panic!("{other:?}"),
    }
}

/// Returns the delivery states of a message at all recipients, from all pages.
pub(super) fn standings(rig: &mut Rig, to: &str, seq: Seq, from: &str) -> Vec<RecipientStatus> {
    let mut all: Vec<RecipientStatus> = Vec::new();
    loop {
        let after = all.last().map(|last| last.user.to_string());
        let (more, goes_on) = page(rig, to, seq, from, after.as_deref());
        assert!(!more.is_empty() || !goes_on);
        all.extend(more);
        if !goes_on {
            return all;
        }
    }
}

fn stands(user: &str, state: DeliveryState, time_ms: u64, said: Option<&str>) -> RecipientStatus {
    RecipientStatus { user: user.parse().unwrap(), state, time_ms, note: said.map(note) }
}

fn waits(user: &str) -> RecipientStatus {
    stands(user, DeliveryState::Accepted, NOW_MS, None)
}

#[test]
fn go_from_accepted_to_what_the_reader_said() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit((1..=6).map(|n| append(message("alice", "bob", n, 9))).collect());
    for seq in 1..=6 {
        assert_eq!(standings(&mut rig, "bob", seq, "alice"), [waits("bob")]);
    }
    let said = [(2, answered("yes")), (3, rejected(5, "no")), (5, Disposition::Expired)];
    let said = judge("bob", "bob", cursor(3, 3, &[5]), &said);
    rig.one(said.clone());
    let expected = || {
        [
            stands("bob", DeliveryState::Processed, 0, None),
            stands("bob", DeliveryState::Processed, SAID_MS, Some("yes")),
            stands("bob", DeliveryState::Rejected, SAID_MS, Some("no")),
            waits("bob"),
            stands("bob", DeliveryState::Gone, SAID_MS, None),
            waits("bob"),
        ]
    };
    for _ in 0..2 {
        for (seq, standing) in (1..).zip(expected()) {
            assert_eq!(standings(&mut rig, "bob", seq, "alice"), [standing]);
        }
        // The first disposition stays.
        rig.one(said.clone());
        rig.one(judge("bob", "bob", cursor(3, 3, &[5]), &[(2, rejected(1, "after all"))]));
        rig.store.close();
        rig = Rig::open(dir.path(), Quotas::default());
    }
    assert_eq!(page(&mut rig, "bob", 2, "alice", Some("bob")), (vec![], false));
    assert_eq!(page(&mut rig, "bob", 2, "alice", Some("al")).0.len(), 1);
    assert_eq!(standings(&mut rig, "nobody", 1, "alice"), []);
    assert_eq!(standings(&mut rig, "@void", 1, "alice"), []);
    // In the own log even one's own message is for oneself.
    rig.one(append(message("bob", "bob", 7, 1)));
    assert_eq!(standings(&mut rig, "bob", 7, "bob"), [waits("bob")]);
}

#[test]
fn in_a_room_are_of_those_who_were_there() {
    let dir = TempDir::new().unwrap();
    let users = ["alice", "bob", "carol", "dave", "erin"];
    let mut rig = Rig::with(&dir, Quotas::default(), &users);
    rig.commit(["alice", "dave", "carol", "bob"].map(|user| enter(user, "ops")).into());
    rig.commit(vec![
        append(message("alice", "@ops", 1, 1)),
        enter("erin", "ops"),
        append(message("alice", "@ops", 2, 1)),
        leave("dave", "ops"),
        enter("dave", "ops"),
        append(message("alice", "bob", 3, 1)),
        append(message("alice", "@ops", 4, 1)),
    ]);
    rig.one(judge("bob", "@ops", cursor(1, 1, &[]), &[(1, answered("I"))]));
    rig.one(judge("carol", "@ops", cursor(0, 0, &[2]), &[(2, rejected(1, "II"))]));
    let of = |rig: &mut Rig, seq| standings(rig, "@ops", seq, "alice");
    let carol = stands("carol", DeliveryState::Rejected, SAID_MS, Some("II"));
    let expected = [
        vec![stands("bob", DeliveryState::Processed, SAID_MS, Some("I")), waits("carol")],
        vec![waits("bob"), carol, waits("erin")],
    ];
    assert_eq!([of(&mut rig, 1), of(&mut rig, 2)], expected);
    assert_eq!(of(&mut rig, 4), ["bob", "carol", "dave", "erin"].map(waits));
    // Nothing is stored of a reader who has left the room.
    rig.one(leave("carol", "ops"));
    rig.one(judge("carol", "@ops", cursor(4, 3, &[]), &[(4, rejected(1, "too late"))]));
    assert_eq!(of(&mut rig, 4), ["bob", "dave", "erin"].map(waits));
    rig.one(enter("carol", "ops"));
    assert_eq!(of(&mut rig, 4).len(), 3);
    rig.one(append(message("bob", "@ops", 5, 1)));
    let expected = ["alice", "carol", "dave", "erin"].map(waits);
    assert_eq!(standings(&mut rig, "@ops", 5, "bob"), expected);
}

#[test]
fn of_everyone_are_of_the_users_of_then() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["carol", "alice", "bob"]);
    rig.commit(vec![
        append(message("alice", "@all", 1, 1)),
        claim("abel"),
        append(message("alice", "@all", 2, 1)),
        settle("carol", "@all", cursor(1, 1, &[]), 1, 1),
    ]);
    let processed = stands("carol", DeliveryState::Processed, 0, None);
    assert_eq!(standings(&mut rig, "@all", 1, "alice"), [waits("bob"), processed]);
    let expected = ["abel", "bob", "carol"].map(waits);
    assert_eq!(standings(&mut rig, "@all", 2, "alice"), expected);
}

#[test]
fn come_in_pages() {
    let dir = TempDir::new().unwrap();
    let users: Vec<_> = (0..200).map(|n| format!("user-{n:03}")).collect();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice"]);
    rig.commit(users.iter().map(|user| claim(user)).collect());
    rig.commit(users.iter().rev().map(|user| enter(user, "ops")).collect());
    rig.commit(vec![
        append(message("alice", "@ops", 1, 1)),
        append(message("alice", "@all", 2, 1)),
    ]);
    for (log, seq) in [("@ops", 1), ("@all", 2)] {
        let (first, more) = page(&mut rig, log, seq, "alice", None);
        assert_eq!((first.len(), more), (STATUSES_MAX, true));
        let all = standings(&mut rig, log, seq, "alice");
        let expected: Vec<_> = users.iter().map(|user| waits(user)).collect();
        assert_eq!(all, expected);
    }
    // Fewer recipients fit into a page if their answers are long.
    let long = "x".repeat(CHUNK_LEN_MAX / 4);
    let says = |user: &String| judge(user, "@ops", cursor(1, 1, &[]), &[(1, answered(&long))]);
    rig.commit(users.iter().take(9).map(says).collect());
    let (first, more) = page(&mut rig, "@ops", 1, "alice", None);
    assert_eq!((first.len(), more), (4, true));
    let (second, more) = page(&mut rig, "@ops", 1, "alice", Some("user-005"));
    assert_eq!((second.len(), more), (STATUSES_MAX, true));
    assert_eq!(standings(&mut rig, "@ops", 1, "alice").len(), 200);
}

#[test]
fn are_kept_while_their_message_may_be() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    rig.commit(vec![enter("bob", "ops"), enter("carol", "ops")]);
    let logs = ["bob", "@ops"];
    rig.commit((1..).zip(logs).map(|(n, to)| append(message("alice", to, n, 1))).collect());
    for (seq, log) in (1..).zip(logs) {
        rig.one(judge("bob", log, cursor(seq, 1, &[]), &[(seq, rejected(1, "no"))]));
    }
    let refused = stands("bob", DeliveryState::Rejected, SAID_MS, Some("no"));
    let first = |rig: &mut Rig, seq: usize| {
        let to = logs[seq - 1];
        standings(rig, to, seq as u64, "alice").remove(0)
    };
    let swept = Verdict::Swept { more: false };
    assert_eq!(rig.one(sweep(SAID_MS + DAY_MS - 1)), swept);
    assert_eq!([first(&mut rig, 1), first(&mut rig, 2)], [refused.clone(), refused.clone()]);
    assert_eq!(rig.one(sweep(SAID_MS + DAY_MS)), swept);
    let processed = stands("bob", DeliveryState::Processed, 0, None);
    assert_eq!([first(&mut rig, 1), first(&mut rig, 2)], [processed, refused]);
    rig.one(sweep(SAID_MS + 30 * DAY_MS));
    let rows = "SELECT count(*) FROM verdict";
    let rows: i64 = super::database(dir.path()).query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn tell_what_was_removed_unread() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 3, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob", "carol"]);
    rig.commit(vec![enter("bob", "ops"), enter("carol", "ops")]);
    rig.one(append(message("alice", "@ops", 1, 1)));
    rig.one(settle("carol", "@ops", cursor(1, 1, &[]), 1, 1));
    rig.commit((2..=5).map(|n| append(message("alice", "@ops", n, 1))).collect());
    let expected = [
        stands("bob", DeliveryState::Gone, 0, None),
        stands("carol", DeliveryState::Processed, 0, None),
    ];
    assert_eq!(standings(&mut rig, "@ops", 1, "alice"), expected);
    assert_eq!(sent(&mut rig, "@ops", message("alice", "@ops", 1, 1).id, "alice"), None);
    assert_eq!(sent(&mut rig, "@ops", message("alice", "@ops", 3, 1).id, "alice"), Some(3));
}

#[test]
fn messages_are_found_by_id_and_sender() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob", "carol"]);
    let by =
        |from: &str, n| Message { from: from.parse().unwrap(), ..message("alice", "bob", n, 1) };
    rig.commit((1..=400).map(|n| append(message("alice", "bob", n, 1))).collect());
    for n in 401..=405 {
        rig.one(append(by("carol", n)));
    }
    rig.one(append(by("carol", 7)));
    // One message was spooled for six days, the other comes from a clock that is ahead.
    let (spooled, ahead) = (NOW_MS - 6 * DAY_MS, NOW_MS + DAY_MS);
    let made =
        |ms| with(by("alice", 1), |message| message.id = message_at(ms, "alice", "bob", 1, 1).id);
    rig.commit(vec![append(made(spooled)), append(made(ahead))]);
    for _ in 0..2 {
        let mut seq = |n, from| sent(&mut rig, "bob", by("alice", n).id, from);
        assert_eq!(
            (seq(1, "alice"), seq(7, "alice"), seq(400, "alice")),
            (Some(1), Some(7), Some(400))
        );
        assert_eq!(
            (seq(7, "carol"), seq(404, "carol"), seq(9, "carol")),
            (Some(406), Some(404), None)
        );
        assert_eq!((seq(404, "alice"), seq(1, "nobody"), seq(500, "alice")), (None, None, None));
        assert_eq!(sent(&mut rig, "bob", made(spooled).id, "alice"), Some(407));
        assert_eq!(sent(&mut rig, "bob", made(ahead).id, "alice"), Some(408));
        assert_eq!(sent(&mut rig, "carol", by("alice", 1).id, "alice"), None);
        assert_eq!(sent(&mut rig, "@void", by("alice", 1).id, "alice"), None);
        rig.store.close();
        rig = Rig::open(dir.path(), Quotas::default());
    }
}

/// Dispositions made while a reader leaves a room and returns arrive after its return. Nobody waits
/// for them any more.
#[test]
fn nothing_is_kept_of_what_was_said_before_a_return() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit(vec![enter("bob", "ops"), append(message("alice", "@ops", 1, 1))]);
    rig.commit(vec![leave("bob", "ops"), enter("bob", "ops")]);
    rig.one(judge("bob", "@ops", cursor(1, 1, &[]), &[(1, rejected(3, "no"))]));
    assert_eq!(look(&mut rig, "bob", ParkedKind::DeadLetters), []);
    // Later messages are treated as usual.
    rig.one(append(message("alice", "@ops", 2, 1)));
    rig.one(judge("bob", "@ops", cursor(2, 2, &[]), &[(2, rejected(1, "no"))]));
    assert_eq!(look(&mut rig, "bob", ParkedKind::DeadLetters).len(), 1);
}
