//! Readers that begin elsewhere than at the first unacked message.

use qmsg::durable::Quotas;
use qmsg::logic::{Event, Intent, Limits, LinkId, Prefetch};
use qmsg::wire::{FromClient, FromServer, Seq, Start};

use super::server::{START, Said, Server};
use super::world::World;
use super::{
    CAUGHT_UP, attach, draft, id, lost, processed, seqs, server, settled, skipped, target, user,
};

fn from(start: Start, messages: u32) -> FromClient {
    FromClient::Subscribe { messages, bytes: 1 << 20, start, share: false }
}

/// Alice has sent `count` messages to bob, one a second; those in `done` are acked.
fn served(count: u64, done: &[Seq]) -> (Server, LinkId) {
    let mut server = server();
    let alice = server.link("alice");
    let bob = server.reader("bob");
    for n in 1..=count {
        server.sent(alice, n, "bob", 5);
        server.pass(1_000);
    }
    server.heard(bob);
    if !done.is_empty() {
        server.say(bob, processed(done.iter().copied()));
    }
    server.work();
    server.lose(bob);
    server.take_said();
    (server, alice)
}

/// All deliveries on a link, each acked at once.
fn all(server: &mut Server, link: LinkId) -> Vec<Seq> {
    let mut all: Vec<Seq> = vec![];
    loop {
        let new = seqs(&server.heard(link));
        if new.is_empty() {
            return all;
        }
        all.extend(&new);
        server.say(link, processed(new));
    }
}

#[test]
fn what_is_processed_is_replayed_and_stays_so() {
    let since = |seconds: u64| Start::Since(START.unix_ms + 1_000 * seconds);
    let (before, behind) = (Start::Since(0), Start::Since(u64::MAX));
    for (start, expected) in [
        (Start::Unacked, vec![3, 6, 7]),
        (before, vec![1, 2, 3, 4, 5, 6, 7]),
        (since(2), vec![3, 4, 5, 6, 7]),
        (since(5), vec![6, 7]),
        (behind, vec![]),
        (Start::After(id(1)), vec![2, 3, 4, 5, 6, 7]),
        (Start::After(id(4)), vec![5, 6, 7]),
        (Start::After(id(7)), vec![]),
        (Start::After(id(99)), vec![3, 6, 7]),
    ] {
        for window in [1, 2, 100] {
            let (mut server, _) = served(7, &[1, 2, 4, 5]);
            let before = server.store.cursor("bob", "bob");
            let bob = server.link("bob");
            server.say(bob, from(start, window));
            let said = server.heard(bob);
            assert_eq!(said.contains(&CAUGHT_UP), expected.len() <= window as usize, "{start:?}");
            let mut shown = seqs(&said);
            let first: Vec<Seq> = shown.clone();
            if !first.is_empty() {
                server.say(bob, processed(first));
            }
            shown.extend(all(&mut server, bob));
            assert_eq!(shown, expected, "{start:?}, {window}");
            // Messages before the start are still unacked.
            let left: Vec<Seq> = [3, 6, 7].into_iter().filter(|s| !expected.contains(s)).collect();
            let other = server.reader("bob");
            assert_eq!(seqs(&server.heard(other)), left, "{start:?}");
            if left == [3, 6, 7] {
                assert_eq!(server.store.cursor("bob", "bob"), before);
            }
        }
    }
}

#[test]
fn a_replay_changes_no_cursor() {
    let (mut server, _) = served(6, &[1, 2, 4]);
    let before = server.store.cursor("bob", "bob");
    let bob = server.link("bob");
    server.say(bob, from(Start::Since(0), 100));
    assert_eq!(seqs(&server.heard(bob)), [1, 2, 3, 4, 5, 6]);
    server.say(bob, processed([4, 1, 2]));
    assert_eq!(server.heard(bob), [settled(3)]);
    assert_eq!(server.store.cursor("bob", "bob"), before);
    // The others are delivered as usual.
    server.say(bob, processed([3]));
    server.say(bob, skipped([5]));
    assert_eq!(server.heard(bob), [settled(1)]);
    assert_eq!(server.store.cursor("bob", "bob").through, 4);
    let next = server.reader("bob");
    assert_eq!(seqs(&server.heard(next)), [5, 6]);
}

