//! All writes and their outcomes.

use std::sync::Arc;

use qmsg::durable::{Found, Quotas, Read, StoredCursor, Upload, Write};
use qmsg::store::{OpenError, invite};
use qmsg::wire::{JoinCode, Pin};
use tempfile::TempDir;

use super::Verdict;
use super::scheduling::schedule;
use super::{
    NOW_MS, Rig, append, claim, cursor, enter, leave, member, message, settle, stored, sweep,
};

fn claim_with(user: &str, key: u8, code: Option<u8>) -> Write {
    Write::Claim {
        id: user.parse().unwrap(),
        key: Pin([key; 32]),
        code_needed: true,
        code: code.map(|byte| JoinCode([byte; 16])),
        now_ms: NOW_MS,
    }
}

#[test]
fn an_id_belongs_to_its_first_key() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    let owner = || Read::Owner { id: "alice".parse().unwrap() };
    assert_eq!(rig.read(owner()), Found::Owner(None));
    let new = |new| Verdict::Claimed { new };
    assert_eq!(rig.commit(vec![claim("alice"), claim("alice")]), [new(true), new(false)]);
    assert_eq!(rig.one(claim_with("alice", 2, None)), Verdict::Taken);
    assert_eq!(rig.one(claim_with("alice", 1, None)), new(false));
    assert_eq!(rig.read(owner()), Found::Owner(Some(Pin([1; 32]))));
}

#[test]
fn a_code_is_good_once_and_until_it_expires() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(invite(dir.path(), &JoinCode([1; 16]), 0), Err(OpenError::Missing(_))));
    let mut rig = Rig::open(dir.path(), Quotas { users_max: 2, ..Quotas::default() });
    invite(dir.path(), &JoinCode([1; 16]), NOW_MS + 1).unwrap();
    invite(dir.path(), &JoinCode([2; 16]), NOW_MS).unwrap();
    let by_the_store = Write::Invite { code: JoinCode([3; 16]), expires_ms: NOW_MS + 1 };
    assert_eq!(rig.one(by_the_store), Verdict::Invited);
    let outcomes = rig.commit(vec![
        claim_with("alice", 1, None),
        claim_with("alice", 1, Some(9)),
        claim_with("alice", 1, Some(2)),
        claim_with("alice", 1, Some(1)),
        claim_with("bob", 1, Some(1)),
        claim_with("alice", 1, Some(3)),
        claim_with("bob", 1, Some(3)),
        claim_with("carol", 1, Some(3)),
    ]);
    let expected = [
        Verdict::CodeNeeded,
        Verdict::CodeBad,
        Verdict::CodeBad,
        Verdict::Claimed { new: true },
        Verdict::CodeBad,
        // The id is owned already, so the code is not spent.
        Verdict::Claimed { new: false },
        Verdict::Claimed { new: true },
        Verdict::Full,
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn the_file_does_not_hold_codes() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::open(dir.path(), Quotas::default());
    invite(dir.path(), &JoinCode(*b"sixteen is secre"), NOW_MS + 1).unwrap();
    rig.store.close();
    let file = std::fs::read(dir.path().join("store.db")).unwrap();
    assert!(!file.windows(16).any(|window| window == b"sixteen is secre"));
}

#[test]
fn messages_are_numbered_and_stored_once() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    let same = message("alice", "bob", 1, 10);
    let by_bob = message("bob", "bob", 1, 10);
    let outcomes = rig.commit(vec![
        append(same.clone()),
        append(message("alice", "nobody", 2, 1)),
        append(message("nobody", "bob", 3, 1)),
        append(message("alice", "@void", 4, 1)),
        append(same.clone()),
        append(by_bob),
        append(message("alice", "@all", 5, 0)),
        append(message("alice", "alice", 6, 1)),
    ]);
    let expected = [
        stored(1, 1),
        Verdict::UnknownTarget,
        Verdict::UnknownTarget,
        Verdict::UnknownTarget,
        Verdict::Duplicate,
        stored(2, 2),
        stored(3, 1),
        stored(4, 1),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(rig.one(append(same)), Verdict::Duplicate);
    assert_eq!(rig.one(append(message("alice", "bob", 9, 1))), stored(5, 3));
}

#[test]
fn a_mailbox_at_its_quota_refuses() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { log_messages_max: 2, log_bytes_max: 100, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let send = |n, length| append(message("alice", "bob", n, length));
    // The first message may exceed the quota, or it could never be sent.
    let outcomes = rig.commit(vec![send(1, 500), send(2, 1), send(1, 500)]);
    assert_eq!(outcomes, [stored(1, 1), Verdict::Full, Verdict::Duplicate]);
    let outcomes = rig.commit(vec![
        settle("bob", "bob", cursor(1, 1, &[]), 1, 500),
        send(2, 60),
        send(3, 41),
        send(3, 40),
        send(4, 0),
    ]);
    let expected = [Verdict::AckRecorded, stored(2, 2), Verdict::Full, stored(3, 3), Verdict::Full];
    assert_eq!(outcomes, expected);
    // The log of another user is not affected, and acked messages no longer count.
    assert_eq!(rig.one(append(message("bob", "alice", 5, 60))), stored(4, 1));
    rig.one(settle("bob", "bob", cursor(2, 2, &[]), 1, 60));
    assert_eq!(rig.one(send(4, 0)), stored(5, 4));
}

