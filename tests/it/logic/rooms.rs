//! Rooms, and `@all`.

use qmsg::durable::Quotas;
use qmsg::logic::Limits;
use qmsg::wire::{FromClient, FromServer};

use super::server::{Said, Server};
use super::{CAUGHT_UP, attach, processed, room, send, seqs, server, settled};

fn entered(name: &str, changed: bool) -> Said {
    Said::Frame(FromServer::RoomJoined { room: room(name), changed })
}

fn left(name: &str, changed: bool) -> Said {
    Said::Frame(FromServer::RoomLeft { room: room(name), changed })
}

#[test]
fn membership_is_as_wanted_however_often_it_is_asked_for() {
    let mut server = server();
    let alice = server.link("alice");
    let asks = [
        (
            FromClient::LeaveRoom(room("ops")),
            Said::Frame(FromServer::NoSuchRoom { room: room("ops") }),
        ),
        (FromClient::JoinRoom(room("ops")), entered("ops", true)),
        (FromClient::JoinRoom(room("ops")), entered("ops", false)),
        (FromClient::LeaveRoom(room("ops")), left("ops", true)),
        (FromClient::LeaveRoom(room("ops")), left("ops", false)),
    ];
    for (ask, answer) in asks {
        server.say(alice, ask);
        assert_eq!(server.heard(alice), [answer]);
    }
}

#[test]
fn rooms_and_memberships_have_limits() {
    let quotas = Quotas { rooms_max: 1, memberships_max: 1, ..Quotas::default() };
    let mut server = Server::new(Limits::default(), quotas);
    let alice = server.link("alice");
    server.enter(alice, "ops");
    server.say(alice, FromClient::JoinRoom(room("dev")));
    let refused = Said::Frame(FromServer::RoomRefused { room: room("dev") });
    assert_eq!(server.heard(alice), [refused]);
}

#[test]
fn all_members_see_one_order_and_no_sender_sees_the_own_message() {
    let mut server = server();
    let names = ["alice", "bob", "carol"];
    let links = names.map(|name| server.reader(name));
    let absent = server.link("dave");
    for link in links.into_iter().chain([absent]) {
        server.enter(link, "ops");
    }
    server.lose(absent);
    server.take_said();
    for n in 0..9 {
        server.say(links[n % 3], send(n as u64, "@ops", 5));
    }
    for (index, link) in links.into_iter().enumerate() {
        let others: Vec<u64> = (1..=9).filter(|seq| (seq - 1) % 3 != index as u64).collect();
        assert_eq!(seqs(&server.heard(link)), others);
    }
    let dave = server.reader("dave");
    assert_eq!(seqs(&server.heard(dave)), (1..=9).collect::<Vec<_>>());
}

#[test]
fn a_broadcast_reaches_all_who_were_there_but_its_sender() {
    let mut server = server();
    let (alice, bob) = (server.reader("alice"), server.reader("bob"));
    server.link("carol");
    server.take_said();
    server.sent(alice, 1, "@all", 5);
    assert!(seqs(&server.heard(alice)).is_empty());
    assert_eq!(seqs(&server.heard(bob)), [1]);
    let carol = server.reader("carol");
    assert_eq!(seqs(&server.heard(carol)), [1]);
    let dave = server.reader("dave");
    assert_eq!(server.heard(dave), [CAUGHT_UP], "claimed later");
    let alice = server.reader("alice");
    assert_eq!(server.heard(alice), [CAUGHT_UP]);
}

#[test]
fn who_sends_to_oneself_is_a_reader_like_any() {
    let mut server = server();
    let alice = server.reader("alice");
    server.sent(alice, 1, "alice", 5);
    let alice = server.reader("alice");
    assert_eq!(seqs(&server.heard(alice)), [1]);
}

#[test]
fn a_room_is_read_from_where_it_was_entered() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.enter(alice, "ops");
    server.sent(alice, 1, "@ops", 5);
    server.say(alice, send(2, "@ops", 5));
    server.say(bob, FromClient::JoinRoom(room("ops")));
    server.say(alice, send(3, "@ops", 5));
    // All three are in one batch: the second comes before the join, the third after it.
    let said = server.heard(bob);
    assert_eq!(seqs(&said), [3]);
    assert!(said.contains(&entered("ops", true)));
    server.sent(alice, 4, "@ops", 5);
    assert_eq!(seqs(&server.heard(bob)), [4]);
}

