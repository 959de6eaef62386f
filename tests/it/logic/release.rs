//! Released messages stay unacked for other readers.

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Event, Limits, PeerOutput};
use qmsg::wire::{CHUNK_LEN_MAX, CloseCode, FromClient};

use super::parts::{delivery, link_lost, linked, take_all};
use super::peers::Alone;
use super::server::Server;
use super::world::World;
use super::{attach, closed, draft, lost, processed, seqs, server, settled, skipped, target};

/// A server with `count` messages waiting for bob.
fn waiting(count: u64) -> Server {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    (1..=count).for_each(|n| _ = server.sent(alice, n, "bob", 5));
    server.take_said();
    server
}

#[test]
fn it_makes_room_and_stays_for_the_next_reader() {
    let mut server = waiting(6);
    let bob = server.link("bob");
    server.say(bob, attach(2, 100));
    assert_eq!(seqs(&server.heard(bob)), [1, 2]);
    server.say(bob, skipped([1, 2]));
    assert_eq!(seqs(&server.heard(bob)), [3, 4]);
    server.say(bob, skipped([3]));
    server.say(bob, processed([4]));
    assert_eq!(seqs(&server.heard(bob)), [5, 6]);
    let cursor = server.store.cursor("bob", "bob");
    assert_eq!((cursor.through, crate::memory::ranges::done(&cursor.above)), (0, vec![4]));
    let two = server.reader("bob");
    assert_eq!(seqs(&server.heard(two)), [1, 2, 3, 5, 6]);
    server.lose(bob);
    server.lose(two);
    let three = server.reader("bob");
    assert_eq!(seqs(&server.heard(three)), [1, 2, 3, 5, 6]);
}

#[test]
fn it_does_not_come_again_on_the_link_whatever_is_read_again() {
    let mut server = waiting(3);
    let (one, two) = (server.reader("bob"), server.reader("bob"));
    for bob in [one, two] {
        assert_eq!(seqs(&server.heard(bob)), [1, 2, 3]);
    }
    server.say(one, skipped([1, 3]));
    // The deliveries of the lost reader are looked up again, and so is the room from its beginning.
    server.lose(two);
    server.enter(one, "ops");
    assert_eq!(server.heard(one), []);
    let alice = server.link("alice");
    server.sent(alice, 4, "bob", 5);
    assert_eq!(seqs(&server.heard(one)), [4]);
    server.say(one, processed([2, 4]));
    assert_eq!(server.heard(one), [settled(2)]);
}

#[test]
fn only_what_was_delivered_can_be_skipped_and_once() {
    let never: [FromClient; 5] = [
        FromClient::Release(vec![]),
        skipped([3]),
        skipped([1, 3]),
        skipped([1, 2, 1]),
        skipped([0, u64::MAX - 1]),
    ];
    for frame in never {
        let mut server = waiting(2);
        let bob = server.reader("bob");
        server.heard(bob);
        server.say(bob, frame);
        assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)]);
    }
    for second in [skipped([1]), processed([1])] {
        let mut server = waiting(2);
        let bob = server.reader("bob");
        server.heard(bob);
        server.say(bob, skipped([1]));
        server.say(bob, second);
        assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)]);
    }
    let mut server = waiting(2);
    let bob = server.link("bob");
    server.say(bob, skipped([1]));
    assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "not attached");
}

/// Any number of released messages that are removed: one notice for consecutive ones.
#[test]
fn what_was_skipped_and_is_removed_is_told_of_together() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.enter(alice, "ops");
    server.enter(bob, "ops");
    for n in 1..=9 {
        server.sent(alice, n, "@ops", 1);
        server.sent(alice, 100 + n, "alice", 1);
    }
    let shown = seqs(&server.heard(bob));
    assert_eq!(shown.len(), 9);
    // All except the fifth, which stays with the reader.
    server.say(bob, skipped(shown.iter().copied().filter(|seq| *seq != shown[4])));
    server.store.remove(&target("@ops"), shown[7]);
    let two = server.reader("bob");
    let said = server.heard(two);
    assert_eq!(said[..2], [lost(shown[3], "@ops", 4), lost(shown[7], "@ops", 3)]);
    assert_eq!(seqs(&said), [shown[8]]);
    server.say(two, processed([shown[3], shown[7], shown[8]]));
    server.say(bob, processed([shown[4]]));
    assert_eq!(server.heard(bob), [settled(1)]);
    let cursor = server.store.cursor("bob", "@ops");
    assert_eq!((cursor.through, cursor.above), (shown[8], vec![]));
}

