//! Peers and hub together, with links that are lost and a server that dies.

use std::slice;

use qmsg::durable::Quotas;
use qmsg::logic::{Command, Draft, Event, Limits, PeerInput, PeerOutput};
use qmsg::wire::{FromServer, Message, Seq};

use super::parts::{link_lost, linked};
use super::peers::Alone;
use super::world::World;
use super::{draft, id, room, target};

/// A server, alice who sends, and bob who reads.
fn world() -> (World, usize, usize) {
    let mut world = World::new(Limits::default(), Quotas::default());
    let (alice, bob) = (world.client("alice", None), world.client("bob", Some((10, 1_000))));
    world.drain();
    world.told(alice);
    world.told(bob);
    (world, alice, bob)
}

fn shown(events: &[Event]) -> Vec<Seq> {
    events.iter().flat_map(Event::seqs).collect()
}

#[test]
fn a_message_comes_once_to_a_user_whose_link_is_lost() {
    let (mut world, alice, bob) = world();
    world.send(alice, draft(1, "bob", 5));
    world.flow();
    assert_eq!(shown(&world.told(bob)), [1]);
    world.cut_client(bob);
    world.flow();
    let told = world.told(bob);
    assert_eq!(told[0], Event::Offline);
    assert_eq!(told[1], Event::Welcome { claimed: false });
    assert_eq!(told[2..], [Event::CaughtUp], "offered again, not shown again");
    world.process(bob, vec![1]);
    world.flow();
    assert_eq!(world.told(bob), [Event::AckRecorded { pending: 0 }]);
    assert_eq!(world.server.store.cursor("bob", "bob").through, 1);
}

#[test]
fn what_was_reported_on_a_lost_link_is_reported_again_if_it_did_not_arrive() {
    let (mut world, alice, bob) = world();
    world.send(alice, draft(1, "bob", 5));
    world.flow();
    world.process(bob, vec![1]);
    world.cut_client(bob);
    assert!(world.clients[bob].peer.is_waiting());
    world.flow();
    assert_eq!(world.told(bob).last(), Some(&Event::AckRecorded { pending: 0 }));
    assert_eq!(world.server.store.cursor("bob", "bob").through, 1);
}

#[test]
fn what_was_recorded_before_the_link_was_lost_is_known_by_what_does_not_come_again() {
    let (mut world, alice, bob) = world();
    world.send(alice, draft(1, "bob", 5));
    world.flow();
    world.told(bob);
    world.process(bob, vec![1]);
    let link = world.clients[bob].link.unwrap();
    world.up(link, usize::MAX);
    world.server.commit();
    world.cut(link);
    world.flow();
    let told = world.told(bob);
    assert_eq!(told[2..], [Event::AckRecorded { pending: 0 }, Event::CaughtUp]);
    assert!(!world.clients[bob].peer.is_waiting());
}

#[test]
fn a_server_that_dies_loses_nothing_it_accepted() {
    let (mut world, alice, bob) = world();
    world.cut_client(bob);
    for n in 1..=3 {
        world.send(alice, draft(n, "bob", 5));
        let link = world.clients[alice].link.unwrap();
        world.up(link, usize::MAX);
        if n == 2 {
            world.server.commit();
        }
    }
    // Two are on disk and not answered, the third is only in memory.
    world.crash();
    world.drain();
    let answers: Vec<Event> = world.told(alice).split_off(2);
    let accepted = |n, count, duplicate| Event::Accepted { id: id(n), count, duplicate };
    // The messages are sent again in one bundle.
    assert_eq!(answers, [accepted(1, 2, true), accepted(3, 1, false)]);
    assert_eq!(shown(&world.told(bob)), [1, 2, 3]);
    assert_eq!(world.server.store.cursor("bob", "bob").through, 3);
}

#[test]
fn more_than_may_be_in_flight_goes_in_turns_and_in_order() {
    let limits = Limits { sends_max: 2, send_bytes_max: 20, ..Limits::default() };
    let mut world = World::new(limits, Quotas::default());
    let alice = world.client("alice", Some((3, 1_000)));
    for n in 1..=20 {
        world.send(alice, draft(n, "alice", (n as usize * 7) % 30));
    }
    world.flow();
    world.cut_client(alice);
    world.drain();
    assert_eq!(shown(&world.told(alice)), (1..=20).collect::<Vec<_>>());
}

#[test]
fn requests_are_repeated_after_a_lost_link() {
    let (mut world, _, bob) = world();
    world.feed(bob, Command::JoinRoom(room("ops")));
    world.feed(bob, Command::JoinRoom(room("dev")));
    world.feed(bob, Command::LeaveRoom(room("ops")));
    assert!(world.clients[bob].peer.is_waiting());
    world.cut_client(bob);
    world.drain();
    let told = world.told(bob);
    assert!(told.contains(&Event::RoomJoined { room: room("ops"), changed: true }));
    assert!(told.contains(&Event::RoomLeft { room: room("ops"), changed: true }));
    assert!(!world.clients[bob].peer.is_waiting());
    world.feed(bob, Command::JoinRoom(room("dev")));
    world.drain();
    assert!(world.told(bob).contains(&Event::RoomJoined { room: room("dev"), changed: false }));
}

