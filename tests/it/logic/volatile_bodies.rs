//! Long volatile bodies.

use qmsg::logic::LinkId;
use qmsg::wire::FromClient;

use super::long::{len_of, rest};
use super::server::Server;
use super::{attach, pass, processed, send, server};

/// A link of this user that reads and has caught up.
fn reader(server: &mut Server, name: &str, messages: u32) -> LinkId {
    let link = server.link(name);
    server.say(link, attach(messages, 1 << 30));
    server.work();
    server.heard(link);
    link
}

#[test]
fn to_all_who_read_now_and_answered_after_the_last_part() {
    let mut server = server();
    let alice = server.link("alice");
    let (one, two) = (reader(&mut server, "bob", 8), reader(&mut server, "bob", 8));
    let mut parts = rest(1, 4);
    server.say(alice, pass(1, "bob", len_of(4)));
    server.say_all(alice, parts.by_ref().take(2));
    assert_eq!(server.brief(alice), "more:2");
    assert_eq!(server.brief(one), "pass:1 part*2");
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "passed:1:2 more:1");
    assert_eq!((server.brief(one), server.brief(two)), ("part*1".into(), "pass:1 part*3".into()));
    server.say(one, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.brief(one), "");
}

#[test]
fn a_sender_takes_the_pace_of_a_users_readers() {
    let mut server = server();
    let alice = server.link("alice");
    let (slow, quick) = (reader(&mut server, "bob", 8), reader(&mut server, "bob", 8));
    let mut parts = rest(1, 100);
    server.say(alice, pass(1, "bob", len_of(100)));
    server.say_all(alice, parts.by_ref().take(64));
    assert_eq!(server.brief(alice), "more:64");
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "", "nobody has room");
    server.heard(slow);
    assert_eq!(server.brief(quick), "pass:1 part*64");
    server.say(quick, FromClient::ChunkCredit { parts: 64 });
    assert_eq!(server.brief(quick), "", "the other one has none");
    server.say(slow, FromClient::ChunkCredit { parts: 30 });
    assert_eq!(server.brief(alice), "more:30");
    server.say(slow, FromClient::ChunkCredit { parts: 5 });
    assert_eq!(server.brief(alice), "passed:1:2 more:5");
    assert_eq!((server.brief(slow), server.brief(quick)), ("part*35".into(), "part*35".into()));
}

#[test]
fn a_slow_member_of_a_room_is_left_behind() {
    let mut server = server();
    let alice = server.link("alice");
    let (slow, quick) = (reader(&mut server, "bob", 8), reader(&mut server, "carol", 8));
    for link in [slow, quick] {
        server.enter(link, "ops");
        server.heard(link);
    }
    let mut parts = rest(1, 100);
    server.say(alice, pass(1, "@ops", len_of(100)));
    server.say_all(alice, parts.by_ref().take(64));
    server.say(quick, FromClient::ChunkCredit { parts: 64 });
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "more:98 passed:1:1 more:1");
    assert_eq!(server.brief(slow), "pass:1 part*64 cut");
    assert_eq!(server.brief(quick), "pass:1 part*99");
    // Not counted as delivered.
    server.say(slow, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.brief(slow), "close:OutOfTurn");
}

/// A link that reads and is a member of a room.
fn member(server: &mut Server, name: &str) -> LinkId {
    let link = reader(server, name, 8);
    server.enter(link, "ops");
    server.heard(link);
    link
}

#[test]
fn a_sender_takes_the_pace_of_a_rooms_readers() {
    let mut server = server();
    let alice = server.link("alice");
    let (one, two) = (member(&mut server, "bob"), member(&mut server, "carol"));
    let mut parts = rest(1, 100);
    server.say(alice, pass(1, "@ops", len_of(100)));
    server.say_all(alice, parts.by_ref().take(64));
    assert_eq!(server.brief(alice), "more:64");
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "", "nobody has room");
    // One reader is a little behind the other.
    for (ahead, behind) in [(20, 31), (31, 20), (13, 13)] {
        server.say(one, FromClient::ChunkCredit { parts: ahead });
        server.say(two, FromClient::ChunkCredit { parts: behind });
    }
    assert_eq!(server.brief(alice), "more:31 passed:1:2 more:4");
    for link in [one, two] {
        assert_eq!(server.brief(link), "pass:1 part*99");
    }
}

#[test]
fn a_second_one_to_a_room_waits_for_the_first() {
    let mut server = server();
    let (alice, carol) = (server.link("alice"), server.link("carol"));
    let bob = member(&mut server, "bob");
    server.say(alice, pass(1, "@ops", len_of(3)));
    server.pass_long(carol, 2, "@ops", 3);
    server.say(carol, pass(3, "@ops", 5));
    assert_eq!(server.brief(carol), "", "it is held back, and so is what came behind it");
    server.say_all(alice, rest(1, 3));
    assert_eq!(server.brief(alice), "more:1 passed:1:1 more:1");
    assert_eq!(server.brief(bob), "pass:1 part*2 pass:2 part*2 pass:3");
    assert_eq!(server.brief(carol), "passed:2:1 passed:3:1 more:2");
    // If no reader is left, the sender is told so.
    server.say(alice, pass(4, "@ops", len_of(3)));
    server.pass_long(carol, 5, "@ops", 3);
    server.lose(bob);
    assert_eq!(server.brief(carol), "passed:5:0 more:2");
}