/// A reader takes one of a hundred thousand messages, and others take the rest. The test cannot see
/// the hub's memory, but the effects of its bound.
#[test]
fn skipping_goes_on_without_end() {
    let mut server = server();
    let (alice, one, two) = (server.link("alice"), server.reader("bob"), server.reader("bob"));
    for n in (1..6_000).step_by(300) {
        for n in n..n + 300 {
            server.say(alice, super::send(n, "bob", 1));
        }
        let shown = seqs(&server.heard(one));
        assert_eq!(shown.len(), 300);
        // Every other one, so that they are not consecutive.
        server.say(one, skipped(shown.iter().copied().filter(|seq| seq % 2 == 0)));
        server.say(one, processed(shown.iter().copied().filter(|seq| seq % 2 == 1)));
        server.heard(one);
        assert_eq!(seqs(&server.heard(two)), shown);
        server.say(two, processed(shown));
        server.heard(two);
    }
    let cursor = server.store.cursor("bob", "bob");
    assert_eq!((cursor.through, cursor.above), (6_000, vec![]));
}

#[test]
fn a_client_is_told_again_on_the_next_link() {
    let mut world = World::new(Limits::default(), Quotas::default());
    let (alice, bob) = (world.client("alice", None), world.client("bob", Some((10, 1 << 20))));
    for n in 1..=3 {
        world.send(alice, draft(n, "bob", 5));
    }
    // A message of several chunks is released before the last one has come.
    world.send(alice, draft(4, "bob", 3 * CHUNK_LEN_MAX));
    world.flow();
    let shown = |events: Vec<Event>| events.iter().flat_map(Event::seqs).collect::<Vec<_>>();
    assert_eq!(shown(world.told(bob)), [1, 2, 3, 4]);
    world.skip(bob, vec![1, 3]);
    world.process(bob, vec![2]);
    world.flow();
    assert_eq!(world.told(bob), [Event::AckRecorded { pending: 0 }]);
    world.cut_client(bob);
    // No release is left to send on this link.
    world.skip(bob, vec![4]);
    world.flow();
    assert_eq!(shown(world.told(bob)), [1, 3]);
    world.process(bob, vec![1, 3]);
    world.flow();
    world.cut_client(bob);
    world.flow();
    assert_eq!(shown(world.told(bob)), [4]);
    world.process(bob, vec![4]);
    world.flow();
    assert_eq!(world.server.store.cursor("bob", "bob").through, 4);
    world.cut_client(bob);
    world.flow();
    assert_eq!(world.told(bob).last(), Some(&Event::CaughtUp));
}

#[test]
fn a_client_skips_a_long_message_when_it_has_come() {
    let mut alone = Alone::welcomed();
    let mut message = delivery(7, 2);
    let last = message.split_off(1);
    take_all(&mut alone, message);
    assert_eq!(alone.takes(Command::Release(vec![7, 8, 0])), []);
    let out = take_all(&mut alone, last);
    assert_eq!(out.last(), Some(&PeerOutput::Frame(skipped([7]))));
    assert!(!alone.peer.is_waiting());
    // Released without a link: the user is not told of the delivery on the next one.
    take_all(&mut alone, delivery(8, 2));
    link_lost(&mut alone);
    alone.takes(Command::Release(vec![8]));
    linked(&mut alone);
    let out = take_all(&mut alone, delivery(8, 2));
    assert_eq!(out.last(), Some(&PeerOutput::Frame(skipped([8]))));
    assert!(!out.iter().any(|out| matches!(out, PeerOutput::Event(_))), "{out:?}");
}

#[test]
fn a_client_gives_back_what_has_not_come_again() {
    let given_back = |seqs: &[u64]| [PeerOutput::Event(Event::Returned(seqs.to_vec()))];
    let mut alone = Alone::welcomed();
    for (seq, parts) in [(7, 1), (8, 1), (9, 1), (10, 2)] {
        take_all(&mut alone, delivery(seq, parts));
    }
    assert_eq!(alone.takes(Command::Return(vec![7, 10])), given_back(&[]), "it is still here");
    link_lost(&mut alone);
    assert_eq!(alone.takes(Command::Return(vec![7, 99])), given_back(&[7]));
    linked(&mut alone);
    // These deliveries come again: one of them is not whole yet.
    assert_eq!(take_all(&mut alone, delivery(8, 1)), []);
    let mut long = delivery(10, 2);
    let last = long.split_off(1);
    assert_eq!(take_all(&mut alone, long), []);
    assert_eq!(alone.takes(Command::Return(vec![8, 9, 10])), given_back(&[9]));
    take_all(&mut alone, last);
    for seq in [7, 9] {
        let out = take_all(&mut alone, delivery(seq, 1));
        assert!(matches!(out[..], [PeerOutput::Event(Event::Messages { .. })]), "{out:?}");
    }
    let out = alone.takes(Command::Ack(vec![7, 8, 9, 10]));
    assert_eq!(out, [PeerOutput::Frame(processed(7..=10))]);
}
