//! The links of one client: only the last one says anything.

use qmsg::logic::LinkId;
use qmsg::wire::{CloseCode, FromClient, Refusal, Session};

use super::server::Server;
use super::{accepted, closed, duplicate, hello, key, refused, send, server, user, welcome};

/// A link on which a client has said which one it is.
fn opens(server: &mut Server, name: &str, client: u64, link: u32) -> LinkId {
    let at = server.open(key(name));
    let session = Some(Session { client, link });
    server.say(at, FromClient::Hello { id: user(name), claim: true, code: None, session });
    at
}

#[test]
fn what_is_late_on_an_earlier_link_is_not_taken() {
    let mut server = server();
    let first = opens(&mut server, "alice", 7, 1);
    assert_eq!(server.heard(first), [welcome("alice", true)]);
    let second = opens(&mut server, "alice", 7, 2);
    server.say(second, send(1, "bob", 5));
    let unknown = refused(1, Refusal::UnknownTarget);
    assert_eq!(server.heard(second), [welcome("alice", false), unknown]);
    assert_eq!(server.heard(first), [closed(CloseCode::TakenOver)]);
    // Now there is a bob, and what the first link carried comes.
    server.link("bob");
    server.say(first, send(1, "bob", 5));
    server.work();
    assert_eq!(server.store.seq_of(&user("alice"), super::id(1)), None);
    server.say(second, send(2, "bob", 5));
    assert_eq!(server.heard(second), [accepted(2)]);
}

#[test]
fn a_hello_that_is_late_itself_is_turned_away() {
    let mut server = server();
    let second = opens(&mut server, "alice", 7, 2);
    let first = opens(&mut server, "alice", 7, 1);
    server.say(first, send(1, "alice", 5));
    assert_eq!(server.heard(first), [closed(CloseCode::TakenOver)]);
    assert_eq!(server.heard(second), [welcome("alice", true)]);
    // The place is free when the link that has it ends.
    server.lose(second);
    let again = opens(&mut server, "alice", 7, 1);
    assert_eq!(server.heard(again), [welcome("alice", false)]);
}

#[test]
fn what_was_asked_of_the_store_before_is_still_answered_for() {
    let mut server = server();
    let first = opens(&mut server, "alice", 7, 1);
    server.work();
    server.say(first, send(1, "alice", 5));
    let second = opens(&mut server, "alice", 7, 2);
    server.say(second, send(1, "alice", 5));
    assert_eq!(server.heard(second), [welcome("alice", false), duplicate(1)]);
}

#[test]
fn other_clients_of_a_key_and_other_keys_go_on() {
    let mut server = server();
    let alice = opens(&mut server, "alice", 7, 1);
    let other = opens(&mut server, "alice", 8, 2);
    let bob = opens(&mut server, "bob", 7, 3);
    let plain = server.open(key("alice"));
    server.say(plain, hello("alice"));
    for link in [alice, other, plain, bob] {
        assert_eq!(server.heard(link).len(), 1, "a welcome");
    }
}