/// Another reader goes away, or a room is joined: all is read again, and no message comes twice.
#[test]
fn what_was_replayed_is_not_replayed_again() {
    let (mut server, alice) = served(6, &[1, 2, 3, 4]);
    server.enter(alice, "ops");
    let other = server.reader("bob");
    server.heard(other);
    let bob = server.link("bob");
    server.say(bob, from(Start::Since(0), 2));
    assert_eq!(seqs(&server.heard(bob)), [1, 2]);
    server.say(bob, processed([1, 2]));
    server.say(bob, FromClient::JoinRoom(super::room("ops")));
    server.lose(other);
    assert_eq!(all(&mut server, bob), [3, 4, 5, 6]);
    // The reader has caught up, and is now like any other.
    server.sent(alice, 7, "bob", 5);
    server.sent(alice, 8, "@ops", 5);
    assert_eq!(all(&mut server, bob), [7, 8]);
    let next = server.reader("bob");
    assert_eq!(server.heard(next), [CAUGHT_UP]);
}

#[test]
fn what_comes_while_the_start_is_looked_up_comes_once() {
    let (mut server, alice) = served(2, &[1]);
    let bob = server.link("bob");
    server.say(bob, from(Start::Since(0), 10));
    server.look();
    server.answer_read();
    for n in 3..6 {
        // Another message comes at each step.
        server.say(alice, super::send(n, "bob", 5));
        server.commit();
        server.look();
        server.answer_writes();
        server.answer_read();
    }
    assert_eq!(seqs(&server.heard(bob)), [1, 2, 3, 4, 5]);
}

#[test]
fn what_was_removed_before_the_start_is_for_others_to_hear() {
    let (mut server, alice) = served(0, &[]);
    let bob = server.reader("bob");
    for link in [alice, bob] {
        server.enter(link, "ops");
    }
    server.lose(bob);
    (1..=6).for_each(|n| _ = server.sent(alice, n, "@ops", 5));
    server.store.remove(&target("@ops"), 3);
    let bob = server.link("bob");
    server.say(bob, from(Start::After(id(5)), 10));
    let said = server.heard(bob);
    assert!(!said.iter().any(|said| matches!(said, Said::Frame(FromServer::Gap { .. }))));
    assert_eq!(seqs(&said), [6]);
    let other = server.link("bob");
    server.say(other, attach(10, 1_000));
    let said = server.heard(other);
    assert_eq!(said[0], lost(3, "@ops", 3));
    assert_eq!(seqs(&said), [4, 5, 6]);
    server.say(bob, processed([6]));
    server.say(other, processed([3, 4, 5]));
    server.work();
    assert_eq!(server.store.cursor("bob", "@ops").through, 6);
}

fn shown(events: &[Event]) -> Vec<Seq> {
    events.iter().flat_map(Event::seqs).collect()
}

#[test]
fn a_client_begins_there_once() {
    let mut world = World::new(Limits::default(), Quotas::default());
    let (alice, bob) = (world.client("alice", None), world.client("bob", None));
    for n in 1..=4 {
        world.send(alice, draft(n, "bob", 5));
        world.flow();
        world.pass(1_000);
    }
    let start = Start::Since(START.unix_ms + 2_000);
    let prefetch = Some(Prefetch { start, messages: 10, bytes: 1_000, ..Prefetch::DEFAULT });
    let intent = Intent { id: user("bob"), claim: true, code: None, prefetch, patience_ms: None };
    let late = world.client_of(Intent {
        prefetch: Some(Prefetch {
            start: Start::Since(u64::MAX),
            messages: 10,
            bytes: 1_000,
            ..Prefetch::DEFAULT
        }),
        ..intent.clone()
    });
    let two = world.client_of(intent);
    world.flow();
    assert_eq!(shown(&world.told(two)), [3, 4]);
    world.process(two, vec![3]);
    world.flow();
    for _ in 0..2 {
        world.cut_client(two);
        world.flow();
        // No message comes twice, and those before the start are for others.
        assert!(shown(&world.told(two)).is_empty());
    }
    // If no message has come yet, the next link begins at the same place.
    world.cut_client(late);
    world.flow();
    assert!(shown(&world.told(late)).is_empty());
    world.send(alice, draft(5, "bob", 5));
    world.flow();
    assert_eq!(shown(&world.told(two)), [5]);
    assert_eq!(shown(&world.told(late)), [5]);
    world.process(two, vec![4, 5]);
    world.flow();
    world.cut_client(two);
    world.cut_client(late);
    world.flow();
    assert_eq!((shown(&world.told(two)), shown(&world.told(late))), (vec![], vec![]));
    let _ = bob;
    let plain = world.client("bob", Some((10, 1_000)));
    world.flow();
    assert_eq!(shown(&world.told(plain)), [1, 2]);
}
