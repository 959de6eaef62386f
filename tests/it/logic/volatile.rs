//! Volatile messages: delivered now or never, and not stored.

use qmsg::logic::{Ending, Event, LinkId, PeerInput};
use qmsg::wire::{Bundle, CloseCode, Envelope, FromClient, FromServer, Message, Refusal};

use super::server::{Said, Server};
use super::world::World;
use super::{attach, closed, draft, id, pass, passed, refused, room, server};

/// A link of this user that reads and has caught up.
fn reader(server: &mut Server, name: &str, messages: u32) -> LinkId {
    let link = server.link(name);
    server.say(link, attach(messages, 1 << 20));
    server.work();
    server.heard(link);
    link
}

/// Ids of the volatile messages sent to a link, which got no other output.
fn got(server: &mut Server, link: LinkId) -> Vec<u64> {
    let said = server.heard_so_far(link);
    let number = |said: Said| match said {
        Said::Frame(FromServer::Volatile(Bundle {
            first: Message { envelope: Envelope { id, .. }, .. },
            ..
        })) => u64::from(id.as_bytes()[15]),
        other => panic!("{other:?}"),
    };
    said.into_iter().map(number).collect()
}

#[test]
fn to_those_who_read_now_without_the_disk() {
    let mut server = server();
    let alice = server.link("alice");
    let (one, two) = (reader(&mut server, "bob", 8), reader(&mut server, "bob", 8));
    server.say(alice, pass(1, "bob", 5));
    // No batch was written meanwhile.
    assert_eq!(server.heard_so_far(alice), [passed(1, 2)]);
    assert_eq!((got(&mut server, one), got(&mut server, two)), (vec![1], vec![1]));
    server.lose(one);
    server.lose(two);
    let again = reader(&mut server, "bob", 8);
    assert!(got(&mut server, again).is_empty(), "not stored");
}

#[test]
fn to_nobody_is_told_from_to_an_unknown() {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    for (n, to, answer) in [
        (1, "bob", passed(1, 0)),
        (2, "@all", passed(2, 0)),
        (3, "nobody", refused(3, Refusal::UnknownTarget)),
        (4, "@nowhere", refused(4, Refusal::UnknownTarget)),
        (5, "@bob", refused(5, Refusal::OtherKind)),
    ] {
        server.say(alice, pass(n, to, 5));
        assert_eq!(server.heard(alice), [answer], "{to}");
    }
}

#[test]
fn a_room_and_everyone_but_the_sender() {
    let mut server = server();
    let alice = reader(&mut server, "alice", 8);
    let (bob, carol) = (reader(&mut server, "bob", 8), reader(&mut server, "carol", 8));
    for link in [alice, bob] {
        server.say(link, FromClient::JoinRoom(room("ops")));
        server.heard(link);
    }
    server.say(alice, pass(1, "@ops", 5));
    assert_eq!(server.heard(alice), [passed(1, 1)]);
    server.say(alice, pass(2, "@all", 5));
    assert_eq!(server.heard(alice), [passed(2, 2)]);
    assert_eq!((got(&mut server, bob), got(&mut server, carol)), (vec![1, 2], vec![2]));
    server.say(alice, pass(3, "alice", 5));
    assert_eq!(server.heard(alice).len(), 2, "to oneself it goes, and is answered");
}

#[test]
fn a_sender_takes_the_pace_of_a_users_reader() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 2));
    (1..=4).for_each(|n| server.say(alice, pass(n, "bob", 5)));
    assert_eq!(server.heard(alice), [passed(1, 1), passed(2, 1)], "the others wait");
    assert_eq!(got(&mut server, bob), [1, 2]);
    server.say(bob, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.heard(alice), [passed(3, 1)]);
    assert_eq!(got(&mut server, bob), [3]);
    server.lose(bob);
    assert_eq!(server.heard(alice), [passed(4, 0)], "with the last reader waiting ends");
}

#[test]
fn what_waits_goes_to_a_reader_that_comes() {
    let mut server = server();
    let (alice, _stuck) = (server.link("alice"), reader(&mut server, "bob", 1));
    (1..=3).for_each(|n| server.say(alice, pass(n, "bob", 5)));
    assert_eq!(server.heard(alice), [passed(1, 1)]);
    let bob = server.link("bob");
    server.say(bob, attach(1, 1 << 20));
    assert_eq!(server.heard(alice), [passed(2, 1)]);
    server.heard(bob);
    server.say(bob, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.heard(alice), [passed(3, 1)]);
}

/// A message that lives 5 s waits behind one that a reader takes slowly.
#[test]
fn what_has_expired_while_it_waited_is_not_passed() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 1));
    server.say(alice, pass(1, "bob", 5));
    match super::brief(2, "bob", "5") {
        FromClient::Send { envelope: Envelope { id, to, headers, size, body }, others } => {
            server.say(
                alice,
                FromClient::Volatile { envelope: Envelope { id, to, headers, size, body }, others },
            );
        }
        other => panic!("{other:?}"),
    }
    server.say(alice, pass(3, "bob", 5));
    assert_eq!(server.heard(alice), [passed(1, 1)]);
    assert_eq!(got(&mut server, bob), [1]);
    server.pass(5_000);
    server.say(bob, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.heard(alice), [passed(2, 0), passed(3, 1)]);
    assert_eq!(got(&mut server, bob), [3]);
}

#[test]
fn a_slow_member_of_a_room_misses_what_it_has_no_room_for() {
    let mut server = server();
    let alice = server.link("alice");
    let (slow, quick) = (reader(&mut server, "bob", 1), reader(&mut server, "carol", 8));
    (1..=3).for_each(|n| server.say(alice, pass(n, "@all", 5)));
    assert_eq!(server.heard(alice), [passed(1, 2), passed(2, 1), passed(3, 1)]);
    assert_eq!((got(&mut server, slow), got(&mut server, quick)), (vec![1], vec![1, 2, 3]));
}

#[test]
fn nobody_takes_what_was_not_passed() {
    for count in [0, 2, u32::MAX] {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 2));
        server.say(alice, pass(1, "bob", 5));
        got(&mut server, bob);
        server.say(bob, FromClient::AckVolatile { count });
        assert_eq!(server.heard(bob), [closed(CloseCode::OutOfTurn)], "{count}");
    }
}

#[test]
fn a_lost_link_leaves_it_uncertain_and_repeats_nothing() {
    let mut world = World::new(Default::default(), Default::default());
    let bob = world.client("bob", Some((2, 1 << 20)));
    let alice = world.client("alice", None);
    world.flow();
    world.told(alice);
    world.told(bob);
    let volatile = |n| super::Draft { volatile: true, ..draft(n, "bob", 5) };
    (1..=3).for_each(|n| world.send(alice, volatile(n)));
    world.flow();
    assert_eq!(
        world.told(alice),
        [
            Event::VolatileSent { id: id(1), count: 1, readers: 1 },
            Event::VolatileSent { id: id(2), count: 1, readers: 1 }
        ]
    );
    let told = world.told(bob);
    assert!(matches!(told[..], [Event::Messages { seq: 0, .. }, Event::Messages { seq: 0, .. }]));
    world.cut_client(alice);
    world.drain();
    assert!(world.told(alice).contains(&Event::Uncertain { id: id(3) }));
    // The reader takes chunks: nothing comes that was not sent before its sender was lost.
    world.process(bob, vec![0, 0]);
    world.drain();
    let again = world.told(bob);
    assert!(again.iter().filter(|event| matches!(event, Event::Messages { .. })).count() <= 1);
    world.feed(alice, PeerInput::Ended(Ending::Silence));
}