/// Bob joins while a page is on its way, which was read before or after the room's next messages.
#[test]
fn entering_while_a_page_is_on_its_way_misses_and_doubles_nothing() {
    for order in 0..4 {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), server.link("bob"));
        server.enter(alice, "ops");
        server.sent(alice, 1, "bob", 5);
        server.say(bob, attach(8, 1_000));
        server.look();
        server.answer_read();
        server.say(bob, FromClient::JoinRoom(room("ops")));
        server.say(alice, send(2, "@ops", 5));
        server.say(alice, send(3, "bob", 5));
        if order & 1 == 0 {
            server.look();
        }
        server.commit();
        server.look();
        if order & 2 == 0 {
            server.answer_writes();
        }
        server.answer_read();
        server.answer_writes();
        server.say(alice, send(4, "@ops", 5));
        let said = server.heard(bob);
        let (mut all, mut of_room) = (seqs(&said), seqs(&said));
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4], "in order {order}");
        of_room.retain(|seq| [2, 4].contains(seq));
        assert_eq!(of_room, [2, 4]);
        assert!(said.contains(&CAUGHT_UP));
    }
}

#[test]
fn a_room_that_was_left_is_delivered_no_more_but_can_still_be_reported() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.reader("bob"));
    server.enter(alice, "ops");
    server.enter(bob, "ops");
    server.sent(alice, 1, "@ops", 5);
    assert_eq!(seqs(&server.heard(bob)), [1]);
    server.say(bob, FromClient::LeaveRoom(room("ops")));
    assert_eq!(server.heard(bob), [left("ops", true)]);
    server.sent(alice, 2, "@ops", 5);
    assert_eq!(server.heard(bob), []);
    server.say(bob, processed([1]));
    assert_eq!(server.heard(bob), [settled(1)]);
    server.enter(bob, "ops");
    server.sent(alice, 3, "@ops", 5);
    assert_eq!(seqs(&server.heard(bob)), [3]);
    server.sent(alice, 4, "bob", 5);
    assert_eq!(seqs(&server.heard(bob)), [4]);
}

#[test]
fn leaving_while_the_mailbox_is_read_holds() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.enter(alice, "ops");
    server.enter(bob, "ops");
    server.sent(alice, 1, "@ops", 5);
    server.say(bob, attach(8, 1_000));
    server.look();
    server.say(bob, FromClient::LeaveRoom(room("ops")));
    server.commit();
    server.answer_writes();
    server.sent(alice, 2, "@ops", 5);
    let said = server.heard(bob);
    assert_eq!(said, [left("ops", true), CAUGHT_UP]);
}

/// The membership is on disk and its answer on the way when the mailbox is read: the answer must
/// not undo deliveries made since.
#[test]
fn a_membership_that_was_read_before_it_was_answered_is_entered_once() {
    for leaves_first in [false, true] {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), server.link("bob"));
        server.enter(alice, "ops");
        if leaves_first {
            server.enter(bob, "ops");
            server.say(bob, FromClient::LeaveRoom(room("ops")));
        }
        server.say(bob, FromClient::JoinRoom(room("ops")));
        server.say(alice, send(1, "@ops", 5));
        server.say(alice, send(2, "@ops", 5));
        server.commit();
        server.say(bob, attach(8, 1_000));
        for _ in 0..4 {
            server.look();
            server.answer_read();
        }
        assert_eq!(seqs(&server.heard_so_far(bob)), [1, 2]);
        server.answer_writes();
        assert!(seqs(&server.heard(bob)).is_empty());
        server.say(bob, processed([2]));
        assert_eq!(server.heard(bob), [settled(1)]);
        server.lose(bob);
        let bob = server.reader("bob");
        assert_eq!(seqs(&server.heard(bob)), [1], "not processed, not lost");
    }
}

#[test]
fn the_answer_to_enter_brings_back_nothing_that_was_processed_before_it() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.enter(alice, "ops");
    server.say(bob, FromClient::JoinRoom(room("ops")));
    server.say(alice, send(1, "@ops", 5));
    server.commit();
    server.say(bob, attach(8, 1_000));
    for _ in 0..4 {
        server.look();
        server.answer_read();
    }
    assert_eq!(seqs(&server.heard_so_far(bob)), [1]);
    server.say(bob, processed([1]));
    server.answer_writes();
    assert_eq!(server.heard(bob), [entered("ops", true), settled(1)]);
}

/// The same if the room was left before: the answer to the leave ends an older membership.
#[test]
fn neither_does_it_after_an_answer_to_leave() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), server.link("bob"));
    server.enter(alice, "ops");
    server.enter(bob, "ops");
    server.say(bob, FromClient::LeaveRoom(room("ops")));
    server.say(bob, FromClient::JoinRoom(room("ops")));
    server.say(alice, send(1, "@ops", 5));
    server.say(alice, send(2, "@ops", 5));
    server.commit();
    server.say(bob, attach(8, 1_000));
    for _ in 0..4 {
        server.look();
        server.answer_read();
    }
    assert_eq!(seqs(&server.heard_so_far(bob)), [1, 2]);
    server.say(bob, processed([1]));
    server.answer_writes();
    assert_eq!(server.heard(bob), [left("ops", true), entered("ops", true), settled(1)]);
    let cursor = server.store.cursor("bob", "@ops");
    assert_eq!((cursor.through, cursor.above), (1, vec![]));
    let next = server.reader("bob");
    assert_eq!(seqs(&server.heard(next)), [2]);
}