#[test]
fn a_notice_is_told_once_and_acknowledged_by_the_client_itself() {
    let (mut world, alice, bob) = world();
    world.feed(bob, Command::JoinRoom(room("ops")));
    world.flow();
    world.cut_client(bob);
    for n in 1..=4 {
        world.send(alice, draft(n, "@ops", 5));
    }
    let link = world.clients[alice].link.unwrap();
    world.up(link, usize::MAX);
    world.server.work();
    world.server.store.remove(&target("@ops"), 3);
    world.told(bob);
    world.flow();
    let told = world.told(bob);
    assert!(told.contains(&Event::Gap { to: target("@ops"), count: 3 }));
    assert_eq!(shown(&told), [4]);
    world.cut_client(bob);
    world.drain();
    let again = world.told(bob);
    assert!(!again.iter().any(|event| matches!(event, Event::Gap { .. })), "{again:?}");
    assert_eq!(world.server.store.cursor("bob", "@ops").through, 4);
}

#[test]
fn what_another_reader_dealt_with_while_the_link_was_lost_is_settled() {
    let (mut world, alice, bob) = world();
    world.send(alice, draft(1, "bob", 5));
    world.flow();
    let other = world.client("bob", Some((10, 1_000)));
    world.flow();
    world.cut_client(bob);
    world.process(other, vec![1]);
    world.flow();
    world.told(bob);
    assert!(!world.clients[bob].peer.is_waiting());
    world.process(bob, vec![1]);
    assert_eq!(world.told(bob), [Event::AckRecorded { pending: 0 }]);
    assert!(!world.clients[bob].peer.is_waiting(), "it will not be offered again");
}

#[test]
fn of_equal_requests_each_has_its_answer() {
    let (mut world, _, bob) = world();
    let ops = || room("ops");
    for request in [Command::JoinRoom(ops()), Command::LeaveRoom(ops()), Command::JoinRoom(ops())] {
        world.feed(bob, request);
    }
    let link = world.clients[bob].link.unwrap();
    world.up(link, usize::MAX);
    world.server.work();
    world.carry();
    // The first answer arrives, then the link is lost.
    while world.clients[bob].events.is_empty() {
        world.down(link, 1);
    }
    assert_eq!(world.told(bob), [Event::RoomJoined { room: ops(), changed: true }]);
    world.cut(link);
    world.drain();
    let mut told = world.told(bob);
    told.retain(|event| matches!(event, Event::RoomJoined { .. } | Event::RoomLeft { .. }));
    let (left, entered) = (
        Event::RoomLeft { room: ops(), changed: true },
        Event::RoomJoined { room: ops(), changed: true },
    );
    assert_eq!(told[told.len() - 2..], [left, entered], "the last wish counts");
}

#[test]
fn any_number_of_requests_keeps_to_the_limit() {
    let (mut world, _, bob) = world();
    for n in 0..200 {
        world.feed(bob, Command::JoinRoom(room(&format!("room-{n}"))));
    }
    world.flow();
    world.cut_client(bob);
    world.drain();
    let entered = |event: &&Event| matches!(event, Event::RoomJoined { .. });
    assert_eq!(world.told(bob).iter().filter(entered).count(), 200);
}

/// An ack is sent on a link that is lost, and the next link catches up without that message. Then
/// the server dies before the ack is on disk, or another reader that had the message is gone.
#[test]
fn what_seemed_to_be_recorded_and_comes_after_all_is_not_shown_again() {
    let mut alone = Alone::welcomed();
    let delivery = |seq| {
        let Draft { envelope, .. } = draft(seq, "alice", 1);
        let from = super::user("bob");
        let message = Message { from, time_ms: 1, envelope };
        PeerInput::Frame(FromServer::deliver(seq, &message.into()))
    };
    let report = PeerOutput::Frame(super::processed([7]));
    assert_eq!(alone.takes(delivery(7)).len(), 1);
    assert_eq!(alone.takes(Command::Ack(vec![7])), slice::from_ref(&report));
    link_lost(&mut alone);
    linked(&mut alone);
    let out = alone.takes(PeerInput::Frame(FromServer::CaughtUp));
    assert!(out.contains(&PeerOutput::Event(Event::AckRecorded { pending: 0 })), "{out:?}");
    assert!(!alone.peer.is_waiting());
    link_lost(&mut alone);
    linked(&mut alone);
    assert_eq!(alone.takes(delivery(7)), [report]);
    assert!(alone.peer.is_waiting());
    let settled = PeerInput::Frame(FromServer::AckRecorded { count: 1 });
    assert_eq!(alone.takes(settled), [PeerOutput::Event(Event::AckRecorded { pending: 0 })]);
}