#[test]
fn cursors_move_forward_only_and_survive() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice"]);
    let own = |rig: &mut Rig| rig.mailbox("alice").remove(0);
    assert_eq!(own(&mut rig), ("alice".into(), StoredCursor::default()));
    rig.commit(vec![
        settle("alice", "alice", cursor(4, 2, &[6, 9]), 0, 0),
        settle("alice", "alice", cursor(3, 1, &[]), 0, 0),
    ]);
    assert_eq!(own(&mut rig).1, cursor(4, 2, &[6, 9]));
    rig.one(settle("alice", "alice", cursor(3, 1, &[]), 0, 0));
    assert_eq!(own(&mut rig).1, cursor(4, 2, &[6, 9]));
    rig.one(settle("alice", "alice", cursor(4, 2, &[6, 8, 9]), 0, 0));
    rig.store.close();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(own(&mut rig).1, cursor(4, 2, &[6, 8, 9]));
    // Writes for users, rooms and memberships that do not exist create nothing.
    let outcomes = rig.commit(vec![
        settle("nobody", "nobody", cursor(4, 2, &[]), 0, 0),
        settle("alice", "@void", cursor(4, 2, &[]), 0, 0),
    ]);
    assert_eq!(outcomes, [Verdict::AckRecorded, Verdict::AckRecorded]);
    assert_eq!(rig.mailbox("alice").len(), 2);
}

#[test]
fn rooms_are_entered_and_left() {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas { rooms_max: 2, memberships_max: 2, ..Quotas::default() };
    let mut rig = Rig::with(&dir, quotas, &["alice", "bob"]);
    let none = StoredCursor::default;
    let outcomes = rig.commit(vec![
        leave("alice", "ops"), // no such room
        enter("alice", "ops"),
        append(message("alice", "@ops", 1, 1)),
        enter("bob", "ops"),
        settle("alice", "@ops", cursor(1, 1, &[]), 1, 1),
        enter("alice", "ops"),
        enter("nobody", "ops"),
    ]);
    let expected = [
        Verdict::UnknownTarget,
        member(true, none()),
        stored(1, 1),
        member(true, cursor(1, 1, &[])),
        Verdict::AckRecorded,
        member(false, cursor(1, 1, &[])),
        Verdict::UnknownTarget,
    ];
    assert_eq!(outcomes, expected);
    let outcomes = rig.commit(vec![
        enter("bob", "dev"),
        enter("bob", "art"),
        enter("alice", "art"),
        leave("bob", "ops"),
        settle("bob", "@ops", cursor(1, 1, &[]), 0, 0),
        leave("bob", "ops"),
        enter("bob", "ops"),
    ]);
    let expected = [
        member(true, none()),
        Verdict::Full, // two memberships
        Verdict::Full, // two rooms
        member(true, none()),
        Verdict::AckRecorded,
        member(false, none()),
        member(true, cursor(1, 1, &[])),
    ];
    assert_eq!(outcomes, expected);
    let names: Vec<_> = rig.mailbox("bob").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["bob", "@all", "@dev", "@ops"]);
    // A room without members still takes messages.
    rig.commit(vec![leave("bob", "dev")]);
    assert_eq!(rig.one(append(message("alice", "@dev", 2, 1))), stored(2, 1));
}

#[test]
fn a_name_of_the_other_kind_is_told() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice", "bob"]);
    rig.commit(vec![enter("bob", "ops")]);
    for (to, outcome) in [
        ("ops", Verdict::OtherKind),
        ("@bob", Verdict::OtherKind),
        ("all", Verdict::OtherKind),
        ("dev", Verdict::UnknownTarget),
        ("@dev", Verdict::UnknownTarget),
    ] {
        assert_eq!(rig.one(append(message("alice", to, 1, 1))), outcome, "{to}");
        assert_eq!(rig.one(schedule(message("alice", to, 1, 1), 9)), outcome, "{to}");
        let bundle = Arc::new(message("alice", to, 1, 1).into());
        let begin = Write::BeginUpload { upload: Upload(1), bundle };
        assert_eq!(rig.one(begin), outcome, "{to}");
    }
}

#[test]
fn a_newcomer_hears_broadcasts_from_the_claim_on() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::with(&dir, Quotas::default(), &["alice"]);
    rig.commit(vec![
        append(message("alice", "@all", 1, 1)),
        append(message("alice", "alice", 2, 1)),
        claim("bob"),
        append(message("alice", "@all", 3, 1)),
    ]);
    assert_eq!(rig.mailbox("bob")[1], ("@all".into(), cursor(1, 1, &[])));
    rig.one(settle("bob", "@all", cursor(0, 0, &[]), 0, 0));
    assert_eq!(rig.mailbox("bob")[1].1, cursor(1, 1, &[]));
    rig.one(settle("bob", "@all", cursor(3, 2, &[]), 0, 0));
    assert_eq!(rig.mailbox("bob")[1].1, cursor(3, 2, &[]));
}

#[test]
fn an_empty_batch_and_an_empty_sweep_are_answered() {
    let dir = TempDir::new().unwrap();
    let mut rig = Rig::open(dir.path(), Quotas::default());
    assert_eq!(rig.commit(vec![]), []);
    assert_eq!(rig.one(sweep(NOW_MS)), Verdict::Swept { more: false });
}