#[test]
fn what_is_held_back_for_a_room_ends_with_its_last_member() {
    let mut server = server();
    let alice = member(&mut server, "alice");
    let bob = member(&mut server, "bob");
    let carol = server.link("carol");
    server.say(carol, pass(1, "@ops", len_of(3)));
    // The sender reads too, but does not receive its own messages.
    server.pass_long(alice, 2, "@ops", 3);
    assert_eq!(server.brief(alice), "pass:1");
    server.say(bob, FromClient::LeaveRoom("ops".parse().unwrap()));
    server.work();
    assert_eq!(server.brief(alice), "passed:2:0 more:2");
}

#[test]
fn when_the_sender_ends_it_readers_hear_so() {
    for is_lost in [false, true] {
        let mut server = server();
        let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 1));
        server.say(alice, pass(1, "bob", len_of(9)));
        server.say_all(alice, rest(1, 9).take(3));
        if is_lost {
            server.lose(alice);
        } else {
            server.say(alice, FromClient::AbortBody);
            assert_eq!(server.brief(alice), "more:3", "it is not answered");
        }
        assert_eq!(server.brief(bob), "pass:1 part*3 cut");
        let carol = server.link("carol");
        server.say(carol, pass(2, "bob", 5));
        assert_eq!(server.brief(carol), "passed:2:1", "there is room as before");
    }
}

#[test]
fn to_nobody_it_is_answered_at_once_and_the_rest_is_of_no_use() {
    let mut server = server();
    let alice = server.link("alice");
    server.link("bob");
    for (n, to, said) in [
        (1, "bob", "passed:1:0"),
        (2, "nobody", "refused:2:UnknownTarget"),
        (3, "@all", "passed:3:0"),
    ] {
        server.say(alice, pass(n, to, len_of(5)));
        server.say_all(alice, rest(n, 5).take(2));
        assert_eq!(server.brief(alice), format!("more:2 {said}"));
        server.say(alice, FromClient::AbortBody);
        assert_eq!(server.brief(alice), "");
    }
}

#[test]
fn it_waits_until_a_users_reader_has_room() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 1));
    server.say(alice, pass(1, "bob", 5));
    assert_eq!(server.brief(alice), "passed:1:1");
    server.pass_long(alice, 2, "bob", 4);
    assert_eq!(server.brief(alice), "", "its parts wait with it");
    server.say(bob, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.brief(alice), "passed:2:1 more:3");
    assert_eq!(server.brief(bob), "pass:1 pass:2 part*3");
    // The wait ends with the last reader; later chunks are dropped.
    server.say(alice, pass(3, "bob", len_of(4)));
    server.say_all(alice, rest(3, 4).take(1));
    server.lose(bob);
    assert_eq!(server.brief(alice), "passed:3:0 more:1");
    server.say_all(alice, rest(3, 4).skip(1));
    assert_eq!(server.brief(alice), "more:2");
}

#[test]
fn one_that_waits_and_is_ended_is_forgotten() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 1));
    server.say(alice, pass(1, "bob", 5));
    server.say(alice, pass(2, "bob", len_of(4)));
    server.say_all(alice, rest(2, 4).take(2));
    server.say(alice, FromClient::AbortBody);
    assert_eq!(server.brief(alice), "passed:1:1 more:2");
    server.say(bob, FromClient::AckVolatile { count: 1 });
    assert_eq!(server.brief(bob), "pass:1");
}

#[test]
fn readers_that_go_are_not_waited_for() {
    let mut server = server();
    let alice = server.link("alice");
    let (one, two) = (reader(&mut server, "bob", 8), reader(&mut server, "bob", 8));
    server.say(alice, pass(1, "bob", len_of(100)));
    let mut parts = rest(1, 100);
    server.say_all(alice, parts.by_ref().take(64));
    server.say(one, FromClient::ChunkCredit { parts: 64 });
    server.say_all(alice, parts.by_ref().take(10));
    server.lose(two);
    assert_eq!(server.brief(alice), "more:74");
    server.lose(one);
    assert_eq!(server.brief(alice), "passed:1:0");
    server.say_all(alice, parts);
    assert_eq!(server.brief(alice), "more:25");
}

#[test]
fn stored_and_volatile_bodies_take_turns_on_a_link() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 8));
    server.store_long(alice, 1, "bob", 70);
    assert_eq!(server.brief(bob), "deliver:1 part*64");
    let carol = server.link("carol");
    server.pass_long(carol, 2, "bob", 3);
    server.say(alice, send(3, "bob", 5));
    server.heard(alice);
    assert_eq!(server.brief(carol), "", "one body at a time");
    server.say(bob, FromClient::ChunkCredit { parts: 64 });
    assert_eq!(server.brief(bob), "part*5 pass:2 part*2");
    server.say(bob, processed([1]));
    assert_eq!(server.brief(bob), "settled:1 deliver:2");
    assert_eq!(server.brief(carol), "passed:2:1 more:2");
}

#[test]
fn what_becomes_durable_meanwhile_comes_after_it() {
    let mut server = server();
    let (alice, bob) = (server.link("alice"), reader(&mut server, "bob", 8));
    let carol = server.link("carol");
    server.say(carol, pass(1, "bob", len_of(3)));
    server.say(alice, send(2, "bob", 5));
    server.say(alice, pass(3, "bob", 5));
    assert_eq!(server.brief(alice), "accepted:2", "what is passed waits");
    assert_eq!(server.brief(bob), "pass:1");
    server.say_all(carol, rest(1, 3));
    assert_eq!(server.brief(bob), "part*2 deliver:1 pass:3", "as alice sent them");
}
